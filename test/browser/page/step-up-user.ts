/**
 * A page that logs in at an identity provider in a window of its own, and again when a method needs
 * a stronger login.
 */
import { type Client, createClient } from "../../../client/browser.js";
import type { StepUpUser } from "../../helpers/client/step-up-user.js";

interface Login {
  readonly prompt?: "none";
  readonly acr_values?: string;
  readonly max_age?: string;
}

const provider = new URLSearchParams(location.search).get("provider") ?? "";
const callback = `${location.origin}/callback`;
const tokenCalls: object[] = [];
const states: string[] = [];
const ticks: unknown[] = [];
let client: Client | undefined;

const base64url = (bytes: ArrayBuffer | Uint8Array) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

/** The code that the login's window brings back; rejects if its user closes it. */
function codeOf(popup: Window): Promise<string> {
  return new Promise((resolve, reject) => {
    const look = setInterval(() => popup.closed && end(() => reject(new Error("closed"))), 50);
    const hear = ({ source, origin, data }: MessageEvent) => {
      if (source === popup && origin === location.origin) end(() => resolve(String(data)));
    };
    const end = (then: () => void) => {
      clearInterval(look);
      removeEventListener("message", hear);
      popup.close();
      then();
    };
    addEventListener("message", hear);
  });
}

/** Authorization code with PKCE (RFC 7636). */
async function logIn(login: Login): Promise<string> {
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const asked = new URLSearchParams({
    client_id: "page",
    response_type: "code",
    scope: "openid numbers:add",
    redirect_uri: callback,
    code_challenge: base64url(digest),
    code_challenge_method: "S256",
    ...login,
  });
  const popup = window.open(`${provider}/auth?${asked}`, "_blank", "popup");
  if (popup === null) throw new Error("no window");
  const answer = await fetch(`${provider}/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code: await codeOf(popup),
      client_id: "page",
      redirect_uri: callback,
      code_verifier: verifier,
    }),
  });
  const { access_token } = (await answer.json()) as { readonly access_token?: string };
  if (access_token === undefined) throw new Error(`the token endpoint answered ${answer.status}`);
  return access_token;
}

const user: StepUpUser = {
  open() {
    client = createClient({
      url: `ws://${location.host}/rpc`,
      tokenTimeout: Number.POSITIVE_INFINITY, // a login takes as long as its user
      async token({ reason, acrValues, maxAge }) {
        tokenCalls.push({ reason, acrValues, maxAge });
        return logIn({
          ...(acrValues === undefined ? {} : { acr_values: acrValues.join(" ") }),
          ...(maxAge === undefined ? {} : { max_age: String(maxAge) }),
        });
      },
    });
    client.on("state", ({ to }) => states.push(to));
    void (async () => {
      for await (const tick of client?.subscribe("ticks") ?? []) ticks.push(tick);
    })();
  },
  call: async (name: string, params?: unknown) => {
    try {
      return { result: await client?.call(name, params) };
    } catch (error) {
      const { code, data } = error as { readonly code: unknown; readonly data?: unknown };
      return { code, data };
    }
  },
  notes: () => ({ states, tokenCalls, ticks, state: client?.state }),
};

if (location.pathname === "/callback") {
  opener.postMessage(new URLSearchParams(location.search).get("code"), location.origin);
} else Object.assign(globalThis, { user });
