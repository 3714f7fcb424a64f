// What a measurement of one part gives.
export interface MicroRow {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
}

/** Measures; `dir` is an absolute folder of its own, which is removed afterwards. */
export type Micro = (dir: string) => Promise<MicroRow[]>;
