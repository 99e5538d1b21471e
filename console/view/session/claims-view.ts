import { html } from "htm/preact";
import type { DecodedToken } from "../../model/session/decoded-token.js";
import { maskedValue } from "../../model/session/mask.js";
import { TimeView } from "../time-view.js";

interface ClaimsViewProps {
  /** Undefined: it is opaque, for the server alone to read. */
  readonly token: DecodedToken | undefined;
  readonly connectionId: string | undefined;
}

const meanings: ReadonlyMap<string, string> = new Map(
  Object.entries({
    iss: "issuer",
    sub: "subject",
    aud: "audience",
    exp: "expires",
    iat: "issued",
    nbf: "not before",
    jti: "token",
    sid: "session",
    client_id: "client",
  }),
);
const times: ReadonlySet<string> = new Set(["exp", "iat", "nbf", "auth_time"]);

/** What is in the access token; never the token itself. */
export function ClaimsView({ token, connectionId }: ClaimsViewProps) {
  const claims = Object.entries(token?.claims ?? {});
  return html`
    <section class="card claims" aria-labelledby="claims-title">
      <h2 id="claims-title">Token <small>${kindOf(token)}</small></h2>
      <dl>
        ${claims.map(
          ([name, value]) => html`
            <div key=${name}><dt title=${meanings.get(name) ?? name}>${name}</dt><dd>${told(name, value)}</dd></div>`,
        )}
        ${connectionId !== undefined && html`<div><dt title="The server made this id">connection</dt><dd>${connectionId}</dd></div>`}
      </dl>
    </section>
  `;
}

function kindOf(token: DecodedToken | undefined): string {
  const { alg, typ } = token?.header ?? {};
  if (typeof alg !== "string") return "Not a JWT";
  return typeof typ === "string" ? `${alg} · ${typ}` : alg;
}

function told(name: string, value: unknown): unknown {
  if (times.has(name) && typeof value === "number")
    return html`<${TimeView} at=${value * 1_000} />`;
  return typeof value === "string"
    ? String(maskedValue(value))
    : JSON.stringify(maskedValue(value));
}
