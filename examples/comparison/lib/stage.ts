/** What a scenario has to play with: servers of one library, and its clients. */
import type { BoardClient, Card, Connect } from "./board-client.ts";
import { ServerProcess } from "./server-process.ts";
import { openTap, type Tap } from "./tap.ts";
import { deadline } from "./wait.ts";

export const board = "launch";
export const password = "correct horse battery";

/** A library's version of the board. */
export interface Library {
  readonly name: string;
  /** The packages whose versions the table names. */
  readonly packages: readonly string[];
  readonly server: string;
  readonly client: string;
}

/** Somebody who is logged in and watches the board. */
export interface Device {
  readonly client: BoardClient;
  /** What came over the wire to it. */
  readonly tap: Tap;
  /** What its user sees. */
  readonly cards: readonly Card[];
  /** What its user was told, if the cards ended. */
  readonly told: string | undefined;
}

/** One scenario of one library: all that it opens is closed at its end. */
export class Stage {
  readonly #connect: Connect;
  readonly #library: Library;
  readonly #open: { close(): unknown }[] = [];

  constructor(library: Library, connect: Connect) {
    this.#library = library;
    this.#connect = connect;
  }

  async server(settings: { tokenSeconds?: number } = {}): Promise<ServerProcess> {
    const { server: program, packages } = this.#library;
    const common = ["express", "zod", "jose", "ws", "libsql"];
    const all = [...packages, ...common];
    const server = new ServerProcess({ program, packages: all, ...settings });
    this.#open.push(server);
    await server.start();
    return server;
  }

  /** A client that is logged in. */
  async client(origin: string, user: string): Promise<BoardClient> {
    const client = this.#connect(origin);
    this.#open.push(client);
    await deadline(client.login(user, password), 20_000, `no login of ${user}`);
    return client;
  }

  /** A client that is logged in, and watches the board through a tap. */
  async device(server: ServerProcess, user: string): Promise<Device> {
    const tap = await openTap(server.origin);
    this.#open.push(tap);
    const client = await this.client(tap.origin, user);
    const device = { client, tap, cards: [] as readonly Card[], told: undefined as never };
    await deadline(
      new Promise<void>((resolve, reject) => {
        client.watch(
          board,
          (cards) => {
            Object.assign(device, { cards });
            resolve();
          },
          (why) => {
            Object.assign(device, { told: why });
            reject(new Error(`${user} may not watch: ${why}`));
          },
        );
      }),
      20_000,
      `${user} sees no cards`,
    );
    return device;
  }

  async close(): Promise<void> {
    for (const thing of this.#open.reverse()) await thing.close();
  }
}
