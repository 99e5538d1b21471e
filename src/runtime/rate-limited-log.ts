import { prefixOf } from "./ip-address.js";
import type { Logger, logLevels } from "./logger.js";

/** What a line is counted by. */
interface Counted {
  readonly event?: string;
  readonly limit?: string;
  readonly method?: string;
  readonly address?: string;
  readonly connection?: string;
  readonly subject?: string;
  readonly clientId?: string;
}

/** `burst` lines at once, then one each `intervalMs`. */
interface Rate {
  readonly burst: number;
  readonly intervalMs: number;
}

const ofSource: Rate = { burst: 20, intervalMs: 10_000 };
const ofKind: Rate = { burst: 100, intervalMs: 1_000 }; // 86,400 lines a day, some 20 MB
const ofLimit: Rate = { burst: 1, intervalMs: 10_000 }; // its lines differ by the address alone
const debugFactor = 10; // somebody is looking
const maxSources = 10_000; // of one kind, some 1 MB; above it the oldest is forgotten
const all = "*"; // is no address

/** When each source, and the kind as a whole, will have room for a whole burst again, monotonic. */
type Debts = Map<string, number>;

interface Kind {
  readonly debts: Debts;
  /** Lines that were left out since the last one that was written. */
  unwritten: number;
}

/**
 * Hands lines on to a log, but not more than a disk can take: a peer that can cause a line can
 * cause thousands a second. Lines are counted by kind (event and method), and within a kind by the
 * prefix of the peer's address, or its connection; what a subject has succeeded in, by the subject
 * alone, whose rate other rules bound. A line that follows on some that were left out says how
 * many, in `before`.
 */
export class RateLimitedLog implements Logger {
  readonly #log: Logger;
  readonly #clock: { monotonic(): number };
  readonly #kinds = new Map<string, Kind>();

  constructor(log: Logger, clock: { monotonic(): number }) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Addresses, connections and subjects that are counted now. */
  get sources(): number {
    return [...this.#kinds.values()].reduce((sum, { debts }) => sum + debts.size, 0);
  }

  debug(fields: object, message: string): void {
    this.#write("debug", fields, message);
  }

  info(fields: object, message: string): void {
    this.#write("info", fields, message);
  }

  warn(fields: object, message: string): void {
    this.#write("warn", fields, message);
  }

  error(fields: object, message: string): void {
    this.#write("error", fields, message);
  }

  #write(level: (typeof logLevels)[number], fields: object, message: string): void {
    const kind = this.#kindOf(fields);
    if (!this.#hasRoom(kind, fields, level === "debug" ? debugFactor : 1)) {
      kind.unwritten++;
      return;
    }
    const before = kind.unwritten;
    kind.unwritten = 0;
    this.#log[level](before === 0 ? fields : { ...fields, before }, message);
  }

  /**
   * Names of events, methods and limits are the program's: there is no end of peers, but of these.
   */
  #kindOf({ event = "", limit, method }: Counted): Kind {
    const name = `${event} ${method ?? limit ?? ""}`;
    const known = this.#kinds.get(name);
    if (known !== undefined) return known;
    const kind: Kind = { debts: new Map(), unwritten: 0 };
    this.#kinds.set(name, kind);
    return kind;
  }

  #hasRoom({ debts }: Kind, fields: Counted, factor: number): boolean {
    const now = this.#clock.monotonic();
    if (fields.event === "limit.hit") return take(debts, all, ofLimit, factor, now);
    const subject = successOf(fields);
    if (subject !== undefined) return take(debts, subject, ofSource, factor, now);
    const source = fields.address === undefined ? fields.connection : prefixOf(fields.address);
    // it takes none of the others' lines
    if (source !== undefined && !hasRoom(debts, source, ofSource, factor, now)) return false;
    if (!take(debts, all, ofKind, factor, now)) return false;
    return source === undefined || take(debts, source, ofSource, factor, now);
  }
}

const successes = new Set(["revoke", "logout", "password.token", "password.limit", "password.set"]);

/** Who has succeeded, if the line tells of a success. */
function successOf({ event = "", subject, clientId }: Counted): string | undefined {
  return event.endsWith(".ok") || successes.has(event) ? (subject ?? clientId) : undefined;
}

function hasRoom(
  debts: Debts,
  name: string,
  { burst, intervalMs }: Rate,
  factor: number,
  now: number,
): boolean {
  return ((debts.get(name) ?? now) - now) * factor <= (burst * factor - 1) * intervalMs;
}

/**
 * Takes room for one line, if there is any (generic cell rate algorithm: one number stands for a
 * whole bucket).
 */
function take(debts: Debts, name: string, rate: Rate, factor: number, now: number): boolean {
  if (!hasRoom(debts, name, rate, factor, now)) return false;
  const debt = Math.max(debts.get(name) ?? now, now) + rate.intervalMs / factor;
  debts.delete(name); // so that those that were counted last are the last
  for (const oldest of debts.keys()) {
    if (debts.size < maxSources) break;
    debts.delete(oldest);
  }
  debts.set(name, debt);
  return true;
}
