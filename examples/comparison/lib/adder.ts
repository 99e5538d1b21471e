/** Somebody who adds cards to a board, many a second. */
import { setTimeout as delay } from "node:timers/promises";
import type { BoardClient } from "./board-client.ts";
import { titleOf } from "./tap.ts";
import { deadline } from "./wait.ts";

export class Adder {
  readonly #client: BoardClient;
  readonly #board: string;
  readonly #timer: NodeJS.Timeout;
  readonly #calls: Promise<void>[] = [];
  /** The titles of the cards whose call was answered. */
  readonly answered: string[] = [];
  /** What the other calls rejected with. */
  readonly refused: unknown[] = [];

  constructor(client: BoardClient, board: string, perSecond = 20) {
    this.#client = client;
    this.#board = board;
    this.#timer = setInterval(() => this.#calls.push(this.#add()), 1000 / perSecond);
  }

  /** How many cards it has begun to add, which is also the number of the next one. */
  get begun(): number {
    return this.#calls.length;
  }

  /** Goes on until it has begun `count` more. */
  async more(count: number): Promise<void> {
    const end = this.begun + count;
    while (this.begun < end) await delay(5);
  }

  /** Adds no more. Resolves once each call has its answer; those that never get one are refused. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const all = deadline(Promise.all(this.#calls), 40_000, "calls without an answer");
    await all.catch((error) => {
      const left = this.begun - this.answered.length - this.refused.length;
      for (let call = 0; call < left; call++) this.refused.push(error);
    });
  }

  async #add(): Promise<void> {
    const title = titleOf(this.begun);
    try {
      await this.#client.add(this.#board, title);
      this.answered.push(title);
    } catch (error) {
      this.refused.push(error);
    }
  }
}
