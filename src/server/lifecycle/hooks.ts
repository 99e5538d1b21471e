import type { Auth } from "../../rpc/define/access.js";
import type { ConnectionHandle } from "../../rpc/define/create-rpc.js";
import type { NotificationSchemas } from "../../rpc/define/server-actions.js";
import { fireAndForget } from "../../runtime/application-code.js";
import type { Logger } from "../../runtime/logger.js";
import type { Connection } from "../connection/connection.js";

/**
 * What an application may want to hear of. Each hook may be asynchronous: nothing waits for it, or
 * reads what it returns. A hook that throws or rejects is logged as `hook.fail`, and changes
 * nothing.
 */
export interface HookOptions<Notifications extends NotificationSchemas = NotificationSchemas> {
  /** A socket was accepted; nobody has authenticated yet. */
  readonly connected?: (connection: ConnectionHandle<Notifications>) => unknown;
  /**
   * Somebody has authenticated. Not called for refreshes. The handle is good until that user logs
   * out.
   */
  readonly authenticated?: (connection: ConnectionHandle<Notifications>, auth: Auth) => unknown;
  /** The socket is closed, with this code. */
  readonly closed?: (connection: ConnectionHandle<Notifications>, code: number) => unknown;
}

/**
 * Its handles are made when they are asked for: an idle connection that no hook looks at has none.
 */
type HookedConnection = Pick<Connection, "handle" | "lastingHandle" | "auth">;

export class Hooks {
  readonly #options: HookOptions;
  readonly #log: Logger;

  constructor(options: HookOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
  }

  connected(connection: HookedConnection): void {
    const { connected } = this.#options;
    if (connected !== undefined) this.#run("connected", () => connected(connection.lastingHandle));
  }

  authenticated(connection: HookedConnection): void {
    const { authenticated } = this.#options;
    const { auth } = connection;
    if (authenticated !== undefined && auth !== null)
      this.#run("authenticated", () => authenticated(connection.handle, auth));
  }

  closed(connection: HookedConnection, code: number): void {
    const { closed } = this.#options;
    if (closed !== undefined) this.#run("closed", () => closed(connection.lastingHandle, code));
  }

  #run(hook: string, call: () => unknown): void {
    fireAndForget(call, (error) =>
      this.#log.error({ event: "hook.fail", err: error, hook }, "a hook failed"),
    );
  }
}
