import type { TokenRequest } from "../../../client/session/token-request.js";

/**
 * What the page does when the SDK asks for a token. `renews`: it logs in at the issuer, later on it
 * spends its refresh token. `held`: so too, once it is released. `same`: the first token, again and
 * again.
 */
export type TokenHabit = "renews" | "held" | "hangs" | "throws" | "same" | "none";

export interface UserOptions {
  readonly habit?: TokenHabit;
  /** Come back after a loss within 20 ms; else as the SDK does by default. */
  readonly soon?: boolean;
  /**
   * Come back after a loss within an hour, so that no test passes that has to wait for a back-off.
   */
  readonly slow?: boolean;
  /**
   * Pages of one login: this one begins with the refresh token that they keep together, in
   * localStorage. Default: it logs in.
   */
  readonly isTogether?: boolean;
  /** Default: the SDK's. */
  readonly share?: boolean;
}

/** What the user of the SDK saw in a page, and what it took. */
export interface Notes {
  /**
   * States in the order in which they were told; the reasons of those that have one behind a colon.
   */
  readonly states: readonly string[];
  readonly state: string;
  readonly subject: string | null;
  /** Calls of the token callback. */
  readonly tokenCalls: readonly Pick<TokenRequest, "reason" | "force" | "attempt">[];
  /** Methods of the requests that the page sent, those of batches left out. */
  readonly requests: readonly string[];
  /** What nobody caught, rejections among it. */
  readonly uncaught: readonly string[];
  /** WebSockets that the page made. */
  readonly sockets: number;
  /** Notifications and events, by name. */
  readonly events: readonly { readonly name: string; readonly params: unknown }[];
  /** Events of what is watched, "gap" where some were lost, and the reason of its end. */
  readonly watched: readonly unknown[];
  /** `pageshow` events, and whether the page came out of the back/forward cache. */
  readonly shown: readonly boolean[];
}

export type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: string; readonly sent?: string; readonly reason?: string };

/** Somebody who uses the SDK in a page: `globalThis.user` there. */
export interface SdkUser {
  open(options?: UserOptions): void;
  setHabit(habit: TokenHabit): void;
  /** Lets the token requests that are held go on. */
  release(): void;
  ready(): Promise<Outcome>;
  call(name: string, params?: unknown): Promise<Outcome>;
  /** Subscribes; `notes` has the events. */
  watch(name: string, params?: unknown): void;
  /** Begins a call; `outcomes` tells how it went. */
  start(name: string, params?: unknown): void;
  outcomes(): Promise<readonly Outcome[]>;
  refresh(): Promise<Outcome>;
  reconnect(): Promise<Outcome>;
  close(): Promise<void>;
  notes(): Notes;
  /** All tokens that the page ever held. */
  secrets(): readonly string[];
}
