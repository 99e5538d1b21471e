/** The client for browsers, and for any platform that has a WebSocket of its own. */

export { type Client, createClient, type LiveArguments } from "./full-client.js";
export * from "./index.js";
export type { LiveOptions, LiveStep } from "./subscriptions/live.js";
