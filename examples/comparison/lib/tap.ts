/** Stands between a client and its server, and notes which cards came over the wire. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Tap {
  /** What the client takes for the server. */
  readonly origin: string;
  /** The numbers of the cards that have come, see `titleOf`. */
  readonly seen: ReadonlySet<number>;
  close(): void;
}

/** The title of a card in the scenarios, which is found among the bytes. */
export const titleOf = (number: number) => `card ${String(number).padStart(5, "0")}`;
const tail = titleOf(0).length - 1;

export async function openTap(server: string): Promise<Tap> {
  const seen = new Set<number>();
  const sockets = new Set<Socket>();
  const proxy = createServer((near) => {
    const far = connect(Number(new URL(server).port), "localhost");
    let rest = "";
    far.on("data", (chunk) => {
      const text = rest + chunk.toString("latin1");
      for (const [, number] of text.matchAll(/card (\d{5})/g)) seen.add(Number(number));
      rest = text.slice(-tail);
    });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  });
  proxy.listen(0, "localhost");
  await once(proxy, "listening");
  return {
    origin: `http://localhost:${(proxy.address() as AddressInfo).port}`,
    seen,
    close() {
      proxy.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
