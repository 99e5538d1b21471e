import type { Attack } from "../helpers/server/attack.js";

/** What a healthy user asks meanwhile: a live session's ping, `POST /login`, or `POST /token`. */
export type Request = "ping" | "login" | "refresh";

type Range = readonly [least: number, most: number];

/** One kind of hostile peer, and what must hold. */
export interface Hostility {
  /** What the peers do. */
  readonly what: string;
  readonly attack: Attack["name"];
  readonly connections: number;
  readonly asks: Request;
  /** Default: file. */
  readonly store?: "file" | "redis";
  /** Default: the issuer's, 300. */
  readonly tokensPerSubject?: number;
  /** Addresses that the peers have beside the healthy user's. Default: none, they have the same. */
  readonly addresses?: number;
  /** Other accounts or addresses that take turns with the healthy user's logins. Default: 0. */
  readonly inTurn?: number;
  /**
   * The least and the most of each kind of frame that the peers send, or answer that they get. Any
   * other kind is a violation.
   */
  readonly counts: Readonly<Record<string, Range>>;
  /** The most that the store may grow, apart from the healthy user's own requests. */
  readonly growth: { readonly entries: number; readonly bytes: number };
}

const budget = 300; // of a subject in a minute, of each kind
const failures = 20; // of an address in a minute
const record = 512; // bytes: more than a line of the store's journals
const garbage = 1_000; // lines of a journal before it is written anew
const some: Range = [1, Number.POSITIVE_INFINITY];
const nothing = { entries: 0, bytes: 0 };
const frames = { frames: some };
const upTo = (most: number): Range => [1, most];

const atSessions = { asks: "ping", counts: frames, growth: nothing } as const;

/** All that is done, in the order of the scoreboard. */
export const hostilities: readonly Hostility[] = [
  {
    ...atSessions,
    what: "batches of re-subscriptions with `$since` to a history of 1,000 × 1 KB, nothing read",
    attack: "replays",
    connections: 1,
  },
  {
    ...atSessions,
    what: "batches of 50 calls of a synchronous method with a 20 KB result, nothing read",
    attack: "results",
    connections: 12,
  },
  {
    ...atSessions,
    what: "batches of 50 `rpc.discover`, nothing read",
    attack: "discoveries",
    connections: 12,
  },
  {
    ...atSessions,
    what: "anonymous frames of 16 KB with an escape, as fast as they are taken",
    attack: "escapes",
    connections: 20,
  },
  {
    ...atSessions,
    what: "authenticated frames of 20 KB, as fast as they are taken",
    attack: "large",
    connections: 1,
  },
  {
    ...atSessions,
    what: "subscriptions to made-up names of a topic with history",
    attack: "madeUpTopics",
    connections: 4,
    counts: { ...frames, subscriptions: some },
  },
  {
    ...atSessions,
    what: "subscriptions to made-up names of a topic with history, in Redis",
    attack: "madeUpTopics",
    connections: 4,
    store: "redis",
    counts: { ...frames, subscriptions: some },
    growth: { entries: 0, bytes: 262_144 }, // what Redis itself needs for its clients
  },
  {
    ...atSessions,
    what: "expired tokens of the healthy user's address",
    attack: "expiredTokens",
    connections: 10,
  },
  {
    ...atSessions,
    what: "60 calls in one go behind `authenticate`, again and again",
    attack: "framesBehindLogin",
    connections: 4,
  },
  {
    what: "bursts of 64 right logins of one user, at the healthy users' address",
    attack: "rightLogins",
    connections: 1,
    asks: "login",
    inTurn: 1,
    counts: { "/login 200": upTo(budget), "/login 429": some },
    growth: { entries: 1, bytes: budget * record },
  },
  {
    what: "login forms posted by a foreign page, at the healthy users' address",
    attack: "foreignForms",
    connections: 10,
    asks: "login",
    counts: { "/login 403": [5 * failures, Number.POSITIVE_INFINITY] },
    growth: nothing,
  },
  {
    what: "logins with a wrong password, of another user each, from one address",
    attack: "refusedLogins",
    connections: 10,
    addresses: 1,
    asks: "login",
    inTurn: 1,
    counts: { "/login 400": upTo(failures), "/login 429": some },
    growth: { entries: failures, bytes: failures * record },
  },
  {
    what: "logins with a wrong password, of another user each, from 10 addresses",
    attack: "refusedLogins",
    connections: 10,
    addresses: 10,
    asks: "login",
    inTurn: 10,
    counts: { "/login 400": [150, 10 * failures], "/login 429": [0, Number.POSITIVE_INFINITY] },
    growth: { entries: 10 * failures, bytes: 10 * failures * record },
  },
  {
    what: "chain of refreshes at `/token`",
    attack: "refreshChain",
    connections: 1,
    asks: "refresh",
    counts: { "/login 200": [1, 1], "/token 200": upTo(budget), "/token 429": some },
    growth: { entries: 1, bytes: budget * record },
  },
  {
    what: "chain of refreshes at `/token`, with `tokensPerSubject` at a million",
    attack: "refreshChain",
    connections: 8,
    asks: "refresh",
    tokensPerSubject: 1_000_000,
    counts: { "/login 200": [8, 8], "/token 200": [3 * garbage, Number.POSITIVE_INFINITY] },
    growth: { entries: 1, bytes: garbage * record },
  },
  {
    what: "chain of revocations at `/revoke`, each of a newly refreshed access token",
    attack: "revokeChain",
    connections: 1,
    asks: "refresh",
    counts: {
      ...{ "/login 200": [1, 1], "/token 200": upTo(budget), "/token 429": some },
      ...{ "/revoke 200": upTo(budget), "/revoke 429": some },
    },
    growth: { entries: 2, bytes: 2 * budget * record },
  },
];
