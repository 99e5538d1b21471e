/**
 * Bounds work in flight, in all and of each peer: a slow answer to one peer takes no room of the
 * others. The empty name stands for the program itself, which has no bound of its own.
 */
export class InFlightLimit {
  readonly #max: number;
  readonly #maxPerPeer: number;
  readonly #ofPeer = new Map<string, number>();
  #running = 0;

  constructor(max: number, maxPerPeer: number) {
    this.#max = max;
    this.#maxPerPeer = maxPerPeer;
  }

  /** Returns the function that gives the place back, or undefined if no place is left. */
  enter(peer: string): (() => void) | undefined {
    const ofPeer = this.#ofPeer.get(peer) ?? 0;
    if (this.#running >= this.#max) return undefined;
    if (peer !== "" && ofPeer >= this.#maxPerPeer) return undefined;
    this.#running++;
    this.#ofPeer.set(peer, ofPeer + 1);
    return () => this.#leave(peer);
  }

  #leave(peer: string): void {
    this.#running--;
    const left = (this.#ofPeer.get(peer) ?? 0) - 1;
    if (left > 0) this.#ofPeer.set(peer, left);
    else this.#ofPeer.delete(peer);
  }
}
