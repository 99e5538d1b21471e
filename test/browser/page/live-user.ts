/**
 * A page that shows the live state of a topic in React (in StrictMode), Vue and Svelte, each with
 * a client of its own, and keeps all that was ever drawn.
 */
import { createElement, StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { mount } from "svelte";
import { createApp, h } from "vue";
import { createClient } from "../../../client/browser.js";
import { createHooks, RpcProvider } from "../../../client/react/index.js";
import { createStores, type LiveView } from "../../../client/stores/index.js";
import { createComposables } from "../../../client/vue/index.js";
import type { RouterContract, SubscriptionContract } from "../../../src/protocol/contract.js";
import Cards from "./cards.svelte";

type Versions = Readonly<Record<string, number>>;

interface Card {
  readonly id: string;
  readonly version: number;
}

/** What is used of the site's application. */
type App = RouterContract<{
  readonly cards: SubscriptionContract<{ board: string }, Card, Versions>;
}>;

const newClient = () =>
  createClient<App>({
    url: `ws://${location.host}/rpc`,
    backoff: { min: 20, max: 100 },
    share: false, // each with a session of its own
    async token() {
      const body = JSON.stringify({ username: "ada", password: "correct horse battery" });
      const headers = { "Content-Type": "application/json" };
      const response = await fetch("/login", { method: "POST", headers, body });
      return ((await response.json()) as { access_token: string }).access_token;
    },
  });

const newest = (state: Versions, { id, version }: Card): Versions => ({
  ...state,
  [id]: Math.max(version, state[id] ?? 0),
});
const drawn = new Set<string>();

function textOf(name: string, { status, state, error }: LiveView<Versions>): string {
  const sorted = Object.entries(state ?? {}).sort(([one], [other]) => (one < other ? -1 : 1));
  const failure = error === undefined ? "" : ` ${(error as { code?: string }).code ?? error}`;
  drawn.add(`${name} ${status}${failure}`);
  return `${status}${failure} ${JSON.stringify(Object.fromEntries(sorted))}`;
}

const board = { board: "b1" };
const element = () => document.body.appendChild(document.createElement("div"));

const { useLive } = createHooks<App>();

function InReact() {
  const view = useLive((api) => api.cards, board, newest);
  return createElement("p", { id: "react" }, textOf("react", view));
}

const forReact = newClient();
const provided = createElement(RpcProvider<App>, { client: forReact }, createElement(InReact));
createRoot(element()).render(createElement(StrictMode, null, provided));

const composables = createComposables(newClient());
const shown = () => composables.useLive((api) => api.cards, board, newest);

createApp({
  setup() {
    const view = shown();
    return () => h("p", { id: "vue" }, textOf("vue", view.value));
  },
}).mount(element());

mount(Cards, {
  target: element(),
  props: {
    cards: createStores(newClient()).live((api) => api.cards, board, newest),
    textOf: (view: LiveView<Versions>) => textOf("svelte", view),
  },
});

Object.assign(globalThis, { drawn: () => [...drawn].sort() });
