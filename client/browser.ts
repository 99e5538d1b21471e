/** The client for browsers, and for any platform that has a WebSocket of its own. */
export * from "./index.js";
export { type Client, createClient, type LiveArguments } from "./live-client.js";
export type { LiveOptions, LiveStep } from "./subscriptions/live.js";
