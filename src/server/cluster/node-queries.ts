import type { Clock } from "../../runtime/clock.js";
import type { Logger } from "../../runtime/logger.js";
import type { NodeMessages } from "./node-messages.js";

const timeoutMs = 1_000; // 1 s for the other nodes to answer
const helloInterval = 5_000; // 5 s
const helloRetry = 250; // ms after a hello that nobody could hear
const silence = 3 * helloInterval; // after which a node counts as gone
const maxPeers = 1_000;

/** What the nodes have answered, by their names. */
export interface NodeAnswers {
  readonly answers: ReadonlyMap<string, unknown>;
  /** False: some node that was there a moment ago has not answered, or no node could be asked. */
  readonly complete: boolean;
}

/** `place`: whether this node asks, or another one that waits at most a second. */
type Answerer = (params: unknown, place: "here" | "afar") => unknown;

interface Query {
  readonly answers: Map<string, unknown>;
  readonly done: () => void;
}

/** Asks all nodes of a deployment, and collects what they answer: at most for a second. */
export class NodeQueries {
  readonly #messages: NodeMessages;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #answerers = new Map<string, Answerer>();
  readonly #queries = new Map<number, Query>();
  /** The other nodes, and when each was last heard, monotonic. */
  readonly #peers = new Map<string, number>();
  #lastId = 0;
  #isClosed = false;
  #stopHello: () => void = () => {};

  constructor(messages: NodeMessages, clock: Clock, log: Logger) {
    this.#messages = messages;
    this.#clock = clock;
    this.#log = log;
    messages.on("hello", (_body, from) => this.#greet(from));
    messages.on("bye", (_body, from) => void this.#peers.delete(from));
    messages.on("ask", (body, from) => this.#answer(body, from));
    messages.on("answer", (body, from) => this.#take(body, from));
    this.#sayHello();
  }

  /**
   * Says how this node answers questions about `subject`. What it throws is logged, and the asker
   * gets no answer. A promise must not reject.
   */
  about(subject: string, answerer: Answerer): void {
    this.#answerers.set(subject, answerer);
  }

  /** This node's answer is always there. Never rejects. */
  async ask(subject: string, params: unknown): Promise<NodeAnswers> {
    const own = this.#answerers.get(subject)?.(params, "here");
    const answers = new Map<string, unknown>([[this.#messages.node, own]]);
    this.#forgetTheSilent();
    const id = ++this.#lastId;
    let isHeard = true;
    await new Promise<void>((resolve) => {
      const stop = this.#clock.after(timeoutMs, resolve);
      const done = () => {
        stop();
        resolve();
      };
      this.#queries.set(id, { answers, done });
      const unsent = () => {
        isHeard = false;
        done();
      };
      void this.#send("ask", { id, subject, params }, unsent).then(() => {
        // not before: a node that is cut off for long knows of no other, and would call that all
        if (this.#isAnswered(answers)) done();
      });
    });
    this.#queries.delete(id);
    if (own instanceof Promise) answers.set(this.#messages.node, await own);
    return { answers, complete: isHeard && this.#isAnswered(answers) };
  }

  close(): void {
    this.#isClosed = true;
    this.#stopHello();
    void this.#send("bye", null);
    for (const { done } of this.#queries.values()) done();
  }

  #isAnswered(answers: ReadonlyMap<string, unknown>): boolean {
    return [...this.#peers.keys()].every((peer) => answers.has(peer));
  }

  #answer(body: unknown, from: string): void {
    this.#hear(from);
    const { id, subject, params } = Object(body) as {
      id?: unknown;
      subject?: unknown;
      params?: unknown;
    };
    const answerer = this.#answerers.get(String(subject));
    if (from === this.#messages.node || answerer === undefined) return;
    const answer = answerer(params, "afar");
    const send = (settled: unknown) => this.#send("answer", { to: from, id, answer: settled });
    void (answer instanceof Promise ? answer.then(send) : send(answer));
  }

  #take(body: unknown, from: string): void {
    this.#hear(from);
    const { to, id, answer } = Object(body) as { to?: unknown; id?: unknown; answer?: unknown };
    const query =
      to === this.#messages.node && typeof id === "number" ? this.#queries.get(id) : undefined;
    if (query === undefined) return;
    query.answers.set(from, answer);
    if (this.#isAnswered(query.answers)) query.done();
  }

  /** A node that has just come learns who else is there. */
  #greet(from: string): void {
    if (this.#hear(from)) void this.#send("hello", null);
  }

  /** True: it was not known. */
  #hear(from: string): boolean {
    if (from === this.#messages.node || (this.#peers.size >= maxPeers && !this.#peers.has(from)))
      return false;
    const isNew = !this.#peers.has(from);
    this.#peers.set(from, this.#clock.monotonic());
    return isNew;
  }

  #forgetTheSilent(): void {
    const now = this.#clock.monotonic();
    for (const [peer, heardAt] of this.#peers)
      if (now - heardAt > silence) this.#peers.delete(peer);
  }

  #sayHello(): void {
    const again = (delay: number) => {
      this.#stopHello();
      if (!this.#isClosed) this.#stopHello = this.#clock.after(delay, () => this.#sayHello());
    };
    again(helloInterval);
    void this.#send("hello", null, () => again(helloRetry)); // the bus may be about to connect
  }

  /** Resolves when it was sent, or could not be. */
  #send(type: string, body: unknown, failed: () => void = () => {}): Promise<void> {
    return this.#messages.send(type, body).catch((error: unknown) => {
      this.#log.debug(
        { event: "node.unheard", type, err: error },
        "the other nodes can't be reached",
      );
      failed();
    });
  }
}
