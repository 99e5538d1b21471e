/** For the tests of an application: its methods, its server and its tokens. */

export * from "../../client/mock/index.js";
export {
  type CallerOptions,
  caller,
  type PublishedEvent,
  type SentNotification,
  type TestCaller,
} from "./caller.js";
export { TestClock } from "./test-clock.js";
export type { TestNetwork } from "./test-network.js";
export {
  type TestClientOptions,
  type TestServer,
  type TestServerOptions,
  type TestUserOptions,
  testServer,
} from "./test-server.js";
export { type TestTokenOptions, testAuth, testToken } from "./test-token.js";
