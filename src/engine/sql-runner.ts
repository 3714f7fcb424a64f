// The program of a step that is SQL: performs the statements of a file one after the other, in the schema that libpq's variables lead
// to, and says where in the text one failed. Called as  sql-runner FILE  in the step's working directory.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { placeIn, type Statement, statementsOf } from "./sql-text.ts";

const [, , file = ""] = process.argv;
const text = readFileSync(file, "utf8");

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

/** An input that is tables is a file which holds the name of its schema. */
function schemaOf(name: string): string {
  const path = join("inputs", name);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (name === "" || name.includes("/") || stat === undefined)
    fail(`ERROR:  there is no input "${name}", which "inputs/${name}" would stand for`);
  const schema = stat.isFile() && stat.size < 64 ? readFileSync(path, "utf8") : "";
  if (!/^[os]_[0-9a-f_]+$/.test(schema))
    fail(`ERROR:  the input "${name}" is no tables: a command with psql can read it, by \\copy`);
  return schema;
}

function told(error: unknown, statement: Statement): string {
  if (!(error instanceof pg.DatabaseError))
    return `ERROR:  ${error instanceof Error ? error.message : error}`;
  const { severity = "ERROR", message, detail, hint, code, position } = error;
  const offset = position === undefined ? statement.start : statement.offsetOf(Number(position));
  const { line, column, shown } = placeIn(text, offset);
  return [
    `${severity}:  ${message} (${code})`,
    `line ${line}, column ${column}:`,
    `  ${shown}`,
    `  ${" ".repeat(column - 1)}^`,
    ...(detail === undefined ? [] : [`DETAIL:  ${detail}`]),
    ...(hint === undefined ? [] : [`HINT:  ${hint}`]),
  ].join("\n");
}

const statements = statementsOf(text, schemaOf);
const { PGOPTIONS: options } = process.env;
const client = new pg.Client(options === undefined ? {} : { options });
client.on("error", (error) => fail(`ERROR:  ${error.message}`));
client.on("notice", ({ severity, message }) => console.error(`${severity}:  ${message}`));
try {
  await client.connect();
} catch (error) {
  fail(`ERROR:  ${error instanceof Error ? error.message : error}`);
}
for (const statement of statements) {
  try {
    const { command, rowCount } = await client.query(statement.sent);
    console.log(rowCount === null ? command : `${command} ${rowCount}`);
  } catch (error) {
    fail(told(error, statement));
  }
}
if (client.getTransactionStatus() !== "I") fail("ERROR:  a transaction is left open: end it with COMMIT");
await client.end();
