import { AsyncLocalStorage } from "node:async_hooks";
import { errorOf, standardError } from "../../protocol/error-codes.js";
import { type TopicMember, type TopicName, type Topics, topicKey } from "../../pubsub/topics.js";
import type { Auth } from "../../rpc/define/access.js";
import type { SnapshotContext, SnapshotSource } from "../../rpc/define/declared-subscription.js";
import { RpcFault } from "../../rpc/dispatch/call.js";
import { withTimeout } from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";
import { FairQueue } from "../../runtime/fair-queue.js";
import type { Logger } from "../../runtime/logger.js";
import { describe } from "../../runtime/thrown.js";
import type { Limits } from "../limits.js";

const mostOut = 32; // snapshots that are being made at a time
// one that never settles would keep its place without a limit, too
const longestWait = 300_000; // 5 min

export interface SnapshotServices {
  readonly clock: Clock;
  readonly limits: Pick<Limits, "requestTimeout">;
  readonly topics: Topics;
  readonly log: Logger;
  readonly newErrorId: () => string;
}

/** Who needs a snapshot of which topic. */
export interface SnapshotRequest {
  readonly topic: TopicName;
  readonly source: SnapshotSource;
  /** As the schema has returned them. */
  readonly params: unknown;
  /** As they came. */
  readonly given: unknown;
  /** The subscriber, with the current token. */
  auth(): Auth;
}

/** A snapshot that somebody waits for. */
export interface SnapshotTicket {
  /** JSON. Rejects with {@link RpcFault}. */
  readonly json: Promise<string>;
  /** The result is no longer needed. */
  cancel(): void;
}

interface Waiter {
  readonly request: SnapshotRequest;
  readonly group: Group;
  readonly user: string;
  readonly resolve: (json: string) => void;
  readonly reject: (error: RpcFault) => void;
  /** The flight whose result it gets. */
  flight: Flight | undefined;
}

/** Those who wait for a snapshot of one topic with the same params. */
interface Group {
  readonly key: string;
  /** Each may be the one that a flight begins for. */
  readonly waiting: Set<Waiter>;
  /** Those who came too late for the flight that is out; they get the next one's result. */
  readonly late: Set<Waiter>;
  /** The flight that is out and whose result is for all of them, as far as is known. */
  flight: Flight | undefined;
  /** The application's function has read `auth`: each of them needs a result of its own. */
  isPrivate: boolean;
}

/**
 * One call of the application's function:
 *
 *   shared: for all who waited, and who come while no event does
 *     └── reads auth ──► private: for the one it began for; the others wait again
 */
class Flight implements TopicMember {
  /** The one whose `auth` the function can read. */
  readonly first: Waiter;
  readonly waiters: Set<Waiter>;
  readonly #auth: Auth;
  readonly #leave: () => void;
  #controller: AbortController | undefined;
  #isOver = false;
  /** Whether the function has settled. */
  isDone = false;
  /** An event has come since it began, which its result may lack. */
  isStale = false;

  constructor(first: Waiter, topics: Topics) {
    const { topic, auth } = first.request;
    this.first = first;
    this.waiters = new Set([first]);
    this.#auth = auth();
    this.#leave = topics.join(topic, this);
  }

  deliver(): void {
    this.isStale = true;
  }

  missed(): void {
    this.isStale = true;
  }

  /** The argument of the application's function. Calls `read` when the function reads `auth`. */
  contextOf(params: unknown, read: () => void): SnapshotContext<Auth, unknown> {
    const flight = this;
    return {
      params,
      get auth() {
        read();
        return flight.#auth;
      },
      get signal() {
        flight.#controller ??= new AbortController();
        if (flight.#isOver && !flight.isDone) flight.#controller.abort();
        return flight.#controller.signal;
      },
    };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Nobody waits for it any more: it has come, or comes too late. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#leave();
    if (!this.isDone) this.#controller?.abort();
  }
}

/**
 * Has the application make snapshots. Subscribers with the same params share one call of its
 * function, which must have begun after each of them joined the topic; a result that depends on
 * `auth` is for one of them. A call that is out is shared as long as no event comes, so one that is
 * out and one that waits for it are enough for any number of subscribers.
 */
export class Snapshots {
  readonly #services: SnapshotServices;
  readonly #queue = new FairQueue<Waiter>(mostOut, (waiter) => this.#begin(waiter));
  readonly #groups = new Map<string, Group>();
  // what the application keeps in an AsyncLocalStorage, such as the user, must not get into a
  // result that others share
  readonly #outside = AsyncLocalStorage.snapshot();

  constructor(services: SnapshotServices) {
    this.#services = services;
  }

  /** Number of topics and params whose snapshot somebody waits for. */
  get size(): number {
    return this.#groups.size;
  }

  /** To be called after the subscriber has joined the topic. */
  take(request: SnapshotRequest): SnapshotTicket {
    const group = this.#groupOf(request);
    const { issuer, subject } = request.auth();
    const user = `${issuer} ${subject}`;
    let cancel = () => {};
    const json = new Promise<string>((resolve, reject) => {
      const waiter: Waiter = { request, group, user, resolve, reject, flight: undefined };
      cancel = () => this.#cancel(waiter);
      if (group.flight === undefined) this.#wait(group, [waiter]);
      else this.#join(group.flight, waiter);
    });
    return { json, cancel };
  }

  close(): void {
    this.#queue.close();
    this.#groups.clear();
  }

  #groupOf({ topic, given }: SnapshotRequest): Group {
    const key = `${topicKey(topic)}\n${JSON.stringify(given)}`;
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group = {
      ...{ key, waiting: new Set<Waiter>(), late: new Set<Waiter>() },
      ...{ flight: undefined, isPrivate: false },
    };
    this.#groups.set(key, group);
    return group;
  }

  /** Waits for a flight that begins later. */
  #wait(group: Group, waiters: Iterable<Waiter>): void {
    for (const waiter of waiters) {
      waiter.flight = undefined;
      group.waiting.add(waiter);
      this.#queue.add(waiter.user, waiter);
    }
    this.#queue.proceed();
  }

  /** Waits for the result of a flight that is out already, or of the one after it. */
  #join(flight: Flight, waiter: Waiter): void {
    if (flight.isStale) return void waiter.group.late.add(waiter);
    flight.waiters.add(waiter);
    waiter.flight = flight;
  }

  #cancel(waiter: Waiter): void {
    const { group, flight, user } = waiter;
    waiter.reject(new RpcFault(errorOf("cancelled"))); // so that its call is in flight no longer
    group.late.delete(waiter);
    if (group.waiting.delete(waiter)) this.#queue.delete(user, waiter);
    if (flight === undefined || flight.isOver) return this.#forgetIfEmpty(group);
    flight.waiters.delete(waiter);
    if (flight.waiters.size === 0) this.#end(group, flight);
  }

  /** It is this one's turn. The promise settles when the application's function has. */
  #begin(first: Waiter): Promise<void> {
    const { group } = first;
    const flight = new Flight(first, this.#services.topics);
    group.waiting.delete(first);
    first.flight = flight;
    if (!group.isPrivate) group.flight = flight;
    const made = this.#make(group, flight);
    if (group.flight === flight) this.#takeAlong(group, flight);
    return made.then(
      (json) => this.#settle(group, flight, ({ resolve }) => resolve(json)),
      (fault: RpcFault) => this.#settle(group, flight, ({ reject }) => reject(fault)),
    );
  }

  /** All who wait have joined the topic before the flight began. */
  #takeAlong({ waiting }: Group, flight: Flight): void {
    for (const waiter of waiting) {
      this.#queue.delete(waiter.user, waiter);
      flight.waiters.add(waiter);
      waiter.flight = flight;
    }
    waiting.clear();
  }

  /** The function has read `auth`: the result is for the one whose it is. */
  #makePrivate(group: Group, flight: Flight): void {
    if (flight.isOver || group.flight !== flight) return;
    const { first, waiters } = flight;
    const others = [...waiters].filter((waiter) => waiter !== first);
    for (const waiter of others) waiters.delete(waiter);
    group.isPrivate = true;
    group.flight = undefined;
    if (waiters.size === 0) flight.end();
    this.#waitAgain(group, others);
  }

  async #make(group: Group, flight: Flight): Promise<string> {
    const { clock, limits } = this.#services;
    const { source, params, topic } = flight.first.request;
    const timeoutMs = Math.min(limits.requestTimeout, longestWait);
    try {
      const context = flight.contextOf(params, () => this.#makePrivate(group, flight));
      const made = this.#outside(async () => source(context)).finally(() => {
        flight.isDone = true;
      });
      const state = await withTimeout(made, timeoutMs, clock, "the function snapshot");
      return JSON.stringify(state) ?? "null"; // a toJSON may read `auth`, too
    } catch (error) {
      if (flight.isDone && flight.isOver) throw new RpcFault(errorOf("cancelled")); // nobody hears this
      throw this.#failed(topic, error, flight);
    }
  }

  #settle(group: Group, flight: Flight, tell: (waiter: Waiter) => void): void {
    if (flight.isOver) return;
    const waiters = [...flight.waiters];
    this.#end(group, flight);
    for (const waiter of waiters) tell(waiter);
  }

  #end(group: Group, flight: Flight): void {
    flight.end();
    if (group.flight === flight) group.flight = undefined;
    this.#waitAgain(group, []);
  }

  #waitAgain(group: Group, waiters: readonly Waiter[]): void {
    const late = group.flight === undefined ? [...group.late] : [];
    for (const waiter of late) group.late.delete(waiter);
    this.#wait(group, [...waiters, ...late]);
    this.#forgetIfEmpty(group);
  }

  #forgetIfEmpty(group: Group): void {
    const { key, waiting, late, flight } = group;
    if (waiting.size + late.size > 0 || flight !== undefined) return;
    if (this.#groups.get(key) === group) this.#groups.delete(key); // else it is a later one's
  }

  #failed({ route }: TopicName, error: unknown, { isDone }: Flight): RpcFault {
    const errorId = this.#services.newErrorId();
    this.#services.log.error(
      { event: "snapshot.fail", errorId, method: route, err: describe(error) },
      "snapshot failed",
    );
    return new RpcFault(
      isDone ? standardError("internal", { errorId }) : errorOf("timeout", { errorId }),
    );
  }
}
