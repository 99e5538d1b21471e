import { errorOf, standardError } from "../protocol/error-codes.js";
import type { EventSource } from "../pubsub/generator-subscription.js";
import type { GeneratorFeed } from "../rpc/define/subscription-entry.js";
import { FeedContext, haltOf, type SubscribeCall } from "../rpc/dispatch/call.js";
import { encodeEvent, isTooLarge } from "../rpc/dispatch/encode-event.js";
import { mustBeSynchronous } from "../runtime/application-code.js";
import { describe } from "../runtime/thrown.js";

/** The application's generator, as a source of events. `mostBytes` of one event, 0 = no limit. */
export function generatorSource({ call, entry, params }: SubscribeCall, feed: GeneratorFeed, mostBytes: number): EventSource {
  const controller = new AbortController();
  return {
    start: () => iteratorOf(feed.handler(new FeedContext(call, params, controller.signal) as never)),
    encode: (event) => encodeEvent(feed.event, event, mostBytes),
    abort: () => controller.abort(new DOMException("the subscription has ended", "AbortError")),
    failed(thrown) {
      const told = haltOf(thrown) ?? entry.errors.find(thrown);
      if (told !== undefined) return told.code;
      call.caller.log.error({ event: "subscription.fail", method: entry.name, err: describe(thrown) }, "a subscription's generator failed");
      return isTooLarge(thrown) ? errorOf("too_large").code : standardError("internal").code;
    },
  };
}

/** @throws TypeError when the handler has returned nothing that can be iterated over, or a promise */
function iteratorOf(returned: AsyncIterable<unknown>): AsyncIterator<unknown> {
  const iterable: Partial<AsyncIterable<unknown>> | undefined = mustBeSynchronous(
    returned,
    "handler, an async generator (async *handler),",
  );
  const iterator = mustBeSynchronous(iterable?.[Symbol.asyncIterator]?.(), "Symbol.asyncIterator of what handler returns");
  if (typeof iterator?.next === "function") return iterator;
  throw new TypeError("handler must return an async iterable: make it an async generator (async *handler)");
}
