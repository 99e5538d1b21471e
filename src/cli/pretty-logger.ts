import type { Logger, LogLevel } from "../index.js";
import { visible } from "./output.js";

const levels: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** Short lines on standard error, for people: `12:03:11 info  order placed order="o1"`. */
export function prettyLogger(level: LogLevel): Logger {
  const log = (at: LogLevel) => (fields: object, message: string) => {
    if (levels.indexOf(at) < levels.indexOf(level)) return;
    const time = new Date().toTimeString().slice(0, 8);
    process.stderr.write(
      `${visible(`${time} ${at.padEnd(5)} ${message}${Object.entries(fields).map(member).join("")}`)}\n`,
    );
  };
  return { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error") };
}

function member([name, value]: readonly [string, unknown]): string {
  if (value === undefined) return "";
  const { stack } = Object(value) as { stack?: unknown };
  return typeof stack === "string" ? `\n${stack}` : ` ${name}=${JSON.stringify(value)}`;
}
