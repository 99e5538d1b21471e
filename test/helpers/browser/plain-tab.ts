import type { Browser, CDPSession } from "playwright-core";
import type { SdkUser } from "../client/sdk-user.js";
import { browser } from "./browser.js";
import type { EngineTab } from "./engines.js";
import { PageUser } from "./page-user.js";

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly response?: { readonly payloadData: string } };
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

interface Evaluation {
  readonly result: { readonly value?: unknown };
  readonly exceptionDetails?: { readonly exception?: { readonly description?: string } };
}

interface History {
  readonly currentIndex: number;
  readonly entries: readonly { readonly id: number }[];
}

/**
 * A page that Playwright has no hand on: it keeps its own pages awake and in sight, and this one
 * can be hidden, frozen, and put into the back/forward cache, as those of people are. Driven over
 * the Chrome DevTools Protocol.
 */
export class PlainTab extends PageUser implements EngineTab {
  readonly #cdp: CDPSession;
  readonly #targetId: string;
  readonly #sessionId: string;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #count = 0;

  private constructor(cdp: CDPSession, targetId: string, sessionId: string) {
    super();
    this.#cdp = cdp;
    this.#targetId = targetId;
    this.#sessionId = sessionId;
    cdp.on("Target.receivedMessageFromTarget", (event) => {
      if (event.sessionId === sessionId) this.#take(JSON.parse(event.message) as Message);
    });
  }

  static async open(url: string, of?: Browser): Promise<PlainTab> {
    const cdp = await (of ?? (await browser())).newBrowserCDPSession();
    const { targetId } = await cdp.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await cdp.send("Target.attachToTarget", { targetId, flatten: false });
    const tab = new PlainTab(cdp, targetId, sessionId);
    await tab.#send("Network.enable");
    await tab.visit(url);
    return tab;
  }

  /** Goes to a page, and waits for its script. */
  async visit(url: string): Promise<void> {
    await this.#send("Page.navigate", { url });
    await this.#settle();
  }

  /** What the browser's button "back" does. */
  async back(): Promise<void> {
    const { currentIndex, entries } = await this.#send<History>("Page.getNavigationHistory");
    await this.#send("Page.navigateToHistoryEntry", { entryId: entries[currentIndex - 1]?.id });
    await this.#settle();
  }

  /** Hides the page and stops it: no timer fires, no message arrives, until `thaw`. */
  async freeze(): Promise<void> {
    await this.#send("Page.setWebLifecycleState", { state: "frozen" });
  }

  async thaw(): Promise<void> {
    await this.#send("Page.setWebLifecycleState", { state: "active" });
  }

  override do<Name extends keyof SdkUser>(
    name: Name,
    ...args: Parameters<SdkUser[Name]>
  ): Promise<Awaited<ReturnType<SdkUser[Name]>>> {
    return this.evaluate(`user.${name}(...${JSON.stringify(args)})`) as Promise<
      Awaited<ReturnType<SdkUser[Name]>>
    >;
  }

  async evaluate(expression: string): Promise<unknown> {
    const asked = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await this.#send<Evaluation>("Runtime.evaluate", asked);
    if (exceptionDetails)
      throw new Error(exceptionDetails.exception?.description ?? `${expression} threw`);
    return result.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cdp.send("Target.closeTarget", { targetId: this.#targetId });
    await this.#cdp.detach();
  }

  async #settle(): Promise<void> {
    for (let look = 0; look < 200; look++) {
      if (
        (await this.evaluate("document.readyState + typeof globalThis.user").catch(String)) ===
        "completeobject"
      )
        return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error("the page did not load");
  }

  #send<Result>(method: string, params: object = {}): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const id = ++this.#count;
      this.#waiting.set(id, ({ result, error }) =>
        error ? reject(new Error(error.message)) : resolve(result as Result),
      );
      const message = JSON.stringify({ id, method, params });
      this.#cdp
        .send("Target.sendMessageToTarget", { sessionId: this.#sessionId, message })
        .catch(reject);
    });
  }

  #take(message: Message): void {
    const { id, method, params } = message;
    if (id !== undefined) {
      this.#waiting.get(id)?.(message);
      this.#waiting.delete(id);
    } else if (method === "Network.webSocketCreated") this.sockets++;
    else if (method === "Network.webSocketFrameSent")
      this.sent.push(params?.response?.payloadData ?? "");
    else if (method === "Network.webSocketFrameReceived")
      this.received.push(params?.response?.payloadData ?? "");
  }
}
