import type { CallOptions } from "../client-api.js";
import type { SubscribeOptions } from "../subscriptions/subscription.js";
import { withDefaults } from "../with-defaults.js";

/**
 * The options of a call, or of a subscription: a function of `api` doesn't know which of the two it
 * makes. Throws a `TypeError` for an option that neither has.
 */
export function readOptions(
  options: CallOptions & SubscribeOptions,
  timeout = 0,
  idempotent = false,
) {
  return withDefaults(options, {
    signal: undefined as AbortSignal | undefined,
    timeout,
    idempotent,
    gaps: false,
    buffer: 1_024,
  } satisfies Record<keyof (CallOptions & SubscribeOptions), unknown>);
}
