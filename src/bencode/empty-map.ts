// Maps of the normal form.

/**
 * An object without a prototype, so that `__proto__` is a key like any other. Not by `Object.create(null)`: V8 makes a
 * hash table of that, which takes more than twice the memory where many maps have the same keys, as specs do.
 */
export function emptyMap<Value>(): Record<string, Value> {
  return Object.setPrototypeOf({}, null);
}
