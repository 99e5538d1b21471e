import type { BusListener } from "../../../src/pubsub/bus.js";
import { LocalBus } from "../../../src/pubsub/local-bus.js";

/** Joins nodes of one process, and can cut one off. */
export class CuttableBus extends LocalBus {
  constructor() {
    super("e", () => 0);
  }

  /** What a node has of the bus: it may be cut off. */
  end() {
    const end = { isCut: false, listeners: new Set<BusListener>() };
    const bus = {
      publish: (...event: Parameters<LocalBus["publish"]>) => this.publish(...event),
      read: (...place: Parameters<LocalBus["read"]>) => this.read(...place),
      send: async (message: string) => {
        if (end.isCut) throw new Error("the bus can't be reached");
        this.send(message);
      },
      subscribe: (listener: BusListener) => {
        end.listeners.add(listener);
        return this.subscribe({
          event: (event) => {
            if (!end.isCut) listener.event(event);
          },
          message: (message) => {
            if (!end.isCut) listener.message(message);
          },
          gap: () => listener.gap(),
        });
      },
    };
    return {
      bus,
      cut: () => {
        end.isCut = true;
      },
      join: () => {
        end.isCut = false;
        for (const listener of end.listeners) listener.gap();
      },
    };
  }
}
