import { jsonLogger } from "jotwire";
import { createIssuer } from "jotwire/issuer";
import { redisStore } from "jotwire/redis";
import { publicUrl, redisUrl } from "./settings.js";

export const logger = jsonLogger("info");
export const store = redisStore({ url: redisUrl, prefix: "orders", logger });
/** With an identity provider of your own there is none: hand `auth: { issuer: "https://id.example.com", audience: "orders" }, store` to the server. */
export const issuer = await createIssuer({ issuer: publicUrl, audience: "orders", store, logger });
