/**
 * What happens, for whoever listens in the same process (`node:diagnostics_channel`). Without
 * subscribers it costs nothing. Messages have neither tokens nor params.
 */
import { type Channel, channel } from "node:diagnostics_channel";

export const channels = {
  /** `{ connection, address }` */
  connectionOpen: channel("jotwire:connection:open"),
  /** `{ connection, address, code }` */
  connectionClose: channel("jotwire:connection:close"),
  /** `{ connection, method, outcome, subject }`: outcome is `ok`, or the reason of the refusal. */
  auth: channel("jotwire:auth"),
  /** `{ method, id }`: method is null for one that does not exist. */
  callStart: channel("jotwire:call:start"),
  /**
   * `{ method, id, code, duration }`: code is 0 for a result, null for a notification; duration is
   * in milliseconds.
   */
  callEnd: channel("jotwire:call:end"),
  /** `{ limit }`: the name of the option. */
  limit: channel("jotwire:limit"),
} as const satisfies Readonly<Record<string, Channel>>;
