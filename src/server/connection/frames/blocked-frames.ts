const maxFrames = 16;
const maxBytes = 65_536; // 64 KiB

interface Frame {
  readonly value: unknown;
  readonly bytes: number;
}

/** Frames that came while an auth call was being verified, in order. */
export class BlockedFrames {
  readonly #frames: Frame[] = [];
  #bytes = 0;

  get size(): number {
    return this.#frames.length;
  }

  /** False: this one is too much, and is not kept. */
  add(value: unknown, bytes: number): boolean {
    if (this.#frames.length >= maxFrames || this.#bytes + bytes > maxBytes) return false;
    this.#frames.push({ value, bytes });
    this.#bytes += bytes;
    return true;
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
