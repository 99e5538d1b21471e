/** Where log lines go: pino's shape, so that a pino instance fits as it is. One line an event; never a token, a password or params. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
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

/** A class, since every connection has one: closures would take 400 bytes more for each. `Object.assign`, since two spreads take 5 µs. */
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

/** A logger that never throws: one that does must not end what it was told of. */
export function unfailing(logger: Logger): Logger {
  const log = (level: "debug" | "info" | "warn" | "error") => (fields: object, message: string) => {
    try {
      logger[level](fields, message);
    } catch {
      // there is nowhere left to say so
    }
  };
  const child = logger.child === undefined ? {} : { child: (bindings: object) => unfailing(logger.child?.(bindings) ?? logger) };
  return { debug: log("debug"), info: log("info"), warn: log("warn"), error: log("error"), ...child };
}
