/**
 * `rpc.sessions.*`: what an administrator may call, when the option `admin` names the scope. Times
 * are in seconds here, as everywhere on the wire.
 */

import type { Auth } from "../../rpc/define/access.js";
import type { MethodDefinition } from "../../rpc/define/declared-method.js";
import { noLayers } from "../../rpc/define/layers.js";
import { callEntry, type MethodEntry } from "../../rpc/define/registry.js";
import type { RevocationSelector, RevokeOptions } from "../../rpc/define/server-actions.js";
import type { Logger } from "../../runtime/logger.js";
import { type MemberRule, objectSchema } from "./object-schema.js";
import { type Revocations, selectorComplaint } from "./revocations.js";
import {
  type Administration,
  type KickSelector,
  kickComplaint,
  maxSessions,
  type SessionsOptions,
} from "./session-admin.js";
import type { SessionInfo } from "./session-info.js";

type WireRevocation = RevocationSelector & RevokeOptions & { readonly issuedBefore?: number };
interface AdminContext<Params> {
  readonly params: Params;
  readonly auth: Auth;
  readonly log: Logger;
}

const connection: MemberRule = { type: "string", description: "id of a connection" };
const subject: MemberRule = { type: "string", description: "the sub claim" };
const issuer: MemberRule = {
  type: "string",
  description: "the iss claim; without it those of all issuers",
};

const listParams = objectSchema<SessionsOptions>({
  ...{ connection, subject, issuer },
  limit: {
    type: "integer",
    minimum: 1,
    maximum: maxSessions,
    description: "most sessions in the answer",
  },
});
const kickParams = objectSchema<KickSelector>({ connection, subject, issuer }, kickComplaint);
const revokeParams = objectSchema<WireRevocation>(
  {
    ...{ subject, issuer },
    jti: { type: "string", description: "id of one token" },
    sessionId: { type: "string", description: "the sid claim" },
    issuedBefore: {
      type: "number",
      description: "with subject: only its tokens up to then, in seconds since 1970",
    },
    margin: {
      type: "number",
      minimum: 0,
      maximum: 86_400,
      description: "seconds in which live sessions may get another token",
    },
    reason: { type: "string", description: "for people and logs" },
  },
  selectorComplaint,
);

/** The administrator's methods, for callers with this scope. */
export function adminMethods(
  scope: string,
  administration: Administration,
  revocations: Revocations,
): readonly MethodEntry[] {
  const entry = (name: string, definition: Omit<MethodDefinition, "scope">) =>
    callEntry(name, { definition: { scope, ...definition }, layers: noLayers }, undefined);
  return [
    entry("rpc.sessions.list", {
      summary: "Who is connected, on all nodes",
      params: listParams,
      idempotent: true,
      async handler({ params }: AdminContext<SessionsOptions>) {
        const list = await administration.sessions(params);
        return { ...list, sessions: list.sessions.map(inSeconds) };
      },
    }),
    entry("rpc.sessions.kick", {
      summary: "Close a connection, or all of a subject (4403)",
      params: kickParams,
      handler: ({ params, auth, log }: AdminContext<KickSelector>) => {
        log.info({ event: "admin.kick", by: auth.subject, ...params }, "an administrator kicks");
        return administration.kick(params);
      },
    }),
    entry("rpc.sessions.revoke", {
      summary:
        "Refuse a token, a session or a subject's tokens, and close what lives by them (4401)",
      params: revokeParams,
      async handler({
        params: { margin = 0, reason, issuedBefore, ...rest },
        auth,
        log,
      }: AdminContext<WireRevocation>) {
        const selector = {
          ...rest,
          ...(issuedBefore === undefined ? {} : { issuedBefore: issuedBefore * 1_000 }),
        };
        log.info(
          { event: "admin.revoke", by: auth.subject, ...rest, issuedBefore, margin, reason },
          "an administrator revokes",
        );
        await revocations.revoke(selector, {
          margin: margin * 1000,
          ...(reason === undefined ? {} : { reason }),
        });
        return { ok: true };
      },
    }),
  ];
}

function inSeconds({ since, expiresIn, ...info }: SessionInfo) {
  return {
    ...info,
    since: since / 1_000,
    expiresIn: expiresIn === null ? null : expiresIn / 1_000,
  };
}
