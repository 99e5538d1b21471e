import { checkLogger, unfailingMethods } from "../runtime/application-code.js";
import { type Clock, systemClock } from "../runtime/clock.js";
import { isLoopback } from "../runtime/ip-address.js";
import { refuseUnknownOptions } from "../runtime/known-options.js";
import { type Logger, logLevels, silentLogger } from "../runtime/logger.js";
import type { Store } from "../store/store.js";
import {
  type Argon2Parameters,
  argon2Hasher,
  checkedParameters,
  type PasswordHasher,
  strictHasher,
} from "./password-hasher.js";

/** What `createIssuer` takes. Times in milliseconds. */
export interface IssuerOptions {
  /**
   * The `iss` of its tokens, and the URL at which it is reached: http or https, without query and
   * fragment (RFC 8414 §2).
   */
  readonly issuer: string;
  /** The `aud` of its tokens. */
  readonly audience: string;
  /** Users, families, keys. See `fileStore` and `memoryStore`. */
  readonly store: Store;
  /**
   * Life of an access token. At most 900_000 ms.
   * @default 300_000 ms (5 min)
   */
  readonly accessTokenTtl?: number;
  /**
   * Life of a refresh token that isn't used.
   * @default 7 days
   */
  readonly refreshIdleTtl?: number;
  /**
   * From a login to the next, however often it is refreshed.
   * @default 30 days
   */
  readonly refreshTtl?: number;
  /**
   * Time in which the token before the current one may come again, because a reply was lost. 0:
   * never.
   * @default 10_000 ms
   */
  readonly reuseWindow?: number;
  /**
   * How long one key signs. At least 3_600_000 ms (1 h).
   * @default 30 days
   */
  readonly keyRotationInterval?: number;
  /**
   * From the publication of a new key to its first signature, so that caches know it.
   * @default 600_000 ms (10 min), which is also the least
   */
  readonly keyPublishAhead?: number;
  /**
   * Failed logins of one address (IPv6: one /64) in a minute, whatever the accounts, before its
   * logins are refused. `Infinity`: no limit.
   * @default 20
   */
  readonly failedLoginsPerAddress?: number;
  /**
   * Logins, refreshes, revocations and client tokens, each, of one subject in a minute, over all
   * nodes; then 429. `Infinity`: no limit.
   * @default 300
   */
  readonly tokensPerSubject?: number;
  /**
   * Logins that one subject may have; one more ends the one that was not used for the longest time.
   * `Infinity`: no limit.
   * @default 1_000
   */
  readonly sessionsPerSubject?: number;
  /**
   * argon2id: memory in KiB and passes. Weaker ones are refused.
   * @default 19_456 and 2
   */
  readonly passwordHashing?: Partial<Argon2Parameters>;
  /**
   * A secret of at least 32 bytes, kept elsewhere than the store, that is mixed into every
   * password. Not to be changed later.
   * @default none
   */
  readonly pepper?: string | Uint8Array;
  /**
   * Origins whose pages may call the stand-alone `handler` (CORS).
   * @default none
   */
  readonly origins?: readonly string[];
  /**
   * Keeps the refresh tokens of pages in a cookie, which no script can read: answers to pages have
   * none in their body. Programs, which send no `Origin`, get theirs as before. Needs an `issuer`
   * with https, or on localhost.
   * @default false
   */
  readonly cookie?: boolean;
  /**
   * Where the issuer's log lines go.
   * @default silent
   */
  readonly logger?: Logger;
  /** Seams for tests; never set them in production. */
  readonly testing?: IssuerTesting;
}

/** What a test may put in the place of the machine. */
export interface IssuerTesting {
  /**
   * The issuer's time.
   * @default the machine's clocks
   */
  readonly clock?: Clock;
  /**
   * Hashes passwords. A cheap one makes tests fast, and guessing as well.
   * @default argon2id
   */
  readonly passwordHasher?: PasswordHasher;
}

/** The options, checked and complete. */
export interface IssuerSettings {
  readonly issuer: string;
  readonly audience: string;
  readonly store: Store;
  readonly accessTokenTtl: number;
  readonly refreshIdleTtl: number;
  readonly refreshTtl: number;
  readonly reuseWindow: number;
  readonly keyRotationInterval: number;
  readonly keyPublishAhead: number;
  readonly failedLoginsPerAddress: number;
  readonly tokensPerSubject: number;
  readonly sessionsPerSubject: number;
  readonly hasher: PasswordHasher;
  /** How many passwords may be hashed at once. */
  readonly hashingSlots: number;
  readonly origins: ReadonlySet<string>;
  readonly cookie: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

const issuerOptions = {
  ...{
    issuer: true,
    audience: true,
    store: true,
    accessTokenTtl: true,
    refreshIdleTtl: true,
    refreshTtl: true,
    reuseWindow: true,
  },
  ...{
    keyRotationInterval: true,
    keyPublishAhead: true,
    failedLoginsPerAddress: true,
    passwordHashing: true,
  },
  ...{
    tokensPerSubject: true,
    sessionsPerSubject: true,
    pepper: true,
    origins: true,
    cookie: true,
    logger: true,
    testing: true,
  },
} satisfies Record<keyof IssuerOptions, true>;
const testingOptions = { clock: true, passwordHasher: true } satisfies Record<
  keyof IssuerTesting,
  true
>;

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/**
 * The longest life an access token may be given, milliseconds: until then a revocation is
 * remembered, and a retired key is shown.
 */
export const longestAccessToken = 15 * minute;

const hashingMemory = 65_536; // 64 MiB, in KiB, for all passwords being hashed
const hashingSlots = 2;

/** Throws an Error that says which option is wrong, and what it may be. */
export function settingsOf(options: IssuerOptions): IssuerSettings {
  if (typeof options !== "object" || options === null)
    throw new TypeError("createIssuer needs options: { issuer, audience, store }");
  refuseUnknownOptions("createIssuer", options, issuerOptions);
  refuseUnknownOptions("testing", options.testing ?? {}, testingOptions);
  checkIssuerUrl(options.issuer);
  if (typeof options.audience !== "string" || options.audience === "")
    throw new Error("audience must be a string, such as the name of your API");
  if (typeof options.store !== "object")
    throw new Error('store is missing: fileStore(".jotwire"), or memoryStore() in tests');
  if (options.logger !== undefined) checkLogger(options.logger, logLevels);
  const parameters = checkedParameters(options.passwordHashing ?? {});
  const { clock = systemClock, passwordHasher } = options.testing ?? {};
  const refreshTtl = duration("refreshTtl", options.refreshTtl ?? 30 * day, minute, 400 * day);
  return {
    issuer: options.issuer,
    audience: options.audience,
    store: options.store,
    accessTokenTtl: duration(
      "accessTokenTtl",
      options.accessTokenTtl ?? 5 * minute,
      second,
      longestAccessToken,
    ),
    refreshIdleTtl: Math.min(
      duration("refreshIdleTtl", options.refreshIdleTtl ?? 7 * day, second, 400 * day),
      refreshTtl,
    ),
    refreshTtl,
    reuseWindow: duration("reuseWindow", options.reuseWindow ?? 10 * second, 0, minute),
    keyRotationInterval: duration(
      "keyRotationInterval",
      options.keyRotationInterval ?? 30 * day,
      hour,
      400 * day,
    ),
    keyPublishAhead: duration(
      "keyPublishAhead",
      options.keyPublishAhead ?? 10 * minute,
      10 * minute,
      day,
    ),
    failedLoginsPerAddress: count("failedLoginsPerAddress", options.failedLoginsPerAddress ?? 20),
    tokensPerSubject: count("tokensPerSubject", options.tokensPerSubject ?? 300),
    sessionsPerSubject: count("sessionsPerSubject", options.sessionsPerSubject ?? 1_000),
    hasher: passwordHasher
      ? strictHasher(passwordHasher, clock)
      : argon2Hasher(parameters, pepperBytes(options.pepper)),
    hashingSlots: Math.max(
      1,
      Math.min(hashingSlots, Math.floor(hashingMemory / parameters.memoryKiB)),
    ),
    origins: new Set(options.origins ?? []),
    cookie: checkedCookie(options),
    clock,
    logger: unfailingMethods(options.logger ?? silentLogger, logLevels),
  };
}

function duration(name: string, value: number, least: number, most: number): number {
  if (Number.isFinite(value) && value >= least && value <= most) return value;
  throw new Error(`${name} must be from ${least} to ${most} milliseconds, not ${value}`);
}

function count(name: string, value: number): number {
  if (value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && value >= 1))
    return value;
  throw new Error(
    `${name} must be a whole number from 1 up, not ${value}; Infinity means no limit`,
  );
}

/** Browsers take a cookie with `Secure` over TLS, and from this machine (Chromium, Firefox). */
function checkedCookie({ cookie = false, issuer }: IssuerOptions): boolean {
  if (typeof cookie !== "boolean") throw new Error("cookie must be true or false");
  const { protocol, hostname } = new URL(issuer);
  if (cookie && protocol !== "https:" && !isLoopback(hostname))
    throw new Error(
      `cookie: true needs an issuer with https, or on localhost, since browsers take no Secure cookie from ${issuer}; give the URL that browsers see, also behind a proxy`,
    );
  return cookie;
}

function checkIssuerUrl(issuer: string): void {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  const usable =
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    url.search === "" &&
    url.hash === "" &&
    url.username === "";
  if (!usable)
    throw new Error(
      `issuer must be a URL such as "https://id.example.com", without query and fragment, not ${JSON.stringify(issuer)}`,
    );
}

function pepperBytes(pepper: string | Uint8Array | undefined): Uint8Array | undefined {
  if (pepper === undefined) return undefined;
  const bytes = Buffer.from(pepper);
  if (bytes.length < 32)
    throw new Error(
      `pepper must have at least 32 bytes, not ${bytes.length}: openssl rand -base64 32`,
    );
  return bytes;
}
