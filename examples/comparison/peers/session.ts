/**
 * The login of a program, for all five clients: it keeps the tokens and renews them. In a page
 * `createSession` of jotwire/session does it.
 */

/** The login is over: only a new one helps. */
export class SignedOutError extends Error {}

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
}

// region: session
export class Session {
  readonly #url: string;
  #refreshToken = "";
  #accessToken = "";
  #renewAt = 0;
  #renewal: Promise<string> | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  async login(username: string, password: string): Promise<void> {
    this.#keep(await this.#post("login", { username, password }));
  }

  async signOutEverywhere(): Promise<void> {
    await this.#post("logout", { refresh_token: this.#refreshToken, everywhere: true });
  }

  /** A token that is good for some time. Throws `SignedOutError` where the login is over. */
  async token(force = false): Promise<string> {
    if (!force && Date.now() < this.#renewAt) return this.#accessToken;
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  /** The server no longer takes the access token: the next one has to be asked for. */
  expire(): void {
    this.#renewAt = 0;
  }

  async #renew(): Promise<string> {
    const grant = { grant_type: "refresh_token", refresh_token: this.#refreshToken };
    return this.#keep(await this.#post("token", grant));
  }

  #keep(tokens: Tokens): string {
    this.#refreshToken = tokens.refresh_token;
    this.#accessToken = tokens.access_token;
    this.#renewAt = Date.now() + tokens.expires_in * 900;
    return this.#accessToken;
  }

  async #post(path: string, body: object): Promise<Tokens> {
    const answer = await fetch(`${this.#url}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (answer.status === 400 || answer.status === 401) throw new SignedOutError("signed out");
    if (!answer.ok) throw new Error(`/${path} answered ${answer.status}`);
    return (await answer.json().catch(() => ({}))) as Tokens;
  }
}
// endregion
