import type { Context } from "mocha";
import { chromiumWithoutStorage, needsChromium } from "./browser.js";
import { Firefox, needsFirefox } from "./firefox.js";
import type { PageUser } from "./page-user.js";
import { PlainTab } from "./plain-tab.js";

/**
 * A page with a user of the SDK in it, as people's pages are: it may be put into the back/forward
 * cache.
 */
export interface EngineTab extends PageUser, AsyncDisposable {
  /** Goes to a page, and waits for its script. */
  visit(url: string): Promise<void>;
  /** What the browser's button "back" does. */
  back(): Promise<void>;
  evaluate(expression: string): Promise<unknown>;
}

/** A browser whose pages share one browser session. */
export interface EngineBrowser extends AsyncDisposable {
  open(url: string): Promise<EngineTab>;
}

export interface Engine {
  readonly name: string;
  /** Pages may not keep anything: no cookies, no storage, and what browsers count as such. */
  readonly isStorageBlocked: boolean;
  /** For a `before` hook: skips the tests where the browser is missing. */
  needs(context: Context): void;
  launch(): Promise<EngineBrowser>;
}

/** The browsers in which the SDK's promises are tested. */
export const engines: readonly Engine[] = [
  {
    name: "Chromium",
    isStorageBlocked: false,
    needs: needsChromium,
    launch: async () => ({
      open: (url) => PlainTab.open(url),
      [Symbol.asyncDispose]: async () => {},
    }), // the one of the run
  },
  {
    name: "Chromium with storage blocked",
    isStorageBlocked: true,
    needs: needsChromium,
    async launch() {
      const context = await chromiumWithoutStorage();
      return {
        open: (url) => PlainTab.open(url, context.browser() ?? undefined),
        [Symbol.asyncDispose]: () => context.close(),
      };
    },
  },
  { name: "Firefox", isStorageBlocked: false, needs: needsFirefox, launch: () => Firefox.launch() },
  {
    name: "Firefox with cookies blocked",
    isStorageBlocked: true,
    needs: needsFirefox,
    // BEHAVIOR_REJECT: cookies and storage of all sites
    launch: () => Firefox.launch({ "network.cookie.cookieBehavior": 2 }),
  },
];
