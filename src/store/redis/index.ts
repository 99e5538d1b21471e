export type { Logger } from "../../runtime/logger.js";
export { StoreUnavailableError } from "./connection/store-unavailable.js";
export { type RedisStore, type RedisStoreOptions, redisStore } from "./redis-store.js";
