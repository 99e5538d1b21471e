const mostFrames = 16;
const mostBytes = 65_536; // 64 KiB

interface Frame {
  readonly value: unknown;
  readonly bytes: number;
}

/** Frames that came while an auth call was being verified, in order. */
export class WaitingFrames {
  readonly #frames: Frame[] = [];
  #bytes = 0;

  get size(): number {
    return this.#frames.length;
  }

  /** False when this one is too much. */
  add(value: unknown, bytes: number): boolean {
    this.#frames.push({ value, bytes });
    this.#bytes += bytes;
    return this.#frames.length <= mostFrames && this.#bytes <= mostBytes;
  }

  shift(): unknown {
    const frame = this.#frames.shift();
    this.#bytes -= frame?.bytes ?? 0;
    return frame?.value;
  }

  clear(): void {
    this.#frames.length = 0;
    this.#bytes = 0;
  }
}
