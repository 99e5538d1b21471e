import type { ErrorReason } from "../../src/protocol/error-codes.js";
import type { EndReason } from "../../src/protocol/messages.js";
import type {
  AnyName,
  CallArgumentsNamed,
  CallPromise,
  CallResultNamed,
  MethodName,
  NotificationsOf,
  SubscriptionEvent,
  SubscriptionName,
  SubscriptionParams,
} from "../client-api.js";
import type { SocketConstructor } from "../transport/socket.js";
import { type MockCall, MockConnection, type MockServerOptions } from "./mock-connection.js";
import { MockSocket } from "./mock-socket.js";

/** What the function of a method gets besides the params. */
export interface MockContext<Errors = unknown> {
  /**
   * Makes an error to throw: one that the method declares, with its data, or one of jotwire's own,
   * such as `forbidden`.
   * @example throw error("OUT_OF_STOCK", { left: 2 });
   */
  error<Name extends (keyof Errors & string) | ErrorReason>(
    name: Name,
    data?: Name extends keyof Errors ? Errors[Name] : object,
  ): Error;
}

type ErrorsOf<Result> = Result extends CallPromise<unknown, infer Errors> ? Errors : unknown;
type MaybePromise<T> = T | Promise<T>;

/** Answers the calls of one method: gets its params, returns its result. */
export type MockMethod<App, Name extends string> = (
  params: CallArgumentsNamed<App, Name>[0],
  context: MockContext<ErrorsOf<CallResultNamed<App, Name>>>,
) => MaybePromise<Awaited<CallResultNamed<App, Name>>>;

/**
 * The events of one subscription: those that each subscriber gets at first, or an async generator.
 * `emit` sends further ones.
 */
export type MockSubscription<App, Name extends string> =
  | readonly SubscriptionEvent<App, Name>[]
  | ((params: SubscriptionParams<App, Name>) => AsyncIterable<SubscriptionEvent<App, Name>>);

/** Wire names, and what answers to them. What is left out answers `method_not_found`. */
export type MockHandlers<App> = {
  readonly [Name in MethodName<App>]?: MockMethod<App, Name>;
} & { readonly [Name in SubscriptionName<App>]?: MockSubscription<App, Name> };

/**
 * A server of which a front end's test knows no more than the type. {@link mockServer} makes it.
 */
export class MockServer<App> implements AsyncDisposable {
  /** For `createClient`. */
  readonly url = "ws://mock.test/rpc";
  /** For `createClient`: the class of its sockets. */
  readonly WebSocket: SocketConstructor;
  /** The calls of methods and subscriptions that have come, in order. */
  readonly calls: MockCall[] = [];
  readonly #connections = new Set<MockConnection>();
  #isDown = false;

  constructor(handlers: MockHandlers<App>, options: MockServerOptions) {
    const known = new Map<string, unknown>(Object.entries(handlers));
    for (const [name, handler] of known)
      if (typeof handler !== "function" && !Array.isArray(handler))
        throw new TypeError(
          `mockServer: ${name} must be a function, or for a subscription a list of events`,
        );
    const accept = (socket: MockSocket) => {
      if (this.#isDown) return false;
      const connection = new MockConnection(socket, known, options, (call) =>
        this.calls.push(call),
      );
      this.#connections.add(connection);
      socket.whenClosed = () => {
        connection.close();
        this.#connections.delete(connection);
      };
      socket.receive = (text) => connection.receive(text);
      return true;
    };
    this.WebSocket = class extends MockSocket {
      constructor(url: string) {
        super(url, accept);
      }
    };
  }

  /**
   * Sends an event to the subscribers of this name, or to those whose params `where` selects.
   * @example server.emit("prices", 42, ({ symbol }) => symbol === "BTC");
   */
  emit<Name extends SubscriptionName<App>>(
    name: Name,
    event: SubscriptionEvent<App, Name>,
    where: (params: SubscriptionParams<App, Name>) => boolean = () => true,
  ): void {
    for (const connection of this.#connections)
      connection.emit(name, event, where as (params: unknown) => boolean);
  }

  /** Ends the subscriptions of this name, as a server does: `forbidden`, `completed` … */
  end<Name extends SubscriptionName<App>>(name: Name, reason: EndReason = "completed"): void {
    for (const connection of this.#connections) connection.end(name, reason);
  }

  /** Sends a notification to all clients. */
  notify<
    Name extends unknown extends NotificationsOf<App>
      ? AnyName
      : keyof NotificationsOf<App> & string,
  >(
    name: Name,
    params: Name extends keyof NotificationsOf<App> ? NotificationsOf<App>[Name] : unknown,
  ): void {
    for (const connection of this.#connections) connection.notify(name, params);
  }

  /** Breaks all connections, and refuses new ones until `restore`. */
  drop(): void {
    this.#isDown = true;
    for (const connection of this.#connections) connection.socket.shut(1006, "");
  }

  /** Takes connections again. */
  restore(): void {
    this.#isDown = false;
  }

  /** Closes all connections, and takes no more. */
  async close(): Promise<void> {
    this.#isDown = true;
    for (const connection of this.#connections) connection.socket.shut(1001, "going_away");
  }

  /** As `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Makes a server for the tests of a front end, of which only the type is known. It runs in the page
 * or process of the test, without a port, and every token is good.
 * @throws TypeError if an answer is neither a function nor a list of events
 * @example
 * const server = mockServer<App>({
 *   "orders.list": () => [{ id: "o1" }],
 *   "orders.create": ({ sku }, { error }) => {
 *     throw error("OUT_OF_STOCK", { left: 0 });
 *   },
 *   prices: [41, 42],
 * });
 * const client = createClient<App>({ url: server.url, WebSocket: server.WebSocket });
 */
export function mockServer<App>(
  handlers: MockHandlers<App>,
  options: MockServerOptions = {},
): MockServer<App> {
  return new MockServer<App>(handlers, options);
}
