import type { PastEvent } from "../../pubsub/bus.js";
import type { LogPage, LogPlace, LogSource } from "../../pubsub/log-tail.js";
import type { TopicLog } from "../../rpc/define/declared-subscription.js";
import {
  fireAndForget,
  mustBeSynchronous,
  toPromise,
  withTimeout,
} from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import { describe } from "../../runtime/thrown.js";

const timeoutMs = 9_000; // before the call that waits for it is answered
const maxEvents = 10_000; // of one reading
const maxCharacters = 8_388_608; // 8 Mi
const eventsPerTurn = 256; // a log that is always ready would never let anybody else run
const longestEpoch = 255;

export interface ApplicationLogPorts {
  /** JSON of an event. Throws, or rejects, when it is not as declared. */
  readonly encode: (event: unknown) => string | Promise<string>;
  readonly clock: Pick<Clock, "after">;
  readonly log: Logger;
}

/** The application's own log of a topic, each of whose functions may do what it likes. */
export class ApplicationLog implements LogSource {
  readonly #route: string;
  readonly #source: TopicLog<never>;
  readonly #params: unknown;
  readonly #ports: ApplicationLogPorts;

  constructor(route: string, source: TopicLog<never>, params: unknown, ports: ApplicationLogPorts) {
    this.#route = route;
    this.#source = source;
    this.#params = params;
    this.#ports = ports;
  }

  async latest(): Promise<LogPlace> {
    const asked = toPromise(
      this.#source.latest({ params: this.#params as never }) as PromiseLike<unknown>,
    );
    const name = `history.latest of ${this.#route}`;
    const place = await withTimeout(asked, timeoutMs, this.#ports.clock, name);
    const { epoch, offset, oldest = 0 } = Object(place) as Partial<LogPlace>;
    if (
      typeof epoch !== "string" ||
      epoch.length > longestEpoch ||
      !isOffset(offset) ||
      !isOffset(oldest)
    )
      throw new TypeError(
        `${name} must return {epoch, offset}: a string of at most ${longestEpoch} characters and an integer from 0 up`,
      );
    return { epoch, offset, oldest };
  }

  async read(after: number): Promise<LogPage> {
    const controller = new AbortController();
    const { signal } = controller;
    const name = `history.read of ${this.#route}`;
    const returned: Partial<AsyncIterable<unknown>> | undefined = mustBeSynchronous(
      this.#source.read({ params: this.#params as never, after, signal }),
      `${name}, an async generator (async *read),`,
    );
    const iterator = mustBeSynchronous(
      returned?.[Symbol.asyncIterator]?.(),
      `Symbol.asyncIterator of what ${name} returns`,
    );
    if (typeof iterator?.next !== "function")
      throw new TypeError(`${name} must return an async iterable: make it async *read`);
    try {
      const page = this.#pull(iterator, after, name, signal);
      return await withTimeout(page, timeoutMs, this.#ports.clock, name);
    } finally {
      controller.abort(new DOMException("the server has enough", "AbortError"));
      fireAndForget(
        () => iterator.return?.(),
        () => {}, // what it throws on its way out is nobody's business any more
      );
    }
  }

  after(delayMs: number, callback: () => void): () => void {
    return this.#ports.clock.after(delayMs, callback);
  }

  failed(error: unknown): void {
    this.#ports.log.warn(
      { event: "topic.fail", method: this.#route, err: describe(error) },
      "a topic can't be read",
    );
  }

  disordered(offset: number): void {
    this.#ports.log.warn(
      { event: "topic.disorder", method: this.#route, offset },
      "an event was published after one with a higher offset, which the log did not have before",
    );
  }

  async #pull(
    iterator: AsyncIterator<unknown>,
    after: number,
    name: string,
    signal: AbortSignal,
  ): Promise<LogPage> {
    const events: PastEvent[] = [];
    let [last, length, hasLoss] = [after, 0, false];
    for (let pulled = 1; !signal.aborted; pulled++) {
      if (events.length >= maxEvents || length >= maxCharacters)
        return { events, offset: last, isWhole: false, hasLoss };
      const { done, value } = await toPromise(iterator.next());
      if (done === true) break;
      const { offset, data } = Object(value) as { offset?: unknown; data?: unknown };
      if (!isOffset(offset) || offset <= last)
        throw new TypeError(
          `${name} must yield {offset, data} with offsets above ${last}, in order, not ${String(offset)}`,
        );
      last = offset;
      try {
        const text = await this.#ports.encode(data);
        events.push({ offset, data: text });
        length += text.length;
      } catch (error) {
        // an event of an older version of the application must not stop those behind it
        if (!hasLoss) this.failed(error);
        hasLoss = true;
      }
      if (pulled % eventsPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return { events, offset: last, isWhole: true, hasLoss };
  }
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
