import type { Subscription } from "../subscriptions/subscription.js";
import type { Subscriptions } from "../subscriptions/subscriptions.js";
import type { Invoke } from "./api-proxy.js";
import { adopt, type CallManager } from "./call-manager.js";
import type { Call } from "./pending-calls.js";

/**
 * What the functions of `api` do. Only the server knows which names are subscriptions, so each call
 * goes out as one; what it gives is a promise, and a subscription as soon as somebody asks it for
 * events. The call that is on its way is the first one of the subscription then.
 */
export function createInvoke(
  start: CallManager["call"],
  forget: CallManager["forget"],
  open: Subscriptions["open"],
): Invoke {
  return (name, params, options) => {
    let call: Call | undefined;
    let answer: unknown;
    let settle: Call["onResult"] | undefined;
    let subscription: Subscription<unknown> | undefined;

    const claim = (): Subscription<unknown> => {
      if (subscription) return subscription;
      promise.catch(() => {}); // the subscription tells what is wrong
      subscription = open(name, params, options, (answered) => {
        if (call?.phase === "sent") return adopt(call, answered);
        if (call?.phase === "queued")
          forget(call); // subscriptions go before calls
        else if (answer) answered(undefined, answer);
        return undefined;
      });
      settle?.(subscription);
      return subscription;
    };

    const members: PropertyDescriptorMap = {};
    for (const name of [Symbol.asyncIterator, Symbol.asyncDispose] as const)
      members[name] = { get: () => claim()[name] };

    const promise = start(name, params, options, (made) => {
      call = made;
      settle = made.onResult;
      made.onResult = (result) => {
        if (Object(result).subscription) {
          answer = result;
          // also for who awaited it, or had it from an async function
          Object.defineProperties(result, members);
        }
        settle?.(result);
      };
    });
    return Object.defineProperties(promise, members);
  };
}
