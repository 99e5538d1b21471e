import { createApi } from "../../client/calls/api-proxy.js";
import { readOptions } from "../../client/calls/call-options.js";
import type { CallOptions, ClientApi } from "../../client/client-api.js";
import {
  DisconnectedError,
  errorFrom,
  JotwireError,
  SubscriptionEndedError,
} from "../../client/errors.js";
import type { Client, SubscribeOptions, SubscriptionIterator } from "../../client/node.js";
import { createEventQueue, type EventQueue } from "../../client/subscriptions/event-queue.js";
import type { SubscriptionNotifications } from "../protocol/messages.js";
import { Router } from "../rpc/define/create-rpc.js";
import { createRegistry, type Registry } from "../rpc/define/registry.js";
import type {
  NotificationSchemas,
  NotifyTarget,
  ServerActions,
} from "../rpc/define/server-actions.js";
import type { Opening } from "../rpc/dispatch/call.js";
import type { Clock } from "../runtime/clock.js";
import { type Logger, silentLogger } from "../runtime/logger.js";
import { assemble, type ServerParts } from "../server/assemble.js";
import { CallerConnection } from "./caller-connection.js";
import { idleGauge, unlimitedRates } from "./test-conditions.js";
import { type TestTokenOptions, testAuth, testToken } from "./test-token.js";

/** Who calls, and with what. Without `subject` nobody is signed in. */
export interface CallerOptions extends TestTokenOptions {
  /**
   * Clock of sessions, deadlines and histories.
   * @default the machine's clocks
   */
  readonly clock?: Clock;
  /**
   * Receives the log lines of handlers and of the server.
   * @default none
   */
  readonly logger?: Logger;
}

/** An event that the code under test has published. */
export interface PublishedEvent {
  /** Wire name of the topic. */
  readonly topic: string;
  /** The params of the topic. */
  readonly params: unknown;
  /** The event, as it was given to `publish`. */
  readonly event: unknown;
}

/** A notification that the code under test has sent. */
export interface SentNotification {
  /** To whom; `{ connection: "test-connection" }` is the caller's own connection. */
  readonly target: NotifyTarget;
  /** Name of the notification. */
  readonly name: string;
  /** Its params. */
  readonly params: unknown;
}

/** Calls the methods of an application without a socket. {@link caller} makes it. */
export interface TestCaller<App, Schemas extends NotificationSchemas = NotificationSchemas>
  extends AsyncDisposable {
  /** The application's methods and subscriptions as functions, as those of a client. */
  readonly api: ClientApi<App>;
  /** Calls a method by its wire name, as a client does. */
  readonly call: Client<App>["call"];
  /** Subscribes by wire name, as a client does. */
  readonly subscribe: Client<App>["subscribe"];
  /** What the application's handlers have published, in order. */
  readonly published: readonly PublishedEvent[];
  /** The notifications that the application's handlers have sent, in order. */
  readonly notified: readonly SentNotification[];
  /** Publishes an event to the caller's subscriptions. It is not among `published`. */
  readonly publish: ServerActions<Schemas>["publish"];
  /** Ends subscriptions and calls, and stops all timers. */
  close(): Promise<void>;
}

interface Feed {
  readonly name: string;
  readonly inbox: EventQueue;
  id: string | undefined;
}

type Fault = { readonly message: string; readonly stack?: string };

/** The caller's side: makes requests of calls, and results and errors of answers. */
class InProcessCaller {
  readonly published: PublishedEvent[] = [];
  readonly notified: SentNotification[] = [];
  readonly #parts: ServerParts;
  readonly #registry: Registry;
  readonly #connection: CallerConnection;
  readonly #ready: Promise<void>;
  readonly #feeds = new Set<Feed>();
  /** Subscriptions without an answer. */
  readonly #opening = new Set<Promise<unknown>>();
  /** What the log tells of a failure that the caller must not learn. */
  readonly #faults = new Map<string, Fault>();
  readonly #clock: Clock;
  #lastId = 0;
  #endedBy: string | undefined;

  constructor(app: Router<unknown>, options: CallerOptions) {
    const { clock, logger = silentLogger, ...token } = options;
    if (token.subject === undefined && Object.keys(token).length > 0)
      throw new TypeError(
        `caller: ${Object.keys(token).join(", ")} belong to a user: give a subject, too`,
      );
    const signed = token.subject === undefined ? undefined : testToken(withIssue(token, clock));
    this.#parts = assemble(app, {
      auth: testAuth,
      logger,
      limits: unlimitedRates,
      testing: { ...(clock === undefined ? {} : { clock }), gauge: idleGauge },
    });
    this.#registry = createRegistry(app);
    const { services } = this.#parts;
    this.#clock = services.clock;
    this.#connection = new CallerConnection(
      services,
      this.#observed(services.actions),
      this.#listening(logger),
      {
        notified: (target, name, params) => this.notified.push({ target, name, params }),
        received: (text) => this.#received(text),
        ended: (reason) => this.#ended(reason),
      },
    );
    this.#ready = signed === undefined ? Promise.resolve() : this.#signIn(signed);
    this.#ready.catch(() => {}); // each call tells it
  }

  readonly invoke = (
    name: string,
    params?: unknown,
    options: CallOptions & SubscribeOptions = {},
  ): unknown =>
    this.#registry.get(name)?.feed === undefined
      ? this.#call(name, params, options)
      : this.subscribe(name, params, options);

  readonly subscribe = (
    name: string,
    params?: unknown,
    options: SubscribeOptions = {},
  ): SubscriptionIterator<unknown> => {
    const { signal, gaps, buffer } = readOptions(options);
    const feed: Feed = { name, id: undefined, inbox: createEventQueue(buffer, gaps, () => {}) };
    this.#feeds.add(feed);
    const finish = (error?: Error) => {
      signal?.removeEventListener("abort", abort);
      this.#finish(feed, error);
    };
    const abort = () => finish(new JotwireError("aborted", undefined, signal?.reason));
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    const opening = this.#call(name, params, {}, feed).catch(finish);
    this.#opening.add(opening);
    void opening.finally(() => this.#opening.delete(opening));
    return iteratorOf(feed.inbox, finish);
  };

  async publish(...args: Parameters<ServerActions["publish"]>): Promise<void> {
    await Promise.all(this.#opening);
    await this.#parts.services.actions.publish(...args);
  }

  async close(): Promise<void> {
    if (this.#endedBy === undefined) this.#connection.close("bye");
    await this.#parts.close();
  }

  async #call(
    name: string,
    params: unknown,
    given: CallOptions & SubscribeOptions,
    feed?: Feed,
  ): Promise<unknown> {
    const { signal, timeout } = readOptions(given, Number.POSITIVE_INFINITY);
    const id = ++this.#lastId;
    const text = JSON.stringify({ jsonrpc: "2.0", id, method: name, params });
    await this.#ready;
    if (signal?.aborted) throw new JotwireError("aborted", undefined, signal.reason, "no");
    if (this.#endedBy !== undefined) throw new DisconnectedError("no", this.#endedBy);
    const stopped = this.#stopped(id, signal, timeout);
    try {
      return await Promise.race([stopped.promise, this.#answer(name, text, feed)]);
    } finally {
      stopped.forget();
    }
  }

  async #answer(name: string, text: string, feed: Feed | undefined): Promise<unknown> {
    const { dispatcher } = this.#parts.services;
    const outcome = dispatcher.respond(JSON.parse(text), this.#connection);
    const settled = outcome instanceof Promise ? dispatcher.encode(await outcome) : outcome;
    const reply = settled as string | Opening; // it is one request, with an id
    const { error, result } = JSON.parse(typeof reply === "string" ? reply : reply.text);
    if (this.#endedBy !== undefined && error !== undefined)
      throw new DisconnectedError("maybe", this.#endedBy);
    if (error !== undefined) throw this.#explained(errorFrom(error), name);
    if (feed !== undefined) feed.id = result.subscription;
    if (typeof reply !== "string") for (const started of reply.started) started.begin();
    if (feed !== undefined && !this.#feeds.has(feed)) this.#unsubscribe(feed);
    return result;
  }

  /** Rejects when the caller no longer waits. */
  #stopped(id: number, signal: AbortSignal | undefined, timeout: number) {
    let abort = () => {};
    let cancelTimer = () => {};
    const promise = new Promise<never>((_resolve, reject) => {
      const stop = (error: Error) => {
        reject(error);
        this.#connection.cancel(id);
      };
      abort = () => stop(new JotwireError("aborted", undefined, signal?.reason));
      signal?.addEventListener("abort", abort);
      if (timeout < Number.POSITIVE_INFINITY)
        cancelTimer = this.#clock.after(timeout, () => stop(new JotwireError("timeout")));
    });
    const forget = () => {
      signal?.removeEventListener("abort", abort);
      cancelTimer();
    };
    return { promise, forget };
  }

  async #signIn(token: string): Promise<void> {
    const { authority } = this.#parts.services;
    try {
      this.#connection.signIn(await authority.verify(token, ""));
    } catch (error) {
      const { message } = error as Error;
      throw new TypeError(`caller: the application takes no such user: ${message}`, {
        cause: error,
      });
    }
  }

  #received(text: string): void {
    const { method, params } = JSON.parse(text);
    if (method === "subscription.event") this.#event(params);
    if (method === "subscription.ended") this.#subscriptionEnded(params);
  }

  #event(event: SubscriptionNotifications["subscription.event"]): void {
    for (const feed of this.#feeds) {
      if (feed.id !== event.subscription) continue;
      if (event.gap === true) feed.inbox.lose();
      feed.inbox.put(event.data);
    }
  }

  #subscriptionEnded(ended: SubscriptionNotifications["subscription.ended"]): void {
    for (const feed of this.#feeds) {
      if (feed.id !== ended.subscription) continue;
      feed.id = undefined;
      const error = new SubscriptionEndedError(ended.reason, ended.code);
      this.#finish(
        feed,
        ended.reason === "completed" ? undefined : this.#explained(error, feed.name),
        false,
      );
    }
  }

  #finish(feed: Feed, error?: Error, isNow = true): void {
    feed.inbox.end(error, isNow);
    if (this.#feeds.delete(feed)) this.#unsubscribe(feed);
  }

  #unsubscribe({ id }: Feed): void {
    if (id === undefined || [...this.#feeds].some((other) => other.id === id)) return;
    this.#connection.unsubscribe(id);
  }

  #ended(reason: string): void {
    this.#endedBy = reason;
    for (const feed of this.#feeds)
      this.#finish(
        feed,
        reason === "bye" ? undefined : new DisconnectedError("maybe", reason),
        false,
      );
  }

  #observed(actions: ServerActions): ServerActions {
    return {
      ...actions,
      publish: async (topic, params, event, ...options) => {
        await actions.publish(topic, params, event, ...options);
        const entry = [...this.#registry.values()].find(
          (candidate) => candidate.feed !== undefined && candidate.route === topic,
        );
        this.published.push({ topic: entry?.name ?? "", params, event });
      },
      notify: async (target, name, params) => {
        await actions.notify(target, name, params);
        this.notified.push({ target, name, params });
      },
    };
  }

  /** Keeps what the caller of a network must not learn, and a test should. */
  #listening(logger: Logger): Logger {
    return {
      debug: (fields, message) => logger.debug(fields, message),
      info: (fields, message) => logger.info(fields, message),
      warn: (fields, message) => logger.warn(fields, message),
      error: (fields, message) => {
        const { errorId, method, err } = fields as Readonly<Record<string, unknown>>;
        this.#faults.set(String(errorId ?? method), err as Fault);
        logger.error(fields, message);
      },
    };
  }

  /** Gives an error the cause that the log names. */
  #explained<Fault extends Error>(error: Fault, name: string): Fault {
    const { errorId = name } = Object((error as { readonly data?: unknown }).data);
    const fault = this.#faults.get(errorId);
    this.#faults.delete(errorId);
    if (fault !== undefined)
      error.cause = Object.assign(new Error(fault.message), { stack: fault.stack });
    return error;
  }
}

function withIssue(token: TestTokenOptions, clock: Clock | undefined): TestTokenOptions {
  return clock === undefined ? token : { issuedAt: clock.now(), ...token };
}

function iteratorOf(
  inbox: EventQueue,
  finish: (error?: Error) => void,
): SubscriptionIterator<unknown> {
  const end = async () => finish();
  const iterator: SubscriptionIterator<unknown> = {
    next: inbox.next,
    async return() {
      await end();
      return { done: true, value: undefined };
    },
    async throw(error) {
      await end();
      throw error;
    },
    [Symbol.asyncIterator]: () => iterator,
    [Symbol.asyncDispose]: end,
  };
  return iterator;
}

/**
 * Makes a caller that runs an application's methods in the test's own process, without a socket:
 * scopes, step-up, schemas, `authorize`, handlers and declared errors are those of the server.
 * Params and results go through JSON, as on the wire. An internal error has what the handler threw
 * as its `cause`. Without `subject` nobody is signed in.
 * @throws TypeError if an option is unknown, or makes no sense
 * @example
 * const ada = caller(app, { subject: "ada", scopes: ["orders:write"] });
 * const order = await ada.api.orders.create({ sku: "A1" });
 * assert.deepEqual(ada.published, [{ topic: "orders.changes", params: undefined, event: order }]);
 */
export function caller<R, N, Schemas extends NotificationSchemas>(
  app: Router<R, N, Schemas>,
  options: CallerOptions = {},
): TestCaller<Router<R, N, Schemas>, Schemas> {
  if (!(app instanceof Router))
    throw new TypeError("app is not a router; pass the result of rpc.router({ … })");
  const made = new InProcessCaller(app as unknown as Router<unknown>, options);
  const close = () => made.close();
  return {
    api: createApi(made.invoke as Parameters<typeof createApi>[0]),
    call: (name: string, ...args: [unknown?, CallOptions?]) => made.invoke(name, ...args),
    subscribe: made.subscribe,
    published: made.published,
    notified: made.notified,
    publish: made.publish.bind(made),
    close,
    [Symbol.asyncDispose]: close,
  } as unknown as TestCaller<Router<R, N, Schemas>, Schemas>;
}
