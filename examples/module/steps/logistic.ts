// What both steps know.

/** A growth rate, and the populations (0 to 1) that it settles into. */
export interface Orbit {
  readonly rate: number;
  readonly populations: readonly number[];
}

/** Follows x → rate · x · (1 - x): `skip` steps to settle, then `keep` more that count. */
export function orbit(rate: number, skip: number, keep: number): Orbit {
  let x = 0.5;
  for (let step = 0; step < skip; step++) x = rate * x * (1 - x);
  const populations = Array.from({ length: keep }, () => {
    x = rate * x * (1 - x);
    return Number(x.toFixed(4));
  });
  return { rate, populations: [...new Set(populations)].sort() };
}
