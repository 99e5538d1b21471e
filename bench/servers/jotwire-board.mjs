/** A board whose members may be removed: jotwire. */
import { boardQuestions, isMember, removeMember } from "../lib/board.mjs";
import { jotwire } from "../lib/jotwire.mjs";
import { serve } from "../lib/serve.mjs";
import { audience, issuer } from "../lib/tokens.mjs";

const { createRpc, createServer } = await jotwire("src/index.js");

// #region application
const rpc = createRpc();
const app = rpc.router({
  cards: rpc.topic({
    key: () => "board",
    authorize: ({ auth }) => isMember(auth.subject),
  }),
  remove: rpc.method({
    async handler({ params: { user }, reauthorize }) {
      await removeMember(user);
      await reauthorize({ subject: user });
    },
  }),
});
const publish = (card) => server.publish(app.routes.cards, undefined, card);
// #endregion

let server;

serve(async ({ publicJwk }) => {
  const auth = { issuer, audience, publicKey: publicJwk, maxLifetime: 3_600_000 };
  server = createServer(app, { auth });
  return (await server.listen(0)).port;
}, boardQuestions(publish));
