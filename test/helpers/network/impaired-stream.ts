import { Transform, type TransformCallback } from "node:stream";

/** What is wrong with a network. */
export interface Impairment {
  /** Milliseconds by which each chunk comes later. */
  readonly delay?: number;
  /**
   * Bytes of one direction after which the connection is cut, in the middle of whatever that is.
   */
  readonly cutAfter?: number;
}

/** One direction of a connection. It asks with each chunk what is wrong now. */
export class ImpairedStream extends Transform {
  readonly #impairment: () => Impairment;
  readonly #cut: () => void;
  #carried = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(impairment: () => Impairment, cut: () => void) {
    super();
    this.#impairment = impairment;
    this.#cut = cut;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    const { delay = 0, cutAfter } = this.#impairment();
    const room = cutAfter === undefined ? chunk.length : cutAfter - this.#carried;
    this.#carried = cutAfter === undefined ? 0 : this.#carried + chunk.length;
    const pass = () => {
      if (room >= chunk.length) return callback(null, chunk);
      this.push(chunk.subarray(0, Math.max(0, room)));
      callback();
      setImmediate(this.#cut); // so that what came before is through
    };
    if (delay === 0) pass();
    else this.#timer = setTimeout(pass, delay);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    callback(error);
  }
}
