import { hasMethods, ignoreOutcome, unfailingMethods } from "./application-code.js";

/**
 * Where log lines go: pino's shape, so that a pino instance fits as it is. One line an event; never
 * a token, a password or params.
 */
export interface Logger {
  /** For developers: lines of single connections. */
  debug(fields: object, message: string): void;
  /** What an operator may want to know. */
  info(fields: object, message: string): void;
  /** What may need attention. */
  warn(fields: object, message: string): void;
  /** Something that somebody should look at. */
  error(fields: object, message: string): void;
  /** A logger that adds `bindings` to each line. */
  child?(bindings: object): Logger;
}

/** Drops every line. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A logger that adds `bindings` to each line, whether or not the given one knows `child`. */
export function childOf(logger: Logger, bindings: object): Logger {
  return logger.child === undefined ? new BoundLogger(logger, bindings) : logger.child(bindings);
}

/**
 * A class, since every connection has one: closures would take 400 bytes more for each.
 * `Object.assign`, since two spreads take 5 µs.
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

/** A logger that neither throws nor rejects: one that does must not end what it was told of. */
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

/** Undefined: what `child` gives is no logger. */
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
