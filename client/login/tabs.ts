import type { AccessToken } from "./session-state.js";

/** What tabs of one login tell each other. */
export type TabMessage =
  | {
      readonly is: "signed_in";
      readonly access: AccessToken;
      /** The user has logged in, which a renewal is not. */
      readonly isLogin?: boolean;
    }
  | { readonly is: "signed_out" };

const handoverMs = 1_000; // for a message to arrive: a lock may be handed on faster

/**
 * The tabs of one origin and login: one at a time changes the login (Web Locks), and tells the
 * others (BroadcastChannel). A mark in `localStorage` says that somebody is signed in, so that a
 * page without a login asks nobody; it holds no secret. Where the browser blocks these, each tab
 * goes by itself.
 */
export class Tabs {
  readonly #name: string;
  readonly #channel: BroadcastChannel | undefined;
  readonly #heard: (message: TabMessage) => void;
  #wake: () => void = () => {};

  constructor(name: string, heard: (message: TabMessage) => void) {
    this.#name = name;
    this.#heard = heard;
    this.#channel = channelOf(name);
    if (this.#channel !== undefined)
      this.#channel.onmessage = ({ data }) => {
        if (!isMessage(data)) return;
        this.#heard(data);
        this.#wake();
      };
  }

  /** Runs `work` while no other tab of the login runs some. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const locks = (globalThis.navigator as Navigator | undefined)?.locks;
    if (locks === undefined) return work();
    let hasBegun = false;
    try {
      return await locks.request(this.#name, () => {
        hasBegun = true;
        return work();
      });
    } catch (error) {
      if (hasBegun) throw error;
      return work(); // where the user blocks storage, there are no locks
    }
  }

  tell(message: TabMessage): void {
    this.#channel?.postMessage(message);
  }

  /** Waits a moment for the message of a tab that has changed the login since `since`. */
  async whenHeardSince(since: number): Promise<void> {
    if (this.#channel === undefined || (this.markedAt() ?? 0) < since) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, handoverMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** When a tab has changed the login; `null`: nobody is signed in; `undefined`: not known. */
  markedAt(): number | null | undefined {
    try {
      const mark = localStorage.getItem(this.#name);
      return mark === null ? null : Number(mark) || 0;
    } catch {
      return undefined;
    }
  }

  mark(isSignedIn: boolean): void {
    try {
      if (isSignedIn) localStorage.setItem(this.#name, String(Date.now()));
      else localStorage.removeItem(this.#name);
    } catch {} // blocked: a reload asks
  }

  close(): void {
    this.#channel?.close();
  }
}

function channelOf(name: string): BroadcastChannel | undefined {
  try {
    return typeof document === "undefined" ? undefined : new BroadcastChannel(name);
  } catch {
    return undefined; // blocked
  }
}

/** Another version of the page may say something else. */
function isMessage(data: unknown): data is TabMessage {
  const { is, access } = Object(data) as { readonly is?: unknown; readonly access?: unknown };
  if (is === "signed_out") return true;
  const { token, expiresAt, subject, scopes } = Object(access) as Partial<AccessToken>;
  return (
    is === "signed_in" &&
    typeof token === "string" &&
    typeof subject === "string" &&
    typeof expiresAt === "number" &&
    Array.isArray(scopes)
  );
}
