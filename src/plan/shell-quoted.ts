/** The text as one word of a POSIX shell, in quotes whatever it is. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
