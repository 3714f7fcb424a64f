// A step that is SQL: its text, and the program that performs it.
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";

/** Where the text lies in the working directory. */
export const SQL_FOLDER = ".sql";
const FILE = `${SQL_FOLDER}/statements.sql`;

const LIBRARY = dirname(import.meta.dirname);
const RUNNER = join(import.meta.dirname, `sql-runner${extname(import.meta.filename)}`);

/** What performs it, in the working directory. */
export function sqlArgv(): string[] {
  return [process.execPath, RUNNER, FILE];
}

/** What that needs of this machine: Node.js, this library, and the packages that it speaks to servers with. Absolute paths. */
export function sqlReads(): string[] {
  const packages = dirname(dirname(createRequire(import.meta.url).resolve("pg/package.json")));
  return [process.execPath, LIBRARY, join(LIBRARY, "../package.json"), packages];
}

export function stageSql(sql: string, cwd: string): void {
  mkdirSync(join(cwd, SQL_FOLDER), { mode: 0o755 });
  writeFileSync(join(cwd, FILE), sql);
}
