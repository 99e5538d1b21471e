/** What a server takes from one connection, and gives it. Bytes or counts; 0: no limit, since
 * JSON has no infinity. */
export interface ConnectionLimits {
  /** Largest frame that it takes. */
  readonly frameBytes: number;
  /** Elements of a batch. */
  readonly batchLength: number;
  /** Requests whose handlers are pending. */
  readonly requestsInFlight: number;
  readonly subscriptions: number;
  /** Largest response. */
  readonly responseBytes: number;
}

export const defaultBatchLength = 50;
export const defaultRequestsInFlight = 64;

/**
 * Where nothing else is configured. Both ends go by this table, so that the defaults of a client
 * fit those of a server.
 */
export const defaultConnectionLimits: ConnectionLimits = {
  frameBytes: 65_536, // 64 KiB
  batchLength: defaultBatchLength,
  requestsInFlight: defaultRequestsInFlight,
  subscriptions: 128,
  responseBytes: 1_048_576, // 1 MiB
};

/** Elements of a batch before anybody has authenticated. */
export const openBatchLength = 2;
