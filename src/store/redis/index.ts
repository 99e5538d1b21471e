export { type RedisStore, type RedisStoreOptions, redisStore } from "./redis-store.js";
export type { StoreLogger } from "./store-logger.js";
export { StoreUnavailable } from "./store-unavailable.js";
