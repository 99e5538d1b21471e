/** The board on graphql-ws: mutations, and a subscription that is a generator. */
import { EventEmitter, on } from "node:events";
import express from "express";
import { buildSchema, GraphQLError } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { type Card, columns } from "../../../board/cards.ts";
import { openBoardStore } from "../../../board/store.ts";
import { Accounts } from "../accounts.ts";

const { PORT = "8080", DATABASE = "board.db", STATE = "." } = process.env;
const store = openBoardStore(DATABASE);
const accounts = new Accounts(STATE);
for (const user of ["ada", "bob"]) await accounts.addUser(user, "correct horse battery");
const changes = new EventEmitter().setMaxListeners(0);

const schema = buildSchema(`
  enum Column { ${columns.join(" ")} }
  type Card { id: ID! title: String! column: Column! version: Int! }
  type Query { cards(board: ID!): [Card!]! }
  type Mutation {
    add(board: ID!, id: ID!, title: String!): Card!
    move(board: ID!, id: ID!, column: Column!, version: Int!): Card!
    removeMember(board: ID!, user: ID!): Boolean!
  }
  type Subscription { card(board: ID!, after: Int!): Card! }
`);

/** What is kept of a connection. */
type Context = { user: string; signal: AbortSignal };

// region: permission
const failure = (code: string) => new GraphQLError(code.toLowerCase(), { extensions: { code } });

/** A resolver for the members of a board. */
function member<Params extends { board: string }, T>(
  resolve: (params: Params, context: Context) => T,
) {
  return (params: Params, context: Context): T => {
    if (!store.isMember(params.board, context.user)) throw failure("FORBIDDEN");
    return resolve(params, context);
  };
}
// endregion

function publish(board: string, card: Card) {
  changes.emit(board, card);
  return card;
}

const roots = {
  query: { cards: member(({ board }: { board: string }) => store.cards(board)) },
  mutation: {
    add: member(({ board, id, title }: { board: string; id: string; title: string }) => {
      if (title === "" || title.length > 200) throw failure("BAD_USER_INPUT");
      return publish(board, store.addCard(board, title, id));
    }),
    move: member(({ board, id, column, version }: Card & { board: string }) => {
      const card = store.moveCard(board, id, column, version);
      if (card === undefined) throw failure("CONFLICT");
      return publish(board, card);
    }),
    removeMember: member(({ board, user }: { board: string; user: string }) => {
      store.removeMember(board, user);
      changes.emit(board); // wakes the subscriptions, which ask again
      return true;
    }),
  },
  subscription: {
    // region: live
    card: member(async function* (
      { board, after }: { board: string; after: number },
      { user, signal },
    ) {
      const events = on(changes, board, { signal }); // listens before it reads
      let last = after;
      for (const card of store.cards(board, after)) {
        last = card.version;
        yield { card };
      }
      for await (const [card] of events as AsyncIterable<[Card?]>) {
        if (!store.isMember(board, user)) throw failure("FORBIDDEN");
        if (card && card.version > last) yield { card };
      }
    }),
    // endregion
  },
};

const http = express().use(accounts.routes).listen(Number(PORT), "localhost");
const graphql = useServer<{ token?: string }, Context>(
  {
    schema,
    roots,
    // region: session
    async onConnect({ connectionParams, extra }) {
      const login = await accounts.verify(connectionParams?.token).catch(() => undefined);
      if (login === undefined) return false; // closes with 4403
      const unguard = accounts.guard(login, () => extra.socket.close(4403, "signed out"));
      const connection = new AbortController();
      extra.socket.once("close", () => {
        unguard();
        connection.abort();
      });
      Object.assign(extra, { user: login.user, signal: connection.signal });
      return true;
    },
    context: ({ extra }) => extra,
    // endregion
  },
  new WebSocketServer({ server: http, path: "/graphql" }),
);
http.once("listening", () => process.stdout.write(`listening on http://localhost:${PORT}\n`));

// region: recovery
process.once("SIGTERM", () => {
  graphql.dispose(); // with 1001, after which clients come back
  http.close();
});
// endregion
