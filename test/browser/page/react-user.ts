/**
 * A page in React that shows a session and a subscription, in StrictMode: what is there once must
 * cost once.
 */
import { createElement, StrictMode, useState } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { type Client, createClient, type Untyped } from "../../../client/browser.js";
import { RpcProvider, useRpc, useSession, useSubscription } from "../../../client/react/index.js";

async function token(): Promise<string> {
  const body = JSON.stringify({ username: "ada", password: "correct horse battery" });
  const response = await fetch("/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body,
  });
  return ((await response.json()) as { access_token: string }).access_token;
}

const client = createClient({
  url: `ws://${location.host}/rpc`,
  token,
  backoff: { min: 20, max: 100 },
});

function Numbers({ colour }: { readonly colour: string }) {
  const [all, setAll] = useState<readonly unknown[]>([]);
  const { event, gaps, status } = useSubscription(
    "numbers.watch",
    { colour },
    { onEvent: (one) => setAll((before) => [...before, one]) },
  );
  return createElement(
    "p",
    { id: "numbers" },
    `${status} ${gaps} ${JSON.stringify(event)} ${all.join(",")}`,
  );
}

function View() {
  const { state, session } = useSession();
  const rpc = useRpc();
  const [colour, setColour] = useState<string | undefined>("red");
  const [sum, setSum] = useState<unknown>();
  const button = (label: string, onClick: () => void) =>
    createElement("button", { type: "button", id: label, onClick }, label);
  return createElement(
    "main",
    null,
    createElement("p", { id: "session" }, `${state} ${session?.subject ?? "nobody"}`),
    createElement("p", { id: "sum" }, String(sum)),
    button("add", () => void rpc.call("numbers.add", { a: 1, b: 2 }).then(setSum)),
    button("blue", () => setColour("blue")),
    button("leave", () => setColour(undefined)),
    colour === undefined ? null : createElement(Numbers, { colour }),
  );
}

const root = document.body.appendChild(document.createElement("div"));
const tree = (client: Client) =>
  createElement(
    StrictMode,
    null,
    createElement(RpcProvider<Untyped>, { client }, createElement(View)),
  );

/**
 * The page comes from a server, whose client never connects; here it is drawn when the client has
 * long been there.
 */
async function hydrate(): Promise<void> {
  root.innerHTML = renderToString(
    tree(createClient({ url: "ws://nowhere.test", connect: "lazy" })),
  );
  await client.ready();
  // what isn't as the server drew it
  hydrateRoot(root, tree(client), { onRecoverableError: reportError });
}

if (location.search === "?hydrated") hydrate().catch(reportError);
else createRoot(root).render(tree(client));
