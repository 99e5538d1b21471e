import type { Method } from "../open-rpc.js";

/** What to type in wscat; the access token is not in it. */
export function wscatOf(url: string, method: Method, params: unknown): string {
  const request = JSON.stringify({ jsonrpc: "2.0", id: 2, method: method.name, params });
  const authenticate =
    '{"jsonrpc":"2.0","id":1,"method":"authenticate","params":{"token":"<access token>"}}';
  const lines = method.isPublic ? [request] : [authenticate, request];
  return [`npx wscat -c ${quoted(url)}`, "# then type:", ...lines, ""].join("\n");
}

/** The same call with the SDK. */
export function sdkCodeOf(url: string, method: Method, params: unknown): string {
  const args = [method.name, ...(params === undefined ? [] : [params])]
    .map((argument) => JSON.stringify(argument, null, 2))
    .join(", ");
  const use = method.isSubscription
    ? `for await (const event of client.subscribe(${args})) console.log(event);`
    : `console.log(await client.call(${args}));`;
  return [
    'import { createClient } from "jotwire/client";',
    "",
    `const client = createClient({ url: ${JSON.stringify(url)}, token: () => accessToken });`,
    use,
    "",
  ].join("\n");
}

/** An argument for a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
