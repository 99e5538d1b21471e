/** The dialog of `jotwire repl`: lines in, results and events out. */
import {
  type Client,
  DisconnectedError,
  gap,
  JotwireError,
  type StateChange,
  type Subscription,
} from "../../../client/node.js";
import { isAuthMethod, subscriptionMark } from "../../protocol/messages.js";
import { CliError, type FailureKind } from "../cli-error.js";
import { paramsOf } from "../remote/params.js";
import type { Remote } from "../remote/remote.js";
import { ApiCatalog, type CatalogEntry, replCommands } from "./api-catalog.js";
import type { ReplOutput } from "./repl-output.js";

export interface ReplParts {
  readonly client: Client;
  readonly remote: Remote;
  readonly output: ReplOutput;
}

export class Repl {
  readonly #client: Client;
  readonly #remote: Remote;
  readonly #output: ReplOutput;
  readonly #subscriptions = new Map<string, Subscription<unknown>>();
  #catalog = new ApiCatalog();
  #running: AbortController | undefined;
  #failure: FailureKind | undefined;

  constructor({ client, remote, output }: ReplParts) {
    this.#client = client;
    this.#remote = remote;
    this.#output = output;
  }

  /** The kind of the first failure, for the exit code. */
  get failure(): FailureKind | undefined {
    return this.#failure;
  }

  complete(line: string): [string[], string] {
    return this.#catalog.complete(line);
  }

  /**
   * Runs lines until there are no more, or one says to leave. Rejects if the connection is lost for
   * good.
   */
  async run(lines: AsyncIterable<string>, close: () => void): Promise<void> {
    let over: unknown;
    const stop = this.#client.on("state", (change) => {
      over ??= this.#whyOver(change);
      if (over !== undefined) close();
    });
    await this.#discover();
    this.#output.ask();
    for await (const line of lines) {
      if (over !== undefined || line.trim() === ".exit") break;
      this.#output.asked();
      await this.#do(line.trim());
      this.#output.ask();
    }
    stop();
    close();
    await this.#unsubscribe("");
    if (over !== undefined) throw over;
  }

  /** Cancels the call that runs; `false`: none does. */
  cancel(): boolean {
    this.#running?.abort();
    return this.#running !== undefined;
  }

  #whyOver(change: StateChange): unknown {
    const { to, reason = "", code, cause } = change;
    if (to === "closed")
      return this.#remote.explain(new DisconnectedError("no", reason, code, cause));
    return to === "waiting" ? this.#remote.whyHopeless(change) : undefined;
  }

  async #do(line: string): Promise<void> {
    if (line === "" || line.startsWith("#")) return;
    const [, name = "", rest = ""] = /^(\S+)\s*(.*)$/s.exec(line) ?? [];
    try {
      if (name.startsWith(".")) await this.#command(name, rest);
      else await this.#call(name, rest === "" ? undefined : paramsOf(rest));
    } catch (error) {
      this.#fail(error);
    }
  }

  async #command(name: string, rest: string): Promise<void> {
    if (name === ".help") return this.#help(rest);
    if (name === ".refresh") return this.#refresh();
    if (name === ".unsubscribe") return this.#unsubscribe(rest);
    if (name !== ".subscribe") throw new CliError("usage", `there is no ${name}; see .help`);
    const [, topic = "", params = ""] = /^(\S+)\s*(.*)$/s.exec(rest) ?? [];
    if (topic === "") throw new CliError("usage", "say to what: .subscribe <topic> [params]");
    this.#subscribe(topic, params === "" ? undefined : paramsOf(params));
  }

  async #call(name: string, params: object | undefined): Promise<void> {
    if (isAuthMethod(name))
      throw new CliError(
        "usage",
        `${name} is sent by itself: start with --user, --token-file or JOTWIRE_TOKEN; .refresh gets another token`,
      );
    if (this.#catalog.get(name)?.isSubscription === true) return this.#subscribe(name, params);
    this.#running = new AbortController();
    const { signal } = this.#running;
    try {
      const result = await this.#client.call(name, params, { signal });
      const { subscription, [subscriptionMark]: mark } = Object(result) as Record<string, unknown>;
      if (mark !== true) return this.#output.result(result);
      await this.#client.call("unsubscribe", { subscription });
      throw new CliError("usage", `${name} is a subscription: .subscribe ${name}`);
    } finally {
      this.#running = undefined;
    }
  }

  #subscribe(name: string, params: object | undefined): void {
    void this.#subscriptions.get(name)?.[Symbol.asyncDispose]();
    const subscription = this.#client.subscribe(name, params, { gaps: true });
    this.#subscriptions.set(name, subscription);
    void this.#print(name, subscription);
  }

  /** Prints events until the subscription ends. */
  async #print(name: string, subscription: Subscription<unknown>): Promise<void> {
    try {
      for await (const event of subscription) {
        if (event === gap) this.#output.note(`${name}: events were lost here`);
        else this.#output.event(name, event);
      }
      if (this.#subscriptions.get(name) === subscription)
        this.#output.note(`${name}: the subscription is complete`);
    } catch (error) {
      this.#fail(error, `${name}: `);
    } finally {
      if (this.#subscriptions.get(name) === subscription) this.#subscriptions.delete(name);
    }
  }

  async #unsubscribe(name: string): Promise<void> {
    const names = name === "" ? [...this.#subscriptions.keys()] : [name];
    for (const one of names) {
      const subscription = this.#subscriptions.get(one);
      if (subscription === undefined)
        throw new CliError("usage", `there is no subscription of ${one}`);
      this.#subscriptions.delete(one);
      await subscription[Symbol.asyncDispose]();
    }
  }

  async #refresh(): Promise<void> {
    await this.#client.refresh();
    await this.#discover(); // the new token may allow more, or less
  }

  /** Where there is no `rpc.discover`, everything can be called, and nothing be completed. */
  async #discover(): Promise<void> {
    const document = await this.#client.call("rpc.discover").catch(() => undefined);
    this.#catalog = new ApiCatalog(document);
  }

  #help(name: string): void {
    if (name === "") {
      this.#output.note("Type a method and its params as JSON: method {params}. Or:");
      for (const [command, text] of replCommands) this.#output.note(`  ${command} ${text}`);
      for (const entry of this.#catalog.all()) this.#output.note(`  ${titleOf(entry)}`);
      return;
    }
    const entry = this.#catalog.get(name);
    if (entry === undefined) throw new CliError("usage", `nothing is known of ${name}; see .help`);
    this.#output.note(titleOf(entry));
    for (const { name: param, required, type } of entry.params)
      this.#output.note(`  ${param}${required ? "" : "?"}: ${String(type ?? "any")}`);
  }

  #fail(error: unknown, prefix = ""): void {
    const isCancelled = error instanceof JotwireError && error.code === "aborted";
    const explained = this.#remote.explain(error);
    if (!isCancelled)
      this.#failure ??= explained instanceof CliError ? explained.kind : "unexpected";
    const text = explained instanceof Error ? explained.message : String(explained);
    this.#output.note(`${prefix}${isCancelled ? "cancelled" : text}`);
  }
}

function titleOf({ name, summary, isSubscription }: CatalogEntry): string {
  const kind = isSubscription ? " (subscription)" : "";
  return summary === "" ? `${name}${kind}` : `${name}${kind}: ${summary}`;
}
