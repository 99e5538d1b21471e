import type { CloseReason } from "../../protocol/close-codes.js";
import type { ConnectionHandle } from "../../rpc/define/handler-context.js";
import type { CloseDetails } from "./closing.js";

interface Target {
  readonly id: string;
  readonly remoteAddress: string;
  notify(name: string, params: unknown): void;
  close(reason: CloseReason, details?: CloseDetails): void;
  readonly subscriptions: { reauthorize(): Promise<void> };
}

/**
 * What the application is given of a connection. It does nothing any more once `isGood` says no.
 */
export function createHandle(
  target: Target,
  isGood: (handle: ConnectionHandle) => boolean,
): ConnectionHandle {
  const handle: ConnectionHandle = {
    id: target.id,
    remoteAddress: target.remoteAddress,
    notify(name, params) {
      if (isGood(handle)) target.notify(name, params);
    },
    kick() {
      if (isGood(handle)) target.close("kicked");
    },
    async reauthorize() {
      if (isGood(handle)) await target.subscriptions.reauthorize();
    },
  };
  return handle;
}
