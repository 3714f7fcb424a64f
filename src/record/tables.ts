// A record as what it is at the bottom: tables of rows. For whoever moves all of it, and asks nothing of what it means.

export type Cell = string | number | Uint8Array | null;
/** One row; cells in the order of the table's columns. */
export type Row = readonly Cell[];

export interface Table {
  readonly name: string;
  /** In the order of their definition. */
  readonly columns: readonly string[];
  /** Those of `columns` that name a row. */
  readonly key: readonly string[];
}

/** What every kind of record is behind its interface. All kinds have the same tables and columns. */
export interface RecordTables {
  /** Without password. */
  readonly url: string;
  /** In an order in which each refers only to rows of those before it and to its own earlier ones. `identity` is none of them. */
  tables(): Promise<readonly Table[]>;
  /** The record's id; or, while it is being copied to, `copy of ` and that of the record it will be. */
  identity(): Promise<string>;
  setIdentity(identity: string): Promise<void>;
  count(table: Table): Promise<number>;
  /** Up to `limit` rows in the order of their keys, those after the key `after`. */
  read(table: Table, after: Row | undefined, limit: number): Promise<Row[]>;
  /** Writes rows, over those that have their keys. All of them, or none. */
  write(table: Table, rows: readonly Row[]): Promise<void>;
  /** Removes all its rows. */
  clear(table: Table): Promise<void>;
  /** To be called when all is written: what comes next gets a new number. */
  finish(): Promise<void>;
  /** Numbers of the runs that live. */
  living(): Promise<number[]>;
  close(): Promise<void>;
}
