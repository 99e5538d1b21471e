import { setTimeout as pause } from "node:timers/promises";
import {
  type Client,
  createClient,
  DisconnectedError,
  gap,
  type JotwireError,
} from "../../client/node.js";
import { EventJudge } from "./event-judge.js";
import { login, Refused, refresh, refreshSurely, type Tokens } from "./login.js";
import type { Tally } from "./tally.js";

const callLimit = 60_000; // 1 min, waiting for a connection included
const longestWork = 20; // ms that a call takes

export interface MemberOptions {
  readonly name: string;
  readonly user: number;
  readonly tally: Tally;
  /** A node: asked before each connection, and for each token. */
  readonly url: () => string;
  /** Milliseconds between two calls, on average. */
  readonly pace: number;
  /** Was this event's publication acknowledged? Undefined: it doesn't listen. */
  readonly isPublished: ((n: number) => boolean) | undefined;
  /** The store may forget logins: then a refused refresh token is no fault. */
  readonly mayForget: boolean;
}

/**
 * Somebody with the SDK: logs in, renews the session, calls on and on, and listens to the topic.
 */
export class Member {
  readonly client: Client;
  readonly events: EventJudge | undefined;
  readonly #options: MemberOptions;
  readonly #stop = new AbortController();
  #refreshToken: string | undefined;
  /** What became of each use of it, in words. */
  #uses: string[] = [];
  #lostAt: number | undefined;
  #calls: Promise<void> = Promise.resolve();
  #listening: Promise<void> = Promise.resolve();

  constructor(options: MemberOptions) {
    this.#options = options;
    this.client = createClient({
      url: options.url,
      token: ({ signal }) => this.#token(signal),
      backoff: { min: 50, max: 1_000 },
      timeout: callLimit,
      share: false,
    });
    this.client.on("state", ({ from, to }) => this.#moved(from, to));
    if (options.isPublished !== undefined) this.events = new EventJudge(options.isPublished);
  }

  /** Resolves when it is connected; it calls and listens from then on. */
  async start(): Promise<void> {
    await this.client.ready();
    this.#calls = this.#call();
    this.#listening = this.#listen();
  }

  /** Makes no more calls. Resolves when the last one is settled. */
  async rest(): Promise<void> {
    this.#stop.abort();
    await this.#calls;
  }

  async leave(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.client.close(), this.#calls, this.#listening]);
  }

  async #token(signal: AbortSignal): Promise<string> {
    const { url, user } = this.#options;
    const spent = this.#refreshToken;
    const tokens =
      spent === undefined
        ? await login(url(), user, signal)
        : await refreshSurely(() => this.#use(spent, signal), signal);
    this.#refreshToken = tokens.refresh_token;
    this.#uses = [];
    return tokens.access_token;
  }

  async #use(refreshToken: string, signal: AbortSignal): Promise<Tokens> {
    const { tally, mayForget, url } = this.#options;
    const [node, startedAt] = [url(), performance.now()];
    const told = (outcome: string) =>
      `${node} from ${Math.round(startedAt)} to ${Math.round(performance.now())} ms: ${outcome}`;
    try {
      const tokens = await refresh(node, refreshToken, signal);
      tally.refreshes++;
      return tokens;
    } catch (error) {
      this.#uses.push(told(String(error)));
      if (error instanceof Refused) {
        this.#refreshToken = undefined;
        if (!mayForget) tally.refusedToken(this.#uses);
        this.#uses = [];
      }
      throw error;
    }
  }

  async #call(): Promise<void> {
    const { name, pace, tally } = this.#options;
    const { signal } = this.#stop;
    for (let n = 0; !signal.aborted; n++) {
      const id = `${name}.${n}`;
      try {
        await this.client.call("record", { id, work: Math.floor(Math.random() * longestWork) });
        tally.acknowledged.add(id);
      } catch (error) {
        this.#failed(error as JotwireError);
      }
      // aborted: it leaves
      await pause(Math.random() * 2 * pace, undefined, { signal }).catch(() => {});
    }
  }

  #failed(error: JotwireError): void {
    const { tally } = this.#options;
    if (error instanceof DisconnectedError && error.sent === "maybe") tally.unknown++;
    else if (!(error instanceof DisconnectedError && this.#stop.signal.aborted))
      tally.failed(error.code ?? String(error));
  }

  async #listen(): Promise<void> {
    const { events } = this;
    if (events === undefined) return;
    try {
      for await (const event of this.client.subscribe("ticks", undefined, { gaps: true })) {
        if (event === gap) events.gap();
        else events.event((event as { readonly n: number }).n);
      }
    } catch (error) {
      if (!(error instanceof DisconnectedError && this.client.state === "closed"))
        this.#options.tally.violation(`a subscription ended: ${error}`);
    }
  }

  #moved(from: string, to: string): void {
    if (to === "waiting" && from !== "connecting" && from !== "authenticating")
      this.#lostAt ??= performance.now();
    if (to !== "ready" || this.#lostAt === undefined) return;
    this.#options.tally.recoveries.push(performance.now() - this.#lostAt);
    this.#lostAt = undefined;
  }
}
