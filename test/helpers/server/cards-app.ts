import { z } from "zod";
import { createRpc } from "../../../src/index.js";
import { sampleApp } from "./test-server.js";

/** The sample application, and cards on a board whose state clients keep current. */
export function cardsApp() {
  const rpc = createRpc({
    scopes: ["numbers:add", "admin"],
    notifications: { "numbers.changed": z.object({ sum: z.number() }) },
  });
  const versions = new Map<string, number>();
  const cards = rpc.topic({
    scope: "numbers:add",
    params: z.object({ board: z.string() }),
    event: z.object({ id: z.string(), version: z.number() }),
    key: ({ board }) => `cards:${board}`,
    history: { size: 5, ttl: 60_000 },
    snapshot: () => Object.fromEntries(versions),
  });
  return { app: rpc.router({ ...sampleApp().routes, cards }), versions };
}
