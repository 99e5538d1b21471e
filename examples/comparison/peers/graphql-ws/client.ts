/** A client of the board on graphql-ws. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { GraphQLFormattedError } from "graphql";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";
import { type Card, newest } from "../../../board/cards.ts";
import { type BoardClient, ConflictError } from "../../lib/board-client.ts";
import { Session, SignedOutError } from "../session.ts";

const addCard = `mutation ($board: ID!, $id: ID!, $title: String!) {
  add(board: $board, id: $id, title: $title) { id }
}`;
const moveCard = `mutation ($board: ID!, $id: ID!, $column: Column!, $version: Int!) {
  move(board: $board, id: $id, column: $column, version: $version) { id }
}`;
const removeMember = `mutation ($board: ID!, $user: ID!) { removeMember(board: $board, user: $user) }`;
const watchCards = `subscription ($board: ID!, $after: Int!) {
  card(board: $board, after: $after) { id title column version }
}`;

/** What a sink is given: errors of the server, or of the connection. */
const messageOf = (error: unknown) =>
  Array.isArray(error) ? (error[0] as GraphQLFormattedError).message : String(error);

export function connect(url: string): BoardClient {
  const session = new Session(url);
  const client = createClient({
    url: `${url.replace("http", "ws")}/graphql`,
    webSocketImpl: WebSocket,
    lazyCloseTimeout: 5_000,
    // region: session
    connectionParams: async () => ({ token: await session.token() }),
    on: { closed: (event) => (event as CloseEvent).code === 4403 && session.expire() },
    // endregion
    // region: recovery
    // mutations are sent again as well: what the server may have run is harmless to run again
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: (problem) => !(problem instanceof SignedOutError),
    retryWait: (retries) => delay(Math.min(500 * 2 ** retries, 20_000) * Math.random()),
    // endregion
  });

  async function mutate(query: string, variables: Record<string, unknown>) {
    for await (const { errors } of client.iterate({ query, variables }))
      if (errors?.[0])
        throw errors[0].extensions?.code === "CONFLICT" ? new ConflictError() : errors[0];
  }

  return {
    login: (user, password) => session.login(user, password),
    signOutEverywhere: () => session.signOutEverywhere(),
    // region: live
    watch(board, show, ended) {
      let cards: Card[] = [];
      let after = 0;
      const variables = {
        board,
        get after() {
          return after; // read each time that the subscription is sent
        },
      };
      client.subscribe<{ card: Card }>(
        { query: watchCards, variables },
        {
          next({ data, errors }) {
            if (errors?.[0]) return ended(errors[0].message);
            if (!data) return;
            after = data.card.version;
            cards = newest(cards, data.card);
            show(cards);
          },
          error: (error) => ended(messageOf(error)),
          complete() {},
        },
      );
    },
    // endregion
    add: (board, title) => mutate(addCard, { board, id: randomUUID(), title }),
    move: (board, id, column, version) => mutate(moveCard, { board, id, column, version }),
    removeMember: (board, user) => mutate(removeMember, { board, user }),
    close: () => client.dispose(),
  };
}
