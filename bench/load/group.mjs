import { setTimeout as delay } from "node:timers/promises";
import { LoadConnection } from "./connection.mjs";

// servers may limit the connections of one address that have not authenticated
const openAtOnce = 10;
const floodFrames = 512; // in one write

/** Connections of one kind to one server, and the ring of frames that they send. */
export class Group {
  ring;
  #connections = [];
  #stalled = new Set();

  /** Opens `count` connections, each with a token of its own. */
  async open({ port, dialect, count, sign }) {
    let left = count;
    const openSome = async () => {
      while (left-- > 0)
        this.#connections.push(await LoadConnection.open(port, dialect, dialect.greeting(sign)));
    };
    await Promise.all(Array.from({ length: openAtOnce }, openSome));
  }

  /** Sends one frame on each connection and sees that the answer looks as it should. */
  async probe() {
    await Promise.all(
      this.#connections.map((connection, index) =>
        connection.exchange(this.ring.take(index * 97, 1), this.ring.expected),
      ),
    );
  }

  /**
   * Keeps `depth` frames in flight on every connection for `duration` ms, then waits for the last
   * replies. Resolves with how many came.
   */
  run(depth, duration) {
    return new Promise((resolve, reject) => {
      let isRunning = true;
      let replies = 0;
      let inFlight = 0;
      // where each is in the ring
      const next = this.#connections.map((_, index) => index * 97 + 50);
      const send = (index, count) => {
        this.#connections[index].write(this.ring.take(next[index], count));
        next[index] += count;
        inFlight += count;
      };
      this.#connections.forEach((connection, index) => {
        connection.onReplies = (count) => {
          replies += count;
          inFlight -= count;
          if (isRunning) send(index, count);
          else if (inFlight === 0) resolve(replies);
        };
        connection.onLost = reject;
      });
      for (let index = 0; index < this.#connections.length; index++) send(index, depth);
      setTimeout(() => {
        isRunning = false;
        if (inFlight === 0) resolve(replies);
      }, duration);
    });
  }

  /**
   * Writes as fast as the first connection takes it, for `duration` ms, and reads all replies.
   * Resolves with their number.
   */
  flood(duration) {
    const [connection] = this.#connections;
    return new Promise((resolve, reject) => {
      const endsAt = performance.now() + duration;
      let sent = 0;
      let replies = 0;
      const fill = () => {
        let hasRoom = true;
        while (hasRoom && performance.now() < endsAt) {
          hasRoom = connection.write(this.ring.take(sent, floodFrames));
          sent += floodFrames;
        }
      };
      connection.onReplies = (count) => {
        replies += count;
        if (replies === sent && performance.now() >= endsAt) resolve(replies);
      };
      connection.onLost = reject;
      connection.onDrain = fill;
      fill();
    });
  }

  /**
   * One call at a time on the first connection, `pause` ms between them. Resolves with how long
   * each took, milliseconds.
   */
  async latencies(pause, duration) {
    const [connection] = this.#connections;
    const found = [];
    const endsAt = performance.now() + duration;
    for (let number = 0; performance.now() < endsAt; number++) {
      const sentAt = performance.now();
      await new Promise((resolve, reject) => {
        connection.onReplies = resolve;
        connection.onLost = reject;
        connection.write(this.ring.take(number, 1));
      });
      found.push(performance.now() - sentAt);
      await delay(pause);
    }
    return found;
  }

  /**
   * Resolves when `count` frames have come on each connection; one that stalled is not waited for.
   */
  hear(count) {
    return new Promise((resolve, reject) => {
      const readers = this.#connections.filter((connection) => !this.#stalled.has(connection));
      let left = readers.length * count;
      for (const connection of readers) {
        connection.onLost = reject;
        connection.onReplies = (heard) => {
          left -= heard;
          if (left === 0) resolve();
          else if (left < 0) reject(new Error("more came than was sent"));
        };
      }
    });
  }

  /** The first connection reads nothing from now on. */
  stall() {
    const [connection] = this.#connections;
    connection.stall();
    this.#stalled.add(connection);
  }

  async close() {
    await Promise.all(this.#connections.map((connection) => connection.close()));
  }
}
