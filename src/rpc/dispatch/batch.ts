import { errorOf } from "../../protocol/error-codes.js";
import { encodeError, encodeTooLarge, fits } from "../json/encode.js";
import { Call, type Caller, type Opening, type PendingSubscription, type Reply } from "./call.js";
import { readEnvelope } from "./envelope.js";

/**
 * Begins one member; a promise is of a call whose handler is asynchronous. `index`: its place in
 * the batch.
 */
type Begin = (member: unknown, index: number) => Reply | Promise<Call>;

/**
 * A batch under way. Its members begin one after the other, as long as the caller may go on; their
 * handlers then run concurrently. What a synchronous handler returned is encoded at once, and takes
 * its part of the room that there is for the answer. What an asynchronous one returned is encoded
 * with the answer.
 */
export class Batch {
  readonly #members: readonly unknown[];
  readonly #caller: Caller;
  readonly #limit: number;
  readonly #begin: Begin;
  readonly #encode: (call: Call) => Reply;
  readonly #answers: (Reply | Call)[] = [];
  #room: number;
  /** Bytes of answers that are kept for {@link encode}. */
  #keptBytes = 0;
  #unsettled = 0;
  #onSettled: (() => void) | undefined;

  /** `limit`: bytes of the whole answer. */
  constructor(
    members: readonly unknown[],
    caller: Caller,
    limit: number,
    begin: Begin,
    encode: (call: Call) => Reply,
  ) {
    this.#members = members;
    this.#caller = caller;
    this.#limit = limit;
    this.#room = this.#limit;
    this.#begin = begin;
    this.#encode = encode;
  }

  /** Begins members until the caller must pause. False: some are left, go on later. */
  proceed(): boolean {
    for (let index = this.#answers.length; index < this.#members.length; index++) {
      if (!this.#caller.mayGoOn()) return false;
      this.#beginMember(this.#members[index], index);
    }
    return true;
  }

  /**
   * Calls back when all members have their responses: at once if they do already. To be called when
   * all have begun.
   */
  whenSettled(callback: () => void): void {
    if (this.#unsettled === 0) callback();
    else this.#onSettled = callback;
  }

  /**
   * The array of responses, in the order of the members; those that no longer fit are replaced one
   * by one. Null: there is nothing to answer.
   */
  encode(): Reply {
    this.#caller.pending.keptBytes -= this.#keptBytes;
    const started: PendingSubscription[] = [];
    const parts: string[] = [];
    for (let index = 0; index < this.#answers.length; index++) {
      const answer = this.#answers[index];
      const reply =
        answer instanceof Call ? this.#fitted(this.#encode(answer), index) : (answer as Reply);
      if (reply === null) continue;
      parts.push(typeof reply === "string" ? reply : reply.text);
      if (typeof reply !== "string") started.push(...reply.started);
    }
    if (parts.length === 0) return null;
    const text = `[${parts.join(",")}]`;
    return started.length === 0 ? text : { text, started };
  }

  #beginMember(member: unknown, index: number): void {
    if (this.#caller.pending.keptBytes - this.#keptBytes > this.#limit) {
      this.#answers[index] = this.#refuse(member);
      return;
    }
    const reply = this.#begin(member, index);
    if (!(reply instanceof Promise)) return this.#keep(reply, index);
    this.#unsettled++;
    this.#answers[index] = null;
    reply.then(
      (call) => this.#settled(call, index),
      (error: unknown) => {
        this.#caller.log.error({ event: "reply.lost", err: error }, "a reply was lost");
        this.#settled(null, index);
      },
    );
  }

  #keep(reply: Reply, index: number): void {
    const kept = this.#fitted(reply, index);
    const bytes = lengthOf(kept);
    this.#answers[index] = kept;
    this.#keptBytes += bytes;
    this.#caller.pending.keptBytes += bytes;
    this.#caller.spend(bytes);
  }

  /**
   * As many answers of other batches are kept as one batch may have: slow members would make the
   * caller keep ever more.
   */
  #refuse(member: unknown): Reply {
    const { id } = readEnvelope(member);
    if (id === undefined) return null;
    return encodeError(
      id,
      errorOf("overloaded", {
        retryAfter: 1,
        hint: "earlier batches wait for slow members; send slow calls by themselves",
      }),
    );
  }

  #settled(answer: Call | null, index: number): void {
    this.#answers[index] = answer;
    if (--this.#unsettled > 0) return;
    this.#onSettled?.();
  }

  /** The reply if there is room for it, which it takes; else an error in its stead. */
  #fitted(reply: Reply, index: number): Reply {
    if (reply === null) return null;
    const text = typeof reply === "string" ? reply : reply.text;
    const fitting = fits(text, Math.max(this.#room, 0)) ? reply : this.#tooLarge(reply, index);
    this.#room -= lengthOf(fitting);
    return fitting;
  }

  #tooLarge(reply: string | Opening, index: number): string {
    if (typeof reply !== "string") for (const subscription of reply.started) subscription.abandon();
    return encodeTooLarge(readEnvelope(this.#members[index]).id ?? null, this.#limit);
  }
}

function lengthOf(reply: Reply): number {
  if (reply === null) return 0;
  return Buffer.byteLength(typeof reply === "string" ? reply : reply.text);
}
