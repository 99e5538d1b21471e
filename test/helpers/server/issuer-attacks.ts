/** Attacks on the endpoints of an embedded issuer, without end, as fast as it answers. */
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import type { Attack } from "./attack.js";

type Fields = Readonly<Record<string, string>>;

/** Where a request comes from. */
interface Source {
  /** What a browser says of the page. */
  readonly headers?: Fields;
  readonly localAddress?: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
const burst = 64; // logins at the same time
const wrongPassword = "not the right password";

/** `count`: hears of each answer, by path and status. */
export function issuerAttacks(
  { url, account = { username: "", password: "" }, addresses = 1 }: Attack,
  count: (answer: string) => void,
) {
  const ask = async (path: string, fields: Fields, source?: Source): Promise<Fields> => {
    const { status, body } = await post(
      new URL(path, url.replace(/^ws/, "http")),
      fields,
      source,
    ).catch(({ code }: NodeJS.ErrnoException) => ({ status: code, body: {} as Fields }));
    count(`${path} ${status}`);
    return body;
  };
  const refresh = (token = "") =>
    ask("/token", { grant_type: "refresh_token", refresh_token: token });

  return {
    async rightLogins() {
      for (;;) await Promise.all(Array.from({ length: burst }, () => ask("/login", account)));
    },
    /** What a browser sends for a page that its user visits. */
    async foreignForms() {
      const headers = { Origin: "https://evil.example", "Sec-Fetch-Site": "cross-site" };
      const form = { username: account.username, password: wrongPassword };
      for (;;) await ask("/login", form, { headers });
    },
    /** Of another user each. */
    async refusedLogins(index: number) {
      const localAddress = `127.0.1.${1 + (index % addresses)}`;
      for (let n = 0; ; n++)
        await ask(
          "/login",
          { username: `nobody-${index}-${n}`, password: wrongPassword },
          { localAddress },
        );
    },
    async refreshChain() {
      let { refresh_token: token } = await ask("/login", account);
      for (;;) token = (await refresh(token)).refresh_token ?? token;
    },
    /** Each access token of a chain, and the last one again and again. */
    async revokeChain() {
      let tokens = await ask("/login", account);
      for (;;) {
        await ask("/revoke", { token: tokens.access_token ?? "" });
        tokens = { ...tokens, ...(await refresh(tokens.refresh_token)) };
      }
    },
  };
}

async function post(
  url: URL,
  fields: Fields,
  { headers, localAddress }: Source = {},
): Promise<{ readonly status: number | undefined; readonly body: Fields }> {
  const asked = request(url, {
    method: "POST",
    agent,
    headers: { ...headers, "Content-Type": "application/x-www-form-urlencoded" },
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  asked.end(String(new URLSearchParams(fields)));
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) };
}
