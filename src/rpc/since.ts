import { standardError } from "../protocol/error-codes.js";
import { type Params, type Position, sinceMember } from "../protocol/messages.js";
import { Halt } from "./dispatch/call.js";

/** The params of a subscription's call, and the position that came with them. */
export interface Since {
  readonly params?: Params;
  readonly since?: Position;
}

/** Takes the reserved member `$since` out of the params. Throws {@link Halt} when it is no position. */
export function splitSince(params: Params | undefined): Since {
  if (params === undefined) return {};
  if (Array.isArray(params) || !Object.hasOwn(params, sinceMember)) return { params };
  const { [sinceMember]: since, ...rest } = params as Readonly<Record<string, unknown>>;
  if (since === null || since === undefined) return { params: rest };
  const { epoch, offset } = Object(since) as Partial<Position>;
  if (typeof epoch === "string" && Number.isSafeInteger(offset) && (offset as number) >= 0)
    return { params: rest, since: { epoch, offset: offset as number } };
  const message = '"$since" must be {"epoch": string, "offset": number}, as the server told them';
  throw new Halt(standardError("invalidParams", { issues: [{ path: [sinceMember], message }] }));
}
