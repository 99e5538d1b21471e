import type { CallOptions } from "../client-api.js";
import type { SubscribeOptions, SubscriptionIterator } from "../subscriptions/subscription.js";
import type { Subscriptions } from "../subscriptions/subscriptions.js";
import type { Invoke } from "./api-proxy.js";
import type { Start } from "./call-manager.js";
import type { Call } from "./pending-calls.js";

/**
 * What the functions of `api` do: each sends a call, which becomes the first one of a subscription
 * when the server marks its answer as a subscription's, or when somebody iterates before. The
 * promise resolves with the subscription then. A failure that nobody takes is reported nowhere: the
 * call may be of a subscription that somebody iterates later.
 */
export function createInvoke(start: Start, open: Subscriptions["open"]): Invoke {
  return (name, params, options?: CallOptions & SubscribeOptions) => {
    let call: Call | undefined; // none, where its params aren't JSON
    let subscription: SubscriptionIterator<unknown> | undefined;

    const claim = (answer?: unknown): SubscriptionIterator<unknown> => {
      if (!subscription) {
        const resolve = call?.onResult;
        subscription = open(name, params, options, call, answer);
        resolve?.(subscription);
      }
      return subscription;
    };

    const promise = start(name, params, options, (made) => {
      call = made;
      made.claim = claim;
    });
    promise.claim = claim;
    // a promise less than for every call, where it isn't too late to wait for the failure
    if (call && !call.failure) call.promise = promise;
    else promise.catch(() => {});
    return promise;
  };
}
