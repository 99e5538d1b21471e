/**
 * Messages between the nodes of a deployment. A message is one line of JSON:
 * `{"v":1,"from":"<node>","type":"…","body":…}`.
 */
import type { Bus } from "../../pubsub/bus.js";
import { stopperOf } from "../../runtime/application-code.js";
import type { Logger } from "../../runtime/logger.js";

const version = 1;

/**
 * Receives the messages of a type from all nodes, this one included. The reader must check `body`.
 */
export type NodeMessageReader = (body: unknown, from: string) => void;

interface Envelope {
  readonly v: unknown;
  readonly from: string;
  readonly type: string;
  readonly body?: unknown;
}

export class NodeMessages {
  /** This node's name. */
  readonly node: string;
  readonly #bus: Bus;
  readonly #log: Logger;
  readonly #readers = new Map<string, NodeMessageReader>();
  readonly #stop: () => void;
  #hasWarned = false;

  constructor(node: string, bus: Bus, log: Logger) {
    this.node = node;
    this.#bus = bus;
    this.#log = log;
    const listener = {
      event: () => {},
      gap: () => {},
      message: (text: string) => this.#read(text),
    };
    this.#stop = stopperOf(bus.subscribe(listener), "the store's bus.subscribe");
  }

  /**
   * Sets the reader for a type of messages. Messages of a type without a reader are ignored.
   */
  on(type: string, reader: NodeMessageReader): void {
    this.#readers.set(type, reader);
  }

  /** Sends a message to every node, this one included. Rejects if the bus cannot be reached. */
  async send(type: string, body: unknown): Promise<void> {
    await this.#bus.send(JSON.stringify({ v: version, from: this.node, type, body }));
  }

  close(): void {
    this.#stop();
    this.#readers.clear();
  }

  #read(text: string): void {
    const envelope = envelopeOf(text);
    if (envelope === undefined)
      return this.#warnOnce("ignoring node messages of an unknown version");
    try {
      this.#readers.get(envelope.type)?.(envelope.body, envelope.from);
    } catch (error) {
      this.#log.error(
        { event: "node.message", type: envelope.type, err: error },
        "node message handler failed",
      );
    }
  }

  /** Warns once, since nodes of two versions side by side may send many such messages. */
  #warnOnce(message: string): void {
    if (!this.#hasWarned) this.#log.warn({ event: "node.message", version }, message);
    this.#hasWarned = true;
  }
}

function envelopeOf(text: string): Envelope | undefined {
  try {
    const envelope = Object(JSON.parse(text)) as Partial<Envelope>;
    const isKnown =
      envelope.v === version &&
      typeof envelope.from === "string" &&
      typeof envelope.type === "string";
    return isKnown ? (envelope as Envelope) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
