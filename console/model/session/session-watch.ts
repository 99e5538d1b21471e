import { type Members, membersOf, messagesIn, numberIn, stringIn, stringsIn } from "../message.js";
import { Store } from "../store.js";

/**
 * The session on the socket, as the server told it. Durations and times are in milliseconds, times
 * by `performance.now()`.
 */
export interface SessionView {
  readonly subject: string;
  readonly scopes: readonly string[];
  readonly connectionId: string;
  /** What was left when the token was accepted. */
  readonly lifetime: number;
  readonly endsAt: number;
  readonly grace: number;
  /** When the server closes the socket; undefined until it said that the session expired. */
  readonly closesAt: number | undefined;
}

const authMethods: ReadonlySet<unknown> = new Set(["authenticate", "refresh"]);

/** Reads the session from the frames alone: what the server said, not what the page believes. */
export class SessionWatch {
  readonly view = new Store<SessionView | null>(null);
  /** `data.reason` of the server's refusal of the newest token. */
  refusal: string | undefined;
  readonly #asked = new Set<unknown>(); // ids of auth calls without an answer

  sent(text: string): void {
    for (const { id, method } of messagesIn(text)) if (authMethods.has(method)) this.#asked.add(id);
  }

  received(text: string): void {
    for (const { id, method, params, result, error } of messagesIn(text)) {
      if (method === "auth.expired") this.#expired(numberIn(membersOf(params).closeIn));
      else if (method === undefined && this.#asked.delete(id)) {
        if (result !== undefined) this.#accepted(membersOf(result));
        else this.refusal = refusalIn(membersOf(error));
      }
    }
  }

  closed(): void {
    this.#asked.clear();
    this.view.set(null);
  }

  /** The next login begins. */
  forget(): void {
    this.closed();
    this.refusal = undefined;
  }

  #accepted(result: Members): void {
    const subject = stringIn(result.subject);
    const lifetime = (numberIn(result.expiresIn) ?? 0) * 1_000;
    this.refusal = undefined;
    if (subject === undefined) return;
    this.view.set({
      subject,
      scopes: stringsIn(result.scopes),
      connectionId: stringIn(result.connectionId) ?? "",
      lifetime,
      endsAt: performance.now() + lifetime,
      grace: (numberIn(result.grace) ?? 0) * 1_000,
      closesAt: undefined,
    });
  }

  #expired(closeIn = 0): void {
    const session = this.view.value;
    if (session)
      this.view.set({
        ...session,
        endsAt: performance.now(),
        closesAt: performance.now() + closeIn * 1_000,
      });
  }
}

function refusalIn({ data, message }: Members): string {
  return stringIn(membersOf(data).reason) ?? stringIn(message) ?? "error";
}
