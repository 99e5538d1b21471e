import type { StandardSchema } from "../../../src/index.js";

type Claims = Readonly<Record<string, unknown>>;

/**
 * A claims schema that holds tokens back until the test lets them through: a verification that
 * takes its time.
 */
export class ClaimsGate {
  readonly schema: StandardSchema<Claims, Claims> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (claims) => this.#validate(claims as Claims),
    },
  };
  readonly #holds: Promise<void>[] = [];
  #arrived = 0;

  /** How many tokens have come here. */
  get arrived(): number {
    return this.#arrived;
  }

  /** Holds the next token that comes, and no other. Returns what lets it through. */
  holdNext(): () => void {
    let release = (): void => {};
    this.#holds.push(new Promise((resolve) => (release = resolve)));
    return release;
  }

  /** Resolves when so many tokens have come. */
  async whenArrived(count: number): Promise<void> {
    while (this.#arrived < count) await new Promise((resolve) => setImmediate(resolve));
  }

  async #validate(claims: Claims): Promise<{ readonly value: Claims }> {
    const hold = this.#holds.shift();
    this.#arrived++;
    await hold;
    return { value: claims };
  }
}
