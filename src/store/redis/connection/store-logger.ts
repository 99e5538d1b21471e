/**
 * Where a store tells what an operator should know: a part of pino's shape. Never a secret in it.
 */
export interface StoreLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export const silentStoreLogger: StoreLogger = { info() {}, warn() {} };
