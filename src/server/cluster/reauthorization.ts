import type { Bus } from "../../pubsub/bus.js";
import type { MethodEntry, Registry } from "../../rpc/define/registry.js";
import type {
  ReauthorizeResult,
  SubscriptionSelector,
  UnsubscribeResult,
} from "../../rpc/define/server-actions.js";
import { stopperOf } from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { Connection } from "../connection/connection.js";
import type { SubscriptionRight } from "../connection/subscription-right.js";
import type { SubscriptionRights } from "../connection/subscription-rights.js";
import type { ConnectionRegistry } from "../lifecycle/connection-registry.js";
import type { NodeQueries } from "./node-queries.js";
import { isTopic, nameTopic } from "./publisher.js";

/** A selector as it goes to other nodes. Without members it selects everything. */
interface Filter {
  readonly subject?: string;
  readonly issuer?: string;
  readonly connection?: string;
  readonly method?: string;
  readonly topic?: string;
}

const members = ["subject", "issuer", "connection", "method", "topic"] as const;
const answerWithin = 800; // ms, since the node that asks waits for a second

export interface ReauthorizationPorts {
  readonly registry: Registry;
  /** Absent: there is no other node. */
  readonly queries: NodeQueries | undefined;
  readonly bus: Bus;
  /** Those of this node. */
  readonly connections: ConnectionRegistry;
  readonly rights: SubscriptionRights;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Asks for rights again, or takes subscriptions away, on all nodes. */
export class Reauthorization {
  readonly #ports: ReauthorizationPorts;
  readonly #entries: ReadonlyMap<object, MethodEntry>;
  readonly #stop: () => void;

  constructor(ports: ReauthorizationPorts) {
    this.#ports = ports;
    this.#entries = new Map(
      [...ports.registry.values()].flatMap((entry) =>
        entry.feed === undefined ? [] : [[entry.route, entry] as const],
      ),
    );
    ports.queries?.about("reauthorize", (filter, place) => {
      const asked = this.#reauthorizeHere(filterOf(filter));
      return place === "here" ? asked.settled() : this.#soon(asked);
    });
    ports.queries?.about("unsubscribe", (filter) => this.#unsubscribeHere(filterOf(filter)));
    const listener = { event: () => {}, message: () => {}, gap: () => this.#askAll() };
    this.#stop = stopperOf(ports.bus.subscribe(listener), "the store's bus.subscribe");
  }

  /** Rejects with `TypeError` if the selector makes no sense. */
  async reauthorize(selector: SubscriptionSelector | "all"): Promise<ReauthorizeResult> {
    const named = selector === "all" ? {} : this.#filter("reauthorize", selector);
    const filter = named instanceof Promise ? await named : named;
    const { queries, log } = this.#ports;
    if (queries === undefined)
      return { ...(await this.#reauthorizeHere(filter).settled()), complete: true };
    const { answers, complete } = await queries.ask("reauthorize", filter);
    if (!complete)
      log.warn(
        { event: "reauthorize.incomplete", ...filter },
        "a node did not answer reauthorize; it asks all rules again when it is back",
      );
    const counts = [...answers.values()].map(countsOf);
    return {
      asked: counts.reduce((sum, { asked }) => sum + asked, 0),
      ended: counts.reduce((sum, { ended }) => sum + ended, 0),
      complete,
    };
  }

  /** Rejects with `TypeError` if the selector makes no sense. */
  async unsubscribe(selector: SubscriptionSelector): Promise<UnsubscribeResult> {
    const named = this.#filter("unsubscribe", selector);
    const filter = named instanceof Promise ? await named : named;
    const { queries } = this.#ports;
    if (queries === undefined)
      return { ended: this.#unsubscribeHere(filter).ended, complete: true };
    const { answers, complete } = await queries.ask("unsubscribe", filter);
    const ended = [...answers.values()].reduce<number>((sum, one) => sum + countsOf(one).ended, 0);
    return { ended, complete };
  }

  /** Hears nothing any more. */
  close(): void {
    this.#stop();
  }

  #filter(caller: string, selector: SubscriptionSelector): Filter | Promise<Filter> {
    const { subject, issuer, connection, topic, params } = Object(
      selector,
    ) as SubscriptionSelector<unknown>;
    const texts = { subject, issuer, connection };
    for (const [name, value] of Object.entries(texts))
      if (value !== undefined && (typeof value !== "string" || value === ""))
        throw new TypeError(`${caller}: ${name} must be a string that is not empty`);
    const narrowed = withoutUndefined(texts);
    if (topic === undefined) {
      if (params !== undefined) throw new TypeError(`${caller}: params go with topic`);
      if (Object.keys(narrowed).length > 0) return narrowed;
      const all = caller === "reauthorize" ? ', or "all"' : "";
      throw new TypeError(`${caller}: give subject, issuer, connection or topic${all}`);
    }
    const entry = this.#entries.get(topic);
    if (entry === undefined)
      throw new TypeError(
        `${caller}: topic must be a topic or subscription of this server's app, such as app.routes.board`,
      );
    if (params === undefined) return { ...narrowed, method: entry.name };
    if (!isTopic(entry))
      throw new TypeError(`${caller}: ${entry.name} is no topic, so params can't select one`);
    const key = nameTopic(caller, entry, params);
    const filter = (name: string) => ({ ...narrowed, method: entry.name, topic: name });
    return typeof key === "string" ? filter(key) : key.then(filter);
  }

  /** Events may have been missed, and with them a change of rights. */
  #askAll(): void {
    for (const right of this.#ports.rights.of()) void this.#ports.rights.askInBackground(right);
  }

  #reauthorizeHere(filter: Filter): Asked {
    const { rights } = this.#ports;
    const { subject, connection, topic } = filter;
    const isNarrow = (subject ?? connection ?? topic) !== undefined;
    const asked = new Asked();
    for (const right of this.#rightsOf(filter))
      asked.add(isNarrow ? rights.ask(right) : rights.askInBackground(right));
    return asked;
  }

  #unsubscribeHere(filter: Filter): Counts {
    if (members.every((name) => filter[name] === undefined)) return { asked: 0, ended: 0 };
    let ended = 0;
    for (const { subscriptions } of this.#connectionsOf(filter))
      ended += subscriptions.revoke(filter.method, filter.topic);
    return { asked: 0, ended };
  }

  #rightsOf(filter: Filter): readonly SubscriptionRight[] {
    const { subject, connection, issuer, method, topic } = filter;
    const isOfUser = subject !== undefined || connection !== undefined;
    const found = isOfUser
      ? this.#connectionsOf(filter).flatMap(({ subscriptions }) => [...subscriptions.rights()])
      : this.#ports.rights.of(method, topic);
    return found.filter(
      (right) =>
        right.hasRule &&
        (method === undefined || right.entry.name === method) &&
        (topic === undefined || right.topic === topic) &&
        (issuer === undefined || right.auth?.issuer === issuer),
    );
  }

  #connectionsOf({ subject, issuer, connection }: Filter): readonly Connection[] {
    const { connections } = this.#ports;
    if (subject !== undefined) {
      const named = issuer === undefined ? connections.issuers() : [issuer];
      const found = named.flatMap((one) => connections.ofSubject(one, subject));
      return found.filter(({ id }) => connection === undefined || id === connection);
    }
    return connections
      .members()
      .filter(
        (member) =>
          (connection === undefined || member.connection.id === connection) &&
          (issuer === undefined || member.token?.issuer === issuer),
      )
      .map((member) => member.connection);
  }

  /** What has been answered in time for a node that waits. */
  #soon(asked: Asked): Promise<Counts> {
    const { clock } = this.#ports;
    return new Promise((resolve) => {
      const stop = clock.after(answerWithin, () => resolve(asked.counts));
      void asked.settled().then((counts) => {
        stop();
        resolve(counts);
      });
    });
  }
}

interface Counts {
  readonly asked: number;
  readonly ended: number;
}

/** Rights that were asked together. */
class Asked {
  #asked = 0;
  #ended = 0;
  readonly #out: Promise<void>[] = [];

  get counts(): Counts {
    return { asked: this.#asked, ended: this.#ended };
  }

  add(answer: boolean | Promise<boolean>): void {
    this.#asked++;
    if (answer instanceof Promise)
      this.#out.push(answer.then((isAllowed) => this.#take(isAllowed)));
    else this.#take(answer);
  }

  /** Resolves when all have answered. */
  async settled(): Promise<Counts> {
    await Promise.all(this.#out);
    return this.counts;
  }

  #take(isAllowed: boolean): void {
    if (!isAllowed) this.#ended++;
  }
}

function withoutUndefined(values: Readonly<Record<string, string | undefined>>): Filter {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

// Another node may run another version, so its messages are checked.

function filterOf(value: unknown): Filter {
  const given = Object(value) as Record<string, unknown>;
  return Object.fromEntries(
    members.flatMap((name) => (typeof given[name] === "string" ? [[name, given[name]]] : [])),
  );
}

function countsOf(value: unknown): Counts {
  const { asked, ended } = Object(value) as { asked?: unknown; ended?: unknown };
  return { asked: numberOf(asked), ended: numberOf(ended) };
}

function numberOf(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
