/** What of `jotwire/testing` runs in a browser. */

export type { MockCall, MockServerOptions } from "./mock-connection.js";
export {
  type MockContext,
  type MockHandlers,
  type MockMethod,
  type MockServer,
  type MockSubscription,
  mockServer,
} from "./mock-server.js";
