/** Bare `ws` that verifies a JWT in each message by jose, and does nothing more. */
import { once } from "node:events";
import { importJWK, jwtVerify } from "jose";
import { WebSocketServer } from "ws";
import { serve } from "../lib/serve.mjs";
import { audience, issuer } from "../lib/tokens.mjs";

serve(async ({ publicJwk }) => {
  const key = await importJWK(publicJwk, "ES256");
  const expected = {
    issuer,
    audience,
    algorithms: ["ES256"],
    typ: "at+jwt",
    requiredClaims: ["exp", "sub"],
  };
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.on("message", async (data) => {
      const { id, params } = JSON.parse(data);
      const { payload } = await jwtVerify(params.token, key, expected);
      socket.send(
        JSON.stringify({
          jsonrpc: "2.0",
          id,
          result: { subject: payload.sub, expiresAt: payload.exp },
        }),
      );
    });
  });
  await once(server, "listening");
  return server.address().port;
});
