/** What a page may show of its session. Each change is a new object. */
export interface LoginState {
  /**
   * `loading`: it is not known yet whether somebody is signed in. `signed_in`, `signed_out`:
   * somebody is, nobody is.
   */
  readonly status: "loading" | "signed_in" | "signed_out";
  /** Whose session it is, the `sub` of its tokens; `null`: nobody's. */
  readonly subject: string | null;
  /** What the access token grants. */
  readonly scopes: readonly string[];
  /**
   * Why nobody is signed in: nobody was, `logout()` or another tab did it, or the login has ended.
   * `null` while somebody is.
   */
  readonly reason: "never" | "logout" | "ended" | null;
  /**
   * Whether a reload keeps the login. `false` where the issuer has not the option `cookie`, or the
   * option `storage` is `memory`.
   */
  readonly survivesReload: boolean;
  /**
   * What a method demands: a newer login (`maxAge`, seconds), or one of these classes
   * (`acrValues`). Ask for the password again, and call `login`. `null`: nothing.
   */
  readonly stepUp: StepUp | null;
}

/** A login that a method demands (RFC 9470). */
export interface StepUp {
  /** Classes of which the login must have one. */
  readonly acrValues: readonly string[];
  /** The greatest age of the login, seconds. */
  readonly maxAge: number | undefined;
}

/**
 * Why a login was refused. `setPassword`: `invalid_password_token`, which was used, replaced or has expired,
 * and `invalid_password`, which is too short or too long.
 */
export type LoginRefusal =
  | "invalid_credentials"
  | "invalid_password_token"
  | "invalid_password"
  | "too_many"
  | "unavailable"
  | "refused";

/** Rejects `login`, `setPassword` and `logout`. */
export class LoginFailure extends Error {
  override readonly name = "LoginFailure";
  /** What has happened, for programs. */
  readonly code: LoginRefusal;
  /** Milliseconds until the next try, with `too_many`. */
  readonly retryAfter: number | undefined;

  constructor(code: LoginRefusal, message: string, retryAfter?: number, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** An access token as the tabs hand it on. Times in milliseconds since 1970. */
export interface AccessToken {
  readonly token: string;
  readonly expiresAt: number;
  readonly subject: string;
  readonly scopes: readonly string[];
}

/** The page's address; `undefined` outside of pages, such as on a server that renders them. */
export function pageUrl(): string | undefined {
  return (globalThis.location as Location | undefined)?.href;
}

/** Whose a JWT is, by its own words; an opaque token tells nothing. */
export function subjectOf(token: string): string {
  try {
    const payload = token.split(".")[1]?.replace(/-/g, "+").replace(/_/g, "/") ?? "";
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === "string" ? sub : "";
  } catch {
    return "";
  }
}
