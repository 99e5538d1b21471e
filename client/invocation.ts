import type { Invoke } from "./api-proxy.js";
import type { Caller } from "./caller.js";
import type { AnswerHandlers } from "./control-requests.js";
import type { Call } from "./pending-calls.js";
import type { Subscription } from "./subscription.js";
import type { Subscriptions } from "./subscriptions.js";

/**
 * What the functions of `api` do. Only the server knows which names are subscriptions, so each call goes out as one; what it gives is a
 * promise, and a subscription as soon as somebody asks it for events. The call that is on its way is the first one of the subscription then.
 */
export function createInvoke(start: Caller["call"], forget: Caller["forget"], open: Subscriptions["open"]): Invoke {
  return (name, params, options) => {
    let call: Call | undefined;
    let answer: unknown;
    let settle: Call["resolve"] | undefined;
    let subscription: Subscription<unknown> | undefined;

    const claim = (): Subscription<unknown> => {
      if (subscription) return subscription;
      promise.catch(() => {}); // the subscription tells what is wrong
      subscription = open(name, params, options, (handlers) => {
        if (call?.state === "sent") return adopt(call, handlers);
        if (call?.state === "queued")
          forget(call); // subscriptions go before calls
        else if (answer) handlers.result(answer);
        return undefined;
      });
      settle?.(subscription);
      return subscription;
    };

    const members = {
      [Symbol.asyncIterator]: { get: () => claim()[Symbol.asyncIterator] },
      [Symbol.asyncDispose]: { get: () => claim()[Symbol.asyncDispose] },
    };

    const promise = start(name, params, options, (made) => {
      call = made;
      settle = made.resolve;
      made.resolve = (result) => {
        if (typeof Object(result).subscription === "string") {
          answer = result;
          Object.defineProperties(result, members); // also for who awaited it, or had it from an async function
        }
        settle?.(result);
      };
    });
    return Object.defineProperties(promise, members);
  };
}

/** The call's answer is for `handlers`; it is neither aborted, late nor repeated any more. */
function adopt(call: Call, { result, error }: AnswerHandlers): number {
  call.release?.();
  const changes: Partial<Call> = {
    deadline: Number.POSITIVE_INFINITY,
    isIdempotent: false,
    isRepeat: true,
    resolve: result,
    reject: error,
  };
  return Object.assign(call, changes, { release: undefined }).id;
}
