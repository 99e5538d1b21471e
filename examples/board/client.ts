/** The board's session and client, in a page and in Node. */
import { createClient } from "jotwire/client";
import { createSession } from "jotwire/session";
import type { App } from "./server.ts";

/** Makes the session and the client of the server at `origin`. */
export function openBoard(origin: string) {
  const session = createSession({ url: origin });
  const client = createClient<App>({
    url: `${origin.replace("http", "ws")}/rpc`,
    token: session.token,
    idempotent: ["add", "move"],
    backoff: { max: 2_000 }, // few users: they need not spread when the server is back
  });
  session.bind(client);
  return { session, client };
}
