import { AuthStopError, type TokenRequest } from "../../../client/index.js";
import { type TokenEndpoint, TokenRefusal, type Tokens } from "./token-endpoint.js";

/** The tokens of one login, and the SDK's `token()` that gives them. */
export class Credentials {
  /** `true`: no new token is given, so that the session expires. */
  isHeld = false;
  #tokens: Tokens;
  readonly #endpoint: TokenEndpoint | undefined;
  readonly #changed: (tokens: Tokens) => void;

  /** `changed` hears of each token that came after the first. */
  constructor(
    tokens: Tokens,
    endpoint: TokenEndpoint | undefined,
    changed: (tokens: Tokens) => void,
  ) {
    this.#tokens = tokens;
    this.#endpoint = endpoint;
    this.#changed = changed;
  }

  get tokens(): Tokens {
    return this.#tokens;
  }

  /** Can it get a new token by itself? */
  get isRenewable(): boolean {
    return this.#endpoint !== undefined && this.#tokens.refresh !== undefined;
  }

  /** Takes a renewed access token that a person pasted. */
  paste(access: string): void {
    this.#take({ ...this.#tokens, access });
  }

  /** `isLive`: is there a session that a failure must not end? */
  async give(
    { force, previous, signal }: TokenRequest,
    isLive: () => boolean,
  ): Promise<string | null> {
    const { access, refresh } = this.#tokens;
    if (!force || access !== previous) return access;
    if (this.isHeld) throw new Error("Auto-refresh is paused");
    if (this.#endpoint === undefined || refresh === undefined) {
      // it is good until it expires
      if (isLive()) throw new Error("A pasted token can't be refreshed: paste another one");
      throw new AuthStopError("The server rejected the pasted token");
    }
    try {
      this.#take(await this.#endpoint.refresh(refresh, signal));
    } catch (error) {
      if (error instanceof TokenRefusal) throw new AuthStopError(error.message);
      throw error;
    }
    return this.#tokens.access;
  }

  #take(tokens: Tokens): void {
    this.#tokens = tokens;
    this.#changed(tokens);
  }
}
