import {
  type AccessToken,
  LoginFailure,
  type LoginRefusal,
  pageUrl,
  subjectOf,
} from "./session-state.js";

const timeoutMs = 5_000; // a lost answer may be asked for again for 10 s

interface Answer {
  readonly access_token?: unknown;
  readonly refresh_token?: unknown;
  readonly expires_in?: unknown;
  readonly scope?: unknown;
  readonly error?: unknown;
  readonly error_description?: unknown;
}

/** The embedded issuer's endpoints, as a page uses them. */
export class PasswordLogin {
  readonly #url: string;
  /** Where the issuer keeps it in no cookie. */
  #refreshToken: string | undefined;
  #hasCookie = true;

  /** `url`: the issuer's. */
  constructor(url: string) {
    this.#url = url.replace(/\/$/, "");
  }

  survivesReload(): boolean {
    return this.#hasCookie;
  }

  forget(): void {
    this.#refreshToken = undefined;
  }

  login(username: string, password: string): Promise<AccessToken> {
    return this.#signIn("/login", { username, password }, "invalid_credentials");
  }

  /** Sets the password of whom a token of an invitation or reset names. */
  setPassword(passwordToken: string, password: string): Promise<AccessToken> {
    return this.#signIn(
      "/password",
      { password_token: passwordToken, password },
      "invalid_password_token",
    );
  }

  async #signIn(
    path: string,
    form: Readonly<Record<string, string>>,
    refusal: LoginRefusal,
  ): Promise<AccessToken> {
    const { status, answer, retryAfter } = await this.#ask(path, form);
    if (status === 200) return this.#taken(answer);
    const text = textOf(answer);
    if (answer.error === "invalid_grant") throw new LoginFailure(refusal, text);
    if (answer.error === "invalid_password") throw new LoginFailure("invalid_password", text);
    if (status === 429) throw new LoginFailure("too_many", text, retryAfter);
    throw new LoginFailure(status >= 500 ? "unavailable" : "refused", text);
  }

  async renew(signal: AbortSignal | undefined): Promise<AccessToken | null> {
    const form = { grant_type: "refresh_token", ...this.#own() };
    const { status, answer } = await this.#ask("/token", form, signal);
    if (status === 200) return this.#taken(answer);
    // a proxy's 400 says nothing about the login
    if (status === 400 && typeof answer.error === "string") {
      // the issuer keeps no cookie, and this page has no refresh token (any more)
      if (answer.error === "invalid_request") this.#hasCookie = false;
      return null;
    }
    throw new LoginFailure("unavailable", textOf(answer));
  }

  async logout(everywhere: boolean): Promise<"logout"> {
    const form = { everywhere: String(everywhere), ...this.#own() };
    const { status, answer } = await this.#ask("/logout", form);
    if (status === 200) return "logout";
    const isOver = status === 400 && answer.error === "invalid_grant";
    if (isOver && !everywhere) return "logout";
    // of a login that is over nobody knows whose the others are
    throw new LoginFailure(isOver ? "refused" : "unavailable", textOf(answer));
  }

  #own(): { readonly refresh_token?: string } {
    return this.#refreshToken === undefined ? {} : { refresh_token: this.#refreshToken };
  }

  #taken({ access_token, refresh_token, expires_in, scope }: Answer): AccessToken {
    if (typeof access_token !== "string" || typeof expires_in !== "number")
      throw new LoginFailure("refused", `${this.#url} gave no access token`);
    this.#hasCookie = typeof refresh_token !== "string";
    this.#refreshToken = typeof refresh_token === "string" ? refresh_token : undefined;
    return {
      token: access_token,
      expiresAt: Date.now() + expires_in * 1_000,
      subject: subjectOf(access_token),
      scopes: typeof scope === "string" ? scope.split(" ").filter(Boolean) : [],
    };
  }

  async #ask(
    path: string,
    form: Readonly<Record<string, string>>,
    given?: AbortSignal,
  ): Promise<{ status: number; answer: Answer; retryAfter: number }> {
    const url = this.#url + path;
    const page = pageUrl();
    if (page === undefined && !isAbsolute(url))
      throw new TypeError(
        'createSession has no page whose origin it could ask; give it the issuer\'s "url"',
      );
    const isOwn = page === undefined || new URL(url).origin === location.origin;
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(url, {
        method: "POST",
        body: new URLSearchParams(form),
        credentials: isOwn ? "same-origin" : "include",
        keepalive: true, // a page that is left must not lose the next cookie
        signal: given === undefined ? limit : AbortSignal.any([given, limit]),
      });
      const retryAfter = Number(response.headers.get("retry-after") ?? 0) * 1_000;
      return { status: response.status, answer: await jsonOf(response), retryAfter };
    } catch (error) {
      given?.throwIfAborted();
      const hint = isOwn
        ? ""
        : `; pages of another origin need the issuer's options cookie: true and origins: ["${location.origin}"]`;
      throw new LoginFailure("unavailable", `${url} did not answer${hint}`, undefined, error);
    }
  }
}

function isAbsolute(url: string): boolean {
  return /^https?:/i.test(url);
}

async function jsonOf(response: Response): Promise<Answer> {
  try {
    return Object(JSON.parse(await response.text())) as Answer;
  } catch {
    return {}; // a proxy's page
  }
}

function textOf({ error_description, error }: Answer): string {
  return String(error_description ?? error ?? "the issuer gave no answer that can be read");
}
