/** The only place that prints. */
export function print(text = "") {
  process.stdout.write(`${text}\n`);
}

/** Shows what is going on, where somebody is looking. */
export function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}
