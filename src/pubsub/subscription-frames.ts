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

  /** Whether it tells that events before it were lost. */
  readonly hasGap: boolean;
  #value: { readonly parsed: unknown } | undefined;

  constructor(
    subscription: string,
    data: string,
    offset?: number,
    epoch?: string,
    gap: string | undefined = undefined,
  ) {
    super(eventText(subscription, data, offset, gap), subscription);
    this.data = data;
    this.offset = offset;
    this.epoch = epoch;
    this.hasGap = gap !== undefined;
  }

  /** The event itself: parsed once, however many subscribers ask. */
  get value(): unknown {
    this.#value ??= { parsed: JSON.parse(this.data) };
    return this.#value.parsed;
  }
}

/**
 * The same event for a subscriber who missed some before it: perhaps all that was left of another
 * epoch, so that it names its own.
 */
export function afterGap({ subscription = "", data, offset, epoch }: EventPush): EventPush {
  const history = epoch === undefined ? "" : `,"epoch":${JSON.stringify(epoch)}`;
  return new EventPush(subscription, data, offset, epoch, `${history},"gap":true`);
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
