// Many things in parts that one statement, or one transaction, takes well.

export function* batches<T>(all: readonly T[], most: number): Generator<readonly T[]> {
  for (let i = 0; i < all.length; i += most) yield all.slice(i, i + most);
}
