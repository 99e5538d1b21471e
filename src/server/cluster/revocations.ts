import type { IssuerPort } from "../../auth/issuer-port.js";
import type {
  Revocation,
  RevocationListener,
  RevocationRecords,
} from "../../auth/revocation/revocation.js";
import { RevocationList } from "../../auth/revocation/revocation-list.js";
import type { RevocationSelector, RevokeOptions } from "../../rpc/define/server-actions.js";
import {
  fireAndForget,
  mustBeSynchronous,
  stopperOf,
  withTimeout,
} from "../../runtime/application-code.js";
import type { Clock } from "../../runtime/clock.js";

export interface RevocationPorts {
  readonly clock: Clock;
  /** Where revocations are kept; several embedded issuers may have one each. */
  readonly stores: readonly { readonly revocations: RevocationRecords }[];
  readonly issuers: readonly IssuerPort[];
  /**
   * How long the longest-lived token may live, milliseconds; undefined: not known, so nothing is
   * ever forgotten.
   */
  readonly longestLifetime: number | undefined;
  /**
   * Called after the list has grown: live sessions must look again. `announcedAt` as in
   * {@link RevocationListener}.
   */
  readonly onChange: (announcedAt: number | undefined) => void;
}

// After which no token is accepted for lack of an answer, and the store is asked anew.
const listTimeoutMs = 60_000;
const currentTimeoutMs = 10_000;

/**
 * Keeps the list of revocations: from the application, from embedded issuers, and from the store.
 */
export class Revocations {
  readonly list = new RevocationList();
  readonly #ports: RevocationPorts;
  readonly #stop: readonly (() => void)[];
  /**
   * What the wall clock said when the monotonic one was 0, seconds; both as this process began to
   * look at them.
   */
  readonly #startedAt: number;
  #loaded: Promise<void> | undefined;

  constructor(ports: RevocationPorts) {
    this.#ports = ports;
    this.#startedAt = (ports.clock.now() - ports.clock.monotonic()) / 1000;
    const add: RevocationListener = (revocation, announcedAt) => this.#add(revocation, announcedAt);
    this.#stop = [
      ...ports.stores.map(({ revocations }) =>
        stopperOf(revocations.subscribe(add), "the store's revocations.subscribe"),
      ),
      ...ports.issuers.map((issuer) =>
        stopperOf(issuer.onRevocation(add), "the issuer's onRevocation"),
      ),
    ];
  }

  /**
   * Resolves when all that was revoked is known: what was revoked before this node started, and
   * what others revoke. Rejects while this node is cut off from a store of several nodes. A failed
   * attempt is made again by the next call.
   */
  async whenCurrent(): Promise<void> {
    const { clock, stores } = this.#ports;
    this.#loaded ??= withTimeout(
      this.#load(),
      listTimeoutMs,
      clock,
      "the store's list of revocations",
    ).catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    await this.#loaded;
    const watching = stores.filter(({ revocations }) => revocations.whenCurrent !== undefined);
    if (watching.length === 0) return;
    const current = Promise.all(watching.map(({ revocations }) => revocations.whenCurrent?.()));
    await withTimeout(current, currentTimeoutMs, clock, "the store's whenCurrent");
  }

  /**
   * Takes effect here at once; resolves when it is durable. Throws `TypeError` for a selector that
   * names nothing, or several things.
   */
  async revoke(
    selector: RevocationSelector,
    { margin = 0, reason }: RevokeOptions = {},
  ): Promise<void> {
    const complaint = selectorComplaint(selector) ?? timeComplaint(selector);
    if (complaint !== undefined) throw new TypeError(`revoke: ${complaint}`);
    const { clock, longestLifetime, stores } = this.#ports;
    const now = clock.now();
    const revocation: Revocation = {
      ...inSeconds(selector),
      ...(margin > 0 ? { enforceAt: now + margin } : {}),
      ...(reason === undefined ? {} : { reason }),
      ...(longestLifetime === undefined
        ? {}
        : { until: Math.ceil((now + longestLifetime) / 1000) }),
    };
    this.#add(revocation);
    await Promise.all([
      ...stores.map((store) => store.revocations.add(revocation)),
      ...this.#endLogins(revocation),
    ]);
  }

  /**
   * An embedded issuer would go on renewing what is refused, or renew it when that is forgotten.
   * With a margin, or when newer tokens are good, it must: clients are to come with another token.
   */
  #endLogins({ issuer, sessionId, subject, issuedBefore, enforceAt }: Revocation): Promise<void>[] {
    if (enforceAt !== undefined || issuedBefore !== undefined) return [];
    const meant = this.#ports.issuers.filter(
      (port) => issuer === undefined || issuer === port.issuer,
    );
    return meant.flatMap((port) => {
      if (sessionId !== undefined) return port.endSession?.(sessionId) ?? [];
      return subject === undefined ? [] : (port.endSubject?.(subject) ?? []);
    });
  }

  /**
   * Forgets what need not be remembered any longer, by the slowest of all clocks: one that is ahead
   * for a while, this machine's or that of a store, must not make a token good again when it is set
   * back.
   */
  sweep(): void {
    const { clock, stores } = this.#ports;
    const steady = this.#startedAt + clock.monotonic() / 1000;
    const ofStores = stores.map(({ revocations }) =>
      revocations.now === undefined ? steady : timeOf(revocations),
    );
    const now = Math.min(clock.now() / 1000, steady, ...ofStores);
    this.list.sweep(now);
    for (const { revocations } of stores)
      fireAndForget(
        () => revocations.sweep?.(now),
        () => {}, // the next minute it is asked again
      );
  }

  close(): void {
    for (const stop of this.#stop) stop();
  }

  async #load(): Promise<void> {
    const { clock, stores } = this.#ports;
    const lists = await Promise.all(
      stores.map((store) => store.revocations.list(clock.now() / 1000)),
    );
    for (const revocation of lists.flat()) this.#add(revocation);
  }

  #add(revocation: Revocation, announcedAt?: number): void {
    if (this.list.add(revocation)) this.#ports.onChange(announcedAt);
  }
}

/** 0, at which nothing is forgotten, when the store does not know the time. */
function timeOf(revocations: RevocationRecords): number {
  try {
    return mustBeSynchronous(revocations.now?.(), "revocations.now") ?? 0;
  } catch {
    return 0;
  }
}

/** What is wrong with a selector, if anything. */
export function selectorComplaint(selector: RevocationSelector): string | undefined {
  const { jti, sessionId, subject } = selector as {
    jti?: unknown;
    sessionId?: unknown;
    subject?: unknown;
  };
  const named = [jti, sessionId, subject].filter((value) => value !== undefined);
  if (named.length !== 1 || typeof named[0] !== "string" || named[0] === "") {
    return "give exactly one of jti, sessionId and subject, as a string that is not empty";
  }
  const { issuedBefore } = selector as { issuedBefore?: unknown };
  return issuedBefore === undefined || subject !== undefined
    ? undefined
    : "issuedBefore goes with subject";
}

const earliest = 100_000_000_000; // 1973: a smaller number was meant in seconds

function timeComplaint(selector: RevocationSelector): string | undefined {
  const { issuedBefore } = selector as { readonly issuedBefore?: unknown };
  const time = issuedBefore instanceof Date ? issuedBefore.getTime() : issuedBefore;
  const isTime = typeof time === "number" && Number.isFinite(time) && time >= earliest;
  return issuedBefore === undefined || isTime
    ? undefined
    : `issuedBefore is a Date or milliseconds since 1970, not ${String(issuedBefore)}`;
}

/** `iat` has whole seconds as a rule (RFC 7519 §2), and so have the records of a store. */
function inSeconds(selector: RevocationSelector): Omit<Revocation, "enforceAt" | "until"> {
  if (!("issuedBefore" in selector) || selector.issuedBefore === undefined)
    return selector as Omit<typeof selector, "issuedBefore">;
  return { ...selector, issuedBefore: Number(selector.issuedBefore) / 1_000 };
}
