/** A client of examples/board. */
import { randomUUID } from "node:crypto";
import { newest } from "../../board/cards.ts";
import { openBoard } from "../../board/client.ts";
import { type BoardClient, ConflictError } from "../lib/board-client.ts";

export function connect(origin: string): BoardClient {
  const { session, client } = openBoard(origin);
  return {
    login: session.login,
    signOutEverywhere: session.signOutEverywhere,
    async watch(board, show, ended) {
      try {
        for await (const { state } of client.live("cards", { board }, newest)) show(state);
        ended("closed");
      } catch (error) {
        ended((error as Error).message);
      }
    },
    async add(board, title) {
      await client.api.add({ board, id: randomUUID(), title });
    },
    async move(board, id, column, version) {
      await client.api.move({ board, id, column, version }).catch((error: { code?: string }) => {
        throw error.code === "CONFLICT" ? new ConflictError() : error;
      });
    },
    async removeMember(board, user) {
      await client.api.removeMember({ board, user });
    },
    async close() {
      session.close();
      await client.close();
    },
  };
}
