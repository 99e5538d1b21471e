import { membersOf, stringIn } from "../message.js";
import { storageOf } from "../storage.js";
import type { Tokens } from "./token-endpoint.js";

const place = "jotwire.console.tokens";
const timeoutMs = 1_000; // 1 s for the page that was here before a reload to be gone

/**
 * Keeps tokens in `sessionStorage`, for who asks for it. A duplicated tab gets a copy of the
 * storage, and two tabs with one refresh token would look like theft; so the tokens belong to
 * whoever holds a lock of their name, which only one page can.
 */
export class TabTokenStorage {
  #owner: string | undefined;
  #release = () => {};

  /** Is there what it takes? Locks are for secure contexts only, and the user may block storage. */
  static get isThere(): boolean {
    return "locks" in navigator && storageOf("sessionStorage") !== undefined;
  }

  /** What a reload left here; undefined: nothing, or another page has it. */
  async resume(): Promise<Tokens | undefined> {
    const kept = read();
    if (kept === undefined) return undefined;
    if (await this.#own(kept.owner)) return kept.tokens;
    sessionStorage.removeItem(place);
    return undefined;
  }

  /** Keeps tokens from now on. */
  async start(tokens: Tokens): Promise<void> {
    if (await this.#own(crypto.randomUUID())) this.update(tokens);
  }

  /** Does nothing before `start` or `resume`. */
  update(tokens: Tokens): void {
    if (this.#owner !== undefined)
      sessionStorage.setItem(place, JSON.stringify({ owner: this.#owner, ...tokens }));
  }

  forget(): void {
    sessionStorage.removeItem(place);
    this.#owner = undefined;
    this.#release();
  }

  #own(owner: string): Promise<boolean> {
    return new Promise((resolve) => {
      const hold = () =>
        new Promise<void>((release) => {
          this.#owner = owner;
          this.#release = release;
          resolve(true);
        });
      navigator.locks
        .request(`${place}.${owner}`, { signal: AbortSignal.timeout(timeoutMs) }, hold)
        .catch(() => resolve(false)); // held elsewhere
    });
  }
}

function read(): { readonly owner: string; readonly tokens: Tokens } | undefined {
  try {
    const { owner, access, refresh } = membersOf(
      JSON.parse(sessionStorage.getItem(place) ?? "null"),
    );
    if (typeof owner === "string" && typeof access === "string")
      return { owner, tokens: { access, refresh: stringIn(refresh) } };
  } catch {
    sessionStorage.removeItem(place); // not ours
  }
  return undefined;
}
