/** A page with a component of Vue and one of Svelte, of one client. */
import { mount } from "svelte";
import { createApp, h } from "vue";
import { createClient } from "../../../client/browser.js";
import { createStores } from "../../../client/stores/index.js";
import { createComposables } from "../../../client/vue/index.js";
import type {
  MethodContract,
  RouterContract,
  SubscriptionContract,
} from "../../../src/protocol/contract.js";
import Price from "./price.svelte";

/** What is used of the site's application. */
type App = RouterContract<{
  readonly numbers: {
    readonly add: MethodContract<{ a: number; b: number }, number, Record<never, never>>;
    readonly watch: SubscriptionContract<{ colour: string }, number>;
  };
}>;

const client = createClient<App>({
  url: `ws://${location.host}/rpc`,
  backoff: { min: 20, max: 100 },
  async token() {
    const body = JSON.stringify({ username: "ada", password: "correct horse battery" });
    const headers = { "Content-Type": "application/json" };
    const response = await fetch("/login", { method: "POST", headers, body });
    return ((await response.json()) as { access_token: string }).access_token;
  },
});

const { useSubscription, useCall } = createComposables(client);
const shown = () => ({
  price: useSubscription((api) => api.numbers.watch, { colour: "red" }),
  sum: useCall((api) => api.numbers.add, { a: 1, b: 2 }),
});

const Shown = {
  setup() {
    const { price, sum } = shown();
    return () =>
      h(
        "p",
        { id: "vue" },
        `${price.value.status} ${price.value.event} ${sum.view.value.status} ${sum.view.value.data}`,
      );
  },
};

const element = () => document.body.appendChild(document.createElement("div"));
const app = createApp(Shown);
app.mount(element());

const stores = createStores(client);
mount(Price, {
  target: element(),
  props: {
    price: stores.subscription((api) => api.numbers.watch, { colour: "red" }),
    list: stores.call((api) => api.numbers.add, { a: 1, b: 2 }),
  },
});

Object.assign(globalThis, { leave: () => app.unmount() });
