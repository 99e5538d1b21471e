/**
 * What is sent unasked: its text, and whose it is. One object may be on its way to many
 * connections.
 */
export class Push {
  readonly text: string;
  /** The subscription that it belongs to, if it does to one. */
  readonly subscription: string | undefined;
  /** The last word about a subscription: it is never dropped for want of room. */
  readonly isEnd: boolean;
  #encoded: Buffer | undefined;

  constructor(text: string, subscription?: string, isEnd = false) {
    this.text = text;
    this.subscription = subscription;
    this.isEnd = isEnd;
  }

  /** What is written for it: made once, however many connections it goes to. */
  encoded(encode: (texts: readonly [string]) => Buffer): Buffer {
    this.#encoded ??= encode([this.text]);
    return this.#encoded;
  }
}
