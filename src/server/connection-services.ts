import type { RevocationList } from "../auth/revocation/revocation-list.js";
import type { StandardSchema } from "../protocol/standard-schema.js";
import type { FlushQueue } from "../pubsub/outbox.js";
import type { TopicServices } from "../pubsub/topics.js";
import type { Dispatcher } from "../rpc/dispatch/dispatcher.js";
import type { Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";
import type { AuthServices } from "./connection/auth-queue.js";
import type { Limits } from "./limits.js";

/** What all connections of a server share. */
export interface ConnectionServices extends AuthServices {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly dispatcher: Dispatcher;
  readonly flushQueue: FlushQueue;
  readonly revocations: RevocationList;
  readonly topics: TopicServices;
  readonly notifications: ReadonlyMap<string, StandardSchema>;
  readonly log: Logger;
  /** For what the application's handlers log. */
  readonly applicationLog: Logger;
  /** Are frames compressed? */
  readonly compression: boolean;
}
