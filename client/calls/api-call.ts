import type { SubscribeOptions, Subscription } from "../subscriptions/subscription.js";
import type { Subscriptions } from "../subscriptions/subscriptions.js";
import type { CallOptions } from "../client-api.js";
import type { Invoke } from "./api-proxy.js";
import type { Start } from "./call-manager.js";
import type { Call } from "./pending-calls.js";

/**
 * What a function of `api` gives. Only the server knows which names are subscriptions, so that the
 * types say what it is, a promise or a `Subscription`, and an object of this class can be both.
 */
class ApiCall extends Promise<unknown> {
  declare claim: () => Subscription<unknown>;

  [Symbol.asyncIterator]() {
    return this.claim()[Symbol.asyncIterator]();
  }

  [Symbol.asyncDispose]() {
    return this.claim()[Symbol.asyncDispose]();
  }
}
// `then` gives a plain promise, and `await` needs no promise around this one
ApiCall.prototype.constructor = Promise;

/**
 * What the functions of `api` do: each sends a call, which becomes the first one of a subscription
 * when the server marks its answer as a subscription's, or when somebody iterates before. The
 * promise resolves with the subscription then. A failure that nobody takes is reported nowhere: the
 * call may be of a subscription that somebody iterates later.
 */
export function createInvoke(start: Start, open: Subscriptions["open"]): Invoke {
  return (name, params, options?: CallOptions & SubscribeOptions) => {
    let call: Call | undefined; // none, where its params aren't JSON
    let subscription: Subscription<unknown> | undefined;

    const claim = (answer?: unknown): Subscription<unknown> => {
      if (!subscription) {
        const resolve = call?.onResult;
        // the params as they were at the call
        const sent = call ? JSON.parse(`{${call.body}`).params : params;
        subscription = open(name, sent, options, call, answer);
        resolve?.(subscription);
      }
      return subscription;
    };

    const promise = start(
      name,
      params,
      options,
      (made) => {
        call = made;
        made.claim = claim;
      },
      ApiCall,
    );
    promise.claim = claim;
    promise.catch(() => {});
    return promise;
  };
}
