import { fireAndForget } from "../../runtime/application-code.js";
import type { Logger } from "../../runtime/logger.js";
import { describe } from "../../runtime/thrown.js";

const levels = ["debug", "info", "warn", "error"] as const;
/** The least level of which lines are written. */
export type LogLevel = (typeof levels)[number];

/**
 * JSON lines on standard error, UTC time in ISO 8601: what the server uses when it is given no
 * logger.
 */
export function jsonLogger(
  level: LogLevel = "info",
  write: (line: string) => unknown = (line) => process.stderr.write(line),
): Logger {
  const log = (at: LogLevel) => (fields: object, message: string) => {
    if (levels.indexOf(at) < levels.indexOf(level)) return;
    const line = { time: new Date().toISOString(), level: at, msg: message };
    // two spreads would take 5 µs
    const text = serialize(Object.assign({}, line, serializable(fields))) ?? serialize(line);
    fireAndForget(
      () => write(`${text}\n`),
      () => {}, // nowhere is left to say so
    );
  };
  return { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
}

/** Undefined for what JSON can't hold: a cycle, a BigInt. */
function serialize(line: object): string | undefined {
  try {
    return JSON.stringify(line);
  } catch {
    return undefined;
  }
}

/** An Error has no members of its own that JSON would show. */
function serializable(fields: object): object {
  const { err } = fields as { err?: unknown };
  try {
    return err instanceof Error
      ? { ...fields, err: { name: err.name, message: err.message, stack: err.stack } }
      : fields;
  } catch {
    return { ...fields, err: describe(err) }; // a Proxy that refuses to be looked at
  }
}
