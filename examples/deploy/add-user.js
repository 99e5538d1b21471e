/** `node add-user.js ada orders:read`: the password is read from standard input. */
import { text } from "node:stream/consumers";
import { issuer, store } from "./identity.js";

const [, , name, ...scopes] = process.argv;
await issuer.users.add(name, (await text(process.stdin)).trimEnd(), { scopes });
await store.close();
