/** The five versions of the board. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Connect } from "./board-client.ts";
import type { Library } from "./stage.ts";

const path = (file: string) => fileURLToPath(new URL(`../${file}`, import.meta.url));
const peer = (name: string, folder: string, packages: readonly string[]): Library => ({
  name,
  packages,
  server: path(`peers/${folder}/server.ts`),
  client: path(`peers/${folder}/client.ts`),
});

export const libraries: readonly Library[] = [
  {
    name: "jotwire",
    packages: ["jotwire"],
    server: path("../board/server.ts"),
    client: path("jotwire/client.ts"),
  },
  peer("tRPC", "trpc", ["@trpc/server", "@trpc/client"]),
  peer("socket.io", "socket-io", ["socket.io", "socket.io-client"]),
  peer("rpc-websockets", "rpc-websockets", ["rpc-websockets"]),
  peer("graphql-ws", "graphql-ws", ["graphql-ws", "graphql"]),
];

/** The client of a library. Those of the peers need what package.json names. */
export async function connectOf(library: Library): Promise<Connect> {
  const { connect } = (await import(library.client)) as { connect: Connect };
  return connect;
}

/** The versions of a library's packages, of which the peers' stand in package.json. */
export function versionsOf({ packages }: Library): string {
  const read = (file: string) => JSON.parse(readFileSync(path(file), "utf8"));
  const { dependencies } = read("package.json") as { dependencies: Record<string, string> };
  const { version } = read("../../package.json") as { version: string };
  return packages.map((name) => `${name} ${dependencies[name] ?? version}`).join(", ");
}
