/** Members of a board, who are removed one after the other, and what they still hear. */
import { once } from "node:events";
import WebSocket from "ws";
import { answer } from "../lib/answer.mjs";
import { wallTime } from "../lib/board.mjs";

const enough = 3; // events until a member certainly hears
const further = 10; // events that are published after each removal

/** What each server hears and says. */
const dialects = {
  jotwire: {
    path: () => "/rpc",
    greeting: (token) => [{ id: 1, method: "authenticate", params: { token } }],
    subscribe: { id: 2, method: "cards" },
    remove: (user) => ({ id: 3, method: "remove", params: { user } }),
    cardOf: ({ method, params }) => (method === "subscription.event" ? params.data : undefined),
    isEnd: ({ method }) => method === "subscription.ended",
  },
  trpc: {
    path: (user) => `/?user=${user}`,
    greeting: () => [],
    subscribe: { id: 2, method: "subscription", params: { path: "cards" } },
    remove: (user) => ({ id: 3, method: "mutation", params: { path: "remove", input: { user } } }),
    cardOf: ({ result }) => (result?.type === "data" ? result.data : undefined),
    isEnd: ({ id, result }) => id === 2 && result?.type === "stopped",
  },
};

class Member {
  cards = [];
  endedAt;
  #socket;
  #dialect;
  #onMessage = () => {};

  static async join(port, dialect, user, token) {
    const member = new Member();
    member.#dialect = dialect;
    member.#socket = new WebSocket(`ws://127.0.0.1:${port}${dialect.path(user)}`);
    member.#socket.on("message", (data) => member.#hear(JSON.parse(String(data))));
    await once(member.#socket, "open");
    for (const frame of dialect.greeting(token)) await member.ask(frame);
    await member.ask(dialect.subscribe);
    await member.until(() => member.cards.length >= enough);
    return member;
  }

  /** Resolves with when the answer came. */
  async ask(frame) {
    let answeredAt;
    this.#socket.send(JSON.stringify({ jsonrpc: "2.0", ...frame }));
    await this.until((message) => {
      if (message?.id !== frame.id) return false;
      if (message.error !== undefined) throw new Error(JSON.stringify(message.error));
      answeredAt = wallTime();
      return true;
    });
    return answeredAt;
  }

  /** Resolves as soon as a message has made `isSo` true. */
  until(isSo) {
    return new Promise((resolve, reject) => {
      const look = (message) => {
        try {
          if (isSo(message)) resolve();
          else this.#onMessage = look;
        } catch (error) {
          reject(error);
        }
      };
      look();
    });
  }

  close() {
    this.#socket.terminate();
  }

  #hear(message) {
    const card = this.#dialect.cardOf(message);
    if (card !== undefined) this.cards.push(card);
    if (this.#dialect.isEnd(message)) this.endedAt = wallTime();
    const onMessage = this.#onMessage;
    this.#onMessage = () => {};
    onMessage(message);
  }
}

answer({
  /**
   * Removes each user but the first. Resolves with the number of cards that were published after
   * the answer and reached somebody who was removed, and with the milliseconds from each answer
   * until the member was told.
   */
  remove: async ({ port, name, users }) => {
    const dialect = dialects[name];
    const [{ user: first, token: firstToken }, ...others] = users;
    const witness = await Member.join(port, dialect, first, firstToken);
    let after = 0;
    const told = [];
    for (const { user, token } of others) {
      const member = await Member.join(port, dialect, user, token);
      const answeredAt = await witness.ask(dialect.remove(user));
      await member.until(() => member.endedAt !== undefined);
      const published = witness.cards.length + further;
      await witness.until(() => witness.cards.length >= published);
      after += member.cards.filter(({ at }) => at > answeredAt).length;
      told.push(Math.max(0, member.endedAt - answeredAt));
      member.close();
    }
    witness.close();
    return { after, told };
  },
});
