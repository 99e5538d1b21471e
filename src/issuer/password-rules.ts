const shortest = 8; // bytes
const longest = 1_024; // bytes: more would only be work for the hash

/** What is wrong with a new password; undefined: nothing. */
export function passwordProblem(password: string): string | undefined {
  const bytes = Buffer.byteLength(password);
  if (bytes < shortest) return `a password needs at least ${shortest} characters`;
  if (bytes > longest) return `a password may have at most ${longest} bytes`;
  return undefined;
}
