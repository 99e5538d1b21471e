/**
 * The notifications about subscriptions. `data` is JSON already: it is made once an event, not once
 * a subscriber.
 */
import type { EndReason } from "../protocol/messages.js";
import { Push } from "./push.js";

/** One event of a subscription. */
export class EventPush extends Push {
  /** JSON. */
  readonly data: string;
  readonly offset: number | undefined;
  readonly epoch: string | undefined;

  constructor(subscription: string, data: string, offset?: number, epoch?: string) {
    super(eventText(subscription, data, offset), subscription);
    this.data = data;
    this.offset = offset;
    this.epoch = epoch;
  }
}

/**
 * The same event for a subscriber who missed some before it: perhaps all that was left of another
 * epoch, so that it names its own.
 */
export function afterGap({ subscription = "", data, offset, epoch }: EventPush): Push {
  const history = epoch === undefined ? "" : `,"epoch":${JSON.stringify(epoch)}`;
  return new Push(eventText(subscription, data, offset, `${history},"gap":true`), subscription);
}

export function endPush(subscription: string, reason: EndReason, code: number | undefined): Push {
  const params = { subscription, reason, ...(code === undefined ? {} : { code }) };
  return new Push(
    `{"jsonrpc":"2.0","method":"subscription.ended","params":${JSON.stringify(params)}}`,
    subscription,
    true,
  );
}

function eventText(
  subscription: string,
  data: string,
  offset: number | undefined,
  gap = "",
): string {
  const place = offset === undefined ? "" : `,"offset":${offset}`;
  return `{"jsonrpc":"2.0","method":"subscription.event","params":{"subscription":${JSON.stringify(subscription)}${place}${gap},"data":${data}}}`;
}
