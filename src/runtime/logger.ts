import { hasMethods, ignoreOutcome, unfailingMethods } from "./application-code.js";

/**
 * Receives log lines, in the form of pino, so that a pino instance fits. Each event is one line,
 * which never has a token, a password or params.
 */
export interface Logger {
  /** Logs events of single connections, for developers. */
  debug(fields: object, message: string): void;
  /** Logs normal events, for operators. */
  info(fields: object, message: string): void;
  /** Logs events that may need attention. */
  warn(fields: object, message: string): void;
  /** Logs errors that need attention. */
  error(fields: object, message: string): void;
  /** Returns a logger that adds `bindings` to each line. */
  child?(bindings: object): Logger;
}

/** Drops every line. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Returns a logger that adds `bindings` to each line, even if the given logger has no `child`. */
export function childOf(logger: Logger, bindings: object): Logger {
  return logger.child === undefined ? new BoundLogger(logger, bindings) : logger.child(bindings);
}

/**
 * A class instead of closures, which saves 400 bytes per connection; `Object.assign` instead of two
 * spreads, which saves 5 µs per line.
 */
class BoundLogger implements Logger {
  readonly #logger: Logger;
  readonly #bindings: object;

  constructor(logger: Logger, bindings: object) {
    this.#logger = logger;
    this.#bindings = bindings;
  }

  debug(fields: object, message: string): void {
    this.#logger.debug(Object.assign({}, this.#bindings, fields), message);
  }

  info(fields: object, message: string): void {
    this.#logger.info(Object.assign({}, this.#bindings, fields), message);
  }

  warn(fields: object, message: string): void {
    this.#logger.warn(Object.assign({}, this.#bindings, fields), message);
  }

  error(fields: object, message: string): void {
    this.#logger.error(Object.assign({}, this.#bindings, fields), message);
  }
}

export const logLevels = ["debug", "info", "warn", "error"] as const;

/**
 * Returns a logger that neither throws nor rejects, so that a failing logger cannot disturb its
 * caller.
 */
export function unfailing(logger: Logger): Logger {
  const unfailingLogger = unfailingMethods(logger, logLevels);
  return logger.child === undefined
    ? unfailingLogger
    : {
        ...unfailingLogger,
        child: (bindings) =>
          unfailingChild(logger, bindings) ?? new BoundLogger(unfailingLogger, bindings),
      };
}

/** Returns `undefined` if `child` returns no logger. */
function unfailingChild(logger: Logger, bindings: object): Logger | undefined {
  try {
    const child: unknown = logger.child?.(bindings);
    if (hasMethods(child, logLevels)) return unfailing(child);
    ignoreOutcome(child);
  } catch {
    // as if there were no `child`
  }
  return undefined;
}
