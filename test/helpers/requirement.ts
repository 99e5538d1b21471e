import { spawnSync } from "node:child_process";
import Mocha from "mocha";

const { Test } = Mocha;

/**
 * For a test, or a `before` hook, that needs something beside Node and npm's packages. When
 * `isThere` says no, the tests are skipped and say so in their titles; where `CI` is set they fail,
 * since there it must be installed.
 */
export function requires(context: Mocha.Context, what: string, isThere: () => boolean): void {
  if (isThere()) return;
  const reason = `${what} is missing; \`node test/set-up.mjs\` installs it, as root, on Debian`;
  if (process.env.CI === "true") throw new Error(reason);
  const runnable = context.runnable();
  if (runnable instanceof Test) annotate(runnable, reason);
  else runnable.parent?.eachTest((test) => annotate(test, reason)); // a hook's
  context.skip();
}

/** Does this program run, with these arguments, and end well? */
export function runs(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
}

function annotate(runnable: { title: string }, reason: string): void {
  runnable.title += ` (skipped: ${reason})`;
}
