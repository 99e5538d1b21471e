/**
 * Tokens in the shapes that identity providers issue, rebuilt from their public documentation: for
 * each page of docs/guides/providers one that its options accept, and those that they refuse.
 */
import type { TestAlgorithm } from "./tokens.js";
import { startOfTime } from "./verification.js";

type Members = Readonly<Record<string, unknown>>;

export interface TokenSample {
  readonly what: string;
  readonly header: Members;
  readonly claims: Members;
  /** Members that somebody has written differently than the page. */
  readonly mistake?: { readonly issuer: string };
}

export interface ProviderFixture {
  /** The page, and the file in it whose export `auth` has the options. */
  readonly page: string;
  readonly file: string;
  readonly algorithm: TestAlgorithm;
  /** Where the provider serves its key set. */
  readonly keySet: string;
  readonly accepted: TokenSample;
  readonly expected: {
    readonly subject: string;
    readonly scopes: readonly string[];
    readonly sessionId: string | undefined;
  };
  /** Samples, or texts that are no JWT at all. */
  readonly refused: readonly (TokenSample | { readonly what: string; readonly text: string })[];
}

const iat = startOfTime;
const kid = "test-key";
const rs256 = { alg: "RS256", kid };
const rs256Jwt = { ...rs256, typ: "JWT" };

function keycloak(): ProviderFixture {
  const issuer = "https://id.example.com/realms/shop";
  const common = {
    exp: iat + 300,
    iat,
    auth_time: iat - 5,
    iss: issuer,
    sub: "6f3c2b1a-9d8e-4f70-8a61-52b3c4d5e6f7",
    azp: "orders-web",
    sid: "0b1c2d3e-4f50-4162-8738-9405a6b7c8d9",
    acr: "1",
  };
  const claims = {
    ...common,
    jti: "onrtac:2f1e0d9c-8b7a-4695-8433-221100ffeedd",
    aud: ["orders", "account"],
    typ: "Bearer",
    "allowed-origins": ["https://shop.example.com"],
    realm_access: { roles: ["default-roles-shop", "offline_access", "uma_authorization"] },
    resource_access: {
      orders: { roles: ["orders:read"] },
      account: { roles: ["manage-account", "view-profile"] },
    },
    scope: "openid email profile",
    email_verified: true,
    preferred_username: "ada",
    email: "ada@example.com",
  };
  return {
    page: "keycloak",
    file: "auth.ts",
    algorithm: "RS256",
    keySet: `${issuer}/protocol/openid-connect/certs`,
    accepted: { what: "access token", header: rs256Jwt, claims },
    expected: {
      subject: common.sub,
      scopes: [
        ...["openid", "email", "profile", "default-roles-shop", "offline_access"],
        ...["uma_authorization", "orders:read"],
      ],
      sessionId: common.sid,
    },
    refused: [
      {
        what: "access token without an audience mapper",
        header: rs256Jwt,
        claims: { ...claims, aud: "account" },
      },
      {
        what: "ID token, for the API's own client",
        header: rs256Jwt,
        claims: { ...common, aud: "orders", typ: "ID", preferred_username: "ada" },
      },
      {
        what: "refresh token, which Keycloak signs with a secret of its own",
        header: { alg: "HS512", kid: "5c1d2e3f-4a5b-4c6d-8e7f-9a0b1c2d3e4f", typ: "JWT" },
        claims: { ...common, aud: issuer, typ: "Refresh", scope: "openid email profile" },
      },
    ],
  };
}

function auth0(): ProviderFixture {
  const issuer = "https://shop.eu.auth0.com/";
  const common = { iss: issuer, sub: "auth0|65f0a1b2c3d4e5f6a7b8c9d0", iat, exp: iat + 86_400 };
  const claims = {
    ...common,
    aud: ["https://orders.example.com", "https://shop.eu.auth0.com/userinfo"],
    scope: "openid profile email orders:read",
    azp: "kZ8yXr2q4VbN6mW1",
    permissions: ["orders:read", "orders:write"],
  };
  return {
    page: "auth0",
    file: "auth.ts",
    algorithm: "RS256",
    keySet: "https://shop.eu.auth0.com/.well-known/jwks.json",
    accepted: { what: "access token", header: rs256Jwt, claims },
    expected: {
      subject: common.sub,
      scopes: ["openid", "profile", "email", "orders:read", "orders:write"],
      sessionId: undefined,
    },
    refused: [
      {
        what: "access token, the issuer written without its slash",
        header: rs256Jwt,
        claims,
        mistake: { issuer: "https://shop.eu.auth0.com" },
      },
      {
        what: "ID token",
        header: rs256Jwt,
        claims: {
          ...common,
          aud: "kZ8yXr2q4VbN6mW1",
          sid: "AbCdEfGhIjKlMnOpQrStUvWx",
          nickname: "ada",
        },
      },
      {
        what: "encrypted token, without an audience",
        text: `${base64url({ alg: "dir", enc: "A256GCM", iss: issuer })}..aXZpdml2aXZpdg.Y2lwaGVydGV4dA.dGFndGFndGFn`,
      },
    ],
  };
}

const tenant = "8f1c3c52-9d6e-4c1f-9a53-0d9a0f6b7e21";
const entraApi = "2d4d11a2-f814-46a7-890a-274a72a7309e";

function entraClaims(tid: string): Members {
  return {
    aud: entraApi,
    iss: `https://login.microsoftonline.com/${tid}/v2.0`,
    iat,
    nbf: iat,
    exp: iat + 4_500,
    aio: "AWQAm/8XAAAAexample",
    azp: "0c9b8a7f-6e5d-4c3b-a291-807f6e5d4c3b",
    azpacr: "0",
    name: "Ada Lovelace",
    oid: "690222be-ff1a-4d56-abd1-7e4f7d38e474",
    preferred_username: "ada@shop.example.com",
    rh: "0.AAAAexample.",
    roles: ["Orders.Clerk"],
    scp: "orders.read",
    sid: "00a1b2c3-d4e5-4f60-8172-839405a6b7c8",
    sub: "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
    tid,
    uti: "fqiBqXLPj0eQa82S-IYFAA",
    ver: "2.0",
  };
}

function entra(): ProviderFixture {
  const { azp: _azp, azpacr: _azpacr, scp: _scp, ...identity } = entraClaims(tenant);
  return {
    page: "entra",
    file: "auth.ts",
    algorithm: "RS256",
    keySet: `https://login.microsoftonline.com/${tenant}/discovery/v2.0/keys`,
    accepted: { what: "access token", header: rs256Jwt, claims: entraClaims(tenant) },
    expected: {
      subject: "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
      scopes: ["orders.read", "Orders.Clerk"],
      sessionId: "00a1b2c3-d4e5-4f60-8172-839405a6b7c8",
    },
    refused: [
      {
        what: "access token of version 1",
        header: { ...rs256Jwt, x5t: kid },
        claims: {
          ...entraClaims(tenant),
          aud: `api://${entraApi}`,
          iss: `https://sts.windows.net/${tenant}/`,
          appid: "0c9b8a7f-6e5d-4c3b-a291-807f6e5d4c3b",
          appidacr: "0",
          ver: "1.0",
        },
      },
      {
        what: "access token for Microsoft Graph, as if its signature could be verified",
        header: rs256Jwt,
        claims: {
          ...entraClaims(tenant),
          aud: "00000003-0000-0000-c000-000000000000",
          scp: "User.Read profile openid email",
        },
      },
      { what: "ID token of a shared registration", header: rs256Jwt, claims: identity },
    ],
  };
}

const personalAccounts = "9188040d-6c67-4b21-9b3a-6e1fa2f4f3ad";

/** The page of one tenant, with a function in the place of its options. */
function entraMany(): ProviderFixture {
  const { azp: _azp, azpacr: _azpacr, scp: _scp, ...identity } = entraClaims(tenant);
  return {
    ...entra(),
    page: "entra-multi-tenant",
    refused: [
      {
        what: "access token of a personal account",
        header: rs256Jwt,
        claims: entraClaims(personalAccounts),
      },
      {
        what: "access token of version 1",
        header: { ...rs256Jwt, x5t: kid },
        claims: { ...entraClaims(tenant), iss: `https://sts.windows.net/${tenant}/`, ver: "1.0" },
      },
      {
        what: "access token for Microsoft Graph, as if its signature could be verified",
        header: rs256Jwt,
        claims: { ...entraClaims(tenant), aud: "00000003-0000-0000-c000-000000000000" },
      },
      { what: "ID token of a shared registration", header: rs256Jwt, claims: identity },
    ],
  };
}

function okta(): ProviderFixture {
  const issuer = "https://shop.okta.com/oauth2/default";
  const common = { ver: 1, iss: issuer, iat, exp: iat + 3_600, auth_time: iat - 60 };
  const claims = {
    ...common,
    jti: "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
    aud: "api://default",
    cid: "0oa1bcdefGHIJKLMN2p7",
    uid: "00u1abcdefGHIJKLMN2p7",
    scp: ["openid", "orders:read"],
    sub: "ada@example.com",
  };
  return {
    page: "okta",
    file: "auth.ts",
    algorithm: "RS256",
    keySet: `${issuer}/v1/keys`,
    accepted: { what: "access token", header: rs256, claims },
    expected: {
      subject: "ada@example.com",
      scopes: ["openid", "orders:read"],
      sessionId: undefined,
    },
    refused: [
      {
        what: "access token of the organization's server",
        header: { ...rs256, typ: "application/okta-internal-at+jwt" },
        claims: { ...claims, iss: "https://shop.okta.com", aud: "https://shop.okta.com" },
      },
      {
        what: "ID token",
        header: rs256,
        claims: {
          ...common,
          sub: "00u1abcdefGHIJKLMN2p7",
          aud: "0oa1bcdefGHIJKLMN2p7",
          jti: "ID.4eAWJOCMB3SX8XewDfVR",
          amr: ["pwd", "mfa"],
          idp: "00o1abcdefGHIJKLMN2p7",
          nonce: "n-0S6_WzA2Mj",
          at_hash: "preview_at_hash",
          preferred_username: "ada@example.com",
        },
      },
    ],
  };
}

function cognito(): ProviderFixture {
  const issuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_aB3dE5fG7";
  const common = {
    sub: "dd9a73fd-e785-4a13-aae1-e691ce43e89d",
    "cognito:groups": ["clerks"],
    iss: issuer,
    origin_jti: "6759d132-3fe7-446e-9e90-2fe7e8017893",
    event_id: "ec9c36ab-b01d-46a0-94e4-87fde6767065",
    auth_time: iat,
    exp: iat + 3_600,
    iat,
    jti: "b241614b-0b93-4bdc-96db-0a3c7061d9c0",
  };
  const claims = {
    ...common,
    version: 2,
    client_id: "6s1k2m3n4o5p6q7r8s9t0u1v2w",
    token_use: "access",
    scope: "openid orders/read",
    username: "ada",
  };
  return {
    page: "cognito",
    file: "auth.ts",
    algorithm: "RS256",
    keySet: `${issuer}/.well-known/jwks.json`,
    accepted: { what: "access token", header: rs256, claims },
    expected: {
      subject: common.sub,
      scopes: ["openid", "orders/read", "clerks"],
      sessionId: undefined,
    },
    refused: [
      {
        what: "ID token",
        header: rs256,
        claims: {
          ...common,
          aud: "6s1k2m3n4o5p6q7r8s9t0u1v2w",
          token_use: "id",
          "cognito:username": "ada",
          email: "ada@example.com",
          email_verified: true,
        },
      },
      {
        what: "access token of another app client",
        header: rs256,
        claims: { ...claims, client_id: "0a1b2c3d4e5f6g7h8i9j0k1l2m" },
      },
    ],
  };
}

function clerk(): ProviderFixture {
  const issuer = "https://clerk.shop.example.com";
  const claims = {
    azp: "https://shop.example.com",
    exp: iat + 60,
    fva: [3, -1],
    iat,
    iss: issuer,
    jti: "0a1b2c3d4e5f6a7b8c9d",
    nbf: iat - 10,
    o: { id: "org_2aBcDeFgHiJkLmNoPqRsTuVwXyZ", rol: "member", slg: "shop", per: "read", fpm: "1" },
    fea: "o:orders",
    pla: "u:free",
    scope: "orders:read",
    sid: "sess_2aBcDeFgHiJkLmNoPqRsTuVwXyZ",
    sts: "active",
    sub: "user_2aBcDeFgHiJkLmNoPqRsTuVwXyZ",
    v: 2,
  };
  const header = { ...rs256Jwt, cat: "cl_B7d4PD111AAA" };
  const { azp: _azp, ...withoutOrigin } = claims;
  return {
    page: "clerk",
    file: "auth.ts",
    algorithm: "RS256",
    keySet: `${issuer}/.well-known/jwks.json`,
    accepted: { what: "session token", header, claims },
    expected: { subject: claims.sub, scopes: ["orders:read"], sessionId: claims.sid },
    refused: [
      {
        what: "session token of another origin",
        header,
        claims: { ...claims, azp: "http://localhost:5173" },
      },
      { what: "session token without azp", header, claims: withoutOrigin },
    ],
  };
}

function supabase(): ProviderFixture {
  const issuer = "https://qwertyuiopasdfghjklz.supabase.co/auth/v1";
  const header = { alg: "ES256", kid, typ: "JWT" };
  const claims = {
    iss: issuer,
    sub: "2b8f1c3e-4d5a-4b6c-8d7e-9f0a1b2c3d4e",
    aud: "authenticated",
    exp: iat + 3_600,
    iat,
    email: "ada@example.com",
    phone: "",
    app_metadata: { provider: "email", providers: ["email"], roles: ["orders:read"] },
    user_metadata: { email_verified: true, roles: ["orders:admin"] },
    role: "authenticated",
    aal: "aal1",
    amr: [{ method: "password", timestamp: iat - 30 }],
    session_id: "5f6e7d8c-9b0a-4c1d-8e2f-3a4b5c6d7e8f",
    is_anonymous: false,
  };
  return {
    page: "supabase",
    file: "auth.ts",
    algorithm: "ES256",
    keySet: `${issuer}/.well-known/jwks.json`,
    accepted: { what: "access token", header, claims },
    expected: { subject: claims.sub, scopes: ["orders:read"], sessionId: undefined },
    refused: [
      {
        what: "the project's public key",
        header: { alg: "HS256", typ: "JWT" },
        claims: {
          iss: "supabase",
          ref: "qwertyuiopasdfghjklz",
          role: "anon",
          iat,
          exp: iat + 315_360_000,
        },
      },
      {
        what: "access token with another audience",
        header,
        claims: { ...claims, aud: "anonymous-visitors" },
      },
    ],
  };
}

function firebase(): ProviderFixture {
  const issuer = "https://securetoken.google.com/shop-1a2b3";
  const claims = {
    roles: ["orders:read"],
    iss: issuer,
    aud: "shop-1a2b3",
    auth_time: iat - 100,
    user_id: "Xk3mP9qR2sT5uV8wY1zA4bC7dE0f",
    sub: "Xk3mP9qR2sT5uV8wY1zA4bC7dE0f",
    iat,
    exp: iat + 3_600,
    email: "ada@example.com",
    email_verified: true,
    firebase: { identities: { email: ["ada@example.com"] }, sign_in_provider: "password" },
  };
  const serviceAccount = "firebase-adminsdk-x1y2z@shop-1a2b3.iam.gserviceaccount.com";
  return {
    page: "firebase",
    file: "auth.ts",
    algorithm: "RS256",
    keySet:
      "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
    accepted: { what: "ID token", header: rs256Jwt, claims },
    expected: { subject: claims.sub, scopes: ["orders:read"], sessionId: undefined },
    refused: [
      {
        what: "Google's ID token",
        header: rs256Jwt,
        claims: googleClaims({ nonce: "n-0S6_WzA2Mj" }),
      },
      {
        what: "ID token of another project",
        header: rs256Jwt,
        claims: {
          ...claims,
          iss: "https://securetoken.google.com/other-4c5d6",
          aud: "other-4c5d6",
        },
      },
      {
        what: "custom token of the Admin SDK",
        header: rs256Jwt,
        claims: {
          iss: serviceAccount,
          sub: serviceAccount,
          aud: "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit",
          iat,
          exp: iat + 3_600,
          uid: claims.sub,
        },
      },
    ],
  };
}

export const googleClient =
  "407408718192-a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6.apps.googleusercontent.com";

/** What "Sign in with Google" puts into an ID token. */
export function googleClaims(claims: Members = {}): Members {
  return {
    iss: "https://accounts.google.com",
    azp: googleClient,
    aud: googleClient,
    sub: "110169484474386276334",
    hd: "shop.example.com",
    email: "ada@shop.example.com",
    email_verified: true,
    nbf: iat - 300,
    name: "Ada Lovelace",
    iat,
    exp: iat + 3_600,
    jti: "3f2e1d0c9b8a796857463524130fedcba9876543",
    ...claims,
  };
}

function google(): ProviderFixture {
  return {
    page: "google",
    file: "auth.ts",
    algorithm: "RS256",
    keySet: "https://www.googleapis.com/oauth2/v3/certs",
    accepted: {
      what: "ID token of the button",
      header: rs256Jwt,
      claims: googleClaims({ nonce: "n-0S6_WzA2Mj" }),
    },
    expected: {
      subject: "110169484474386276334",
      scopes: ["orders:read"],
      sessionId: undefined,
    },
    refused: [
      { what: "access token", text: "ya29.a0AfB_byExampleExampleExampleExampleExample" },
      {
        what: "ID token of the code flow",
        header: rs256Jwt,
        claims: googleClaims({ at_hash: "HK6E_P6Dh8Y93mRNtsDB1Q" }),
      },
      {
        what: "ID token of another client",
        header: rs256Jwt,
        claims: googleClaims({
          aud: "918273645546-z9y8x7w6v5u4t3s2r1q0p9o8n7m6l5k4.apps.googleusercontent.com",
        }),
      },
    ],
  };
}

function gitlabJob(): ProviderFixture {
  const claims = {
    namespace_id: "72",
    namespace_path: "shop",
    project_id: "20",
    project_path: "shop/warehouse",
    user_id: "1",
    user_login: "ada",
    user_email: "ada@example.com",
    pipeline_id: "574",
    pipeline_source: "push",
    job_id: "302",
    ref: "main",
    ref_type: "branch",
    ref_path: "refs/heads/main",
    ref_protected: "true",
    runner_id: 1,
    runner_environment: "self-hosted",
    sha: "714a629c0b401fdce83e847fc9589983fc6f46bc",
    project_visibility: "private",
    ci_config_ref_uri: "gitlab.com/shop/warehouse//.gitlab-ci.yml@refs/heads/main",
    jti: "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
    iss: "https://gitlab.com",
    iat,
    nbf: iat - 5,
    exp: iat + 3_600,
    sub: "project_path:shop/warehouse:ref_type:branch:ref:main",
    aud: "https://orders.example.com",
  };
  return {
    page: "gitlab",
    file: "job.ts",
    algorithm: "RS256",
    keySet: "https://gitlab.com/oauth/discovery/keys",
    accepted: { what: "ID token of a job", header: rs256Jwt, claims },
    expected: { subject: claims.sub, scopes: ["orders:import"], sessionId: undefined },
    refused: [
      {
        what: "ID token of a job with another audience",
        header: rs256Jwt,
        claims: { ...claims, aud: "https://vault.example.com" },
      },
      {
        what: "ID token of a user's login",
        header: rs256Jwt,
        claims: {
          iss: "https://gitlab.com",
          sub: "1",
          aud: "https://orders.example.com",
          exp: iat + 120,
          iat,
          auth_time: iat - 60,
          nonce: "n-0S6_WzA2Mj",
          sub_legacy: "fd7e61a3d9b2",
          preferred_username: "ada",
          groups_direct: ["shop"],
        },
      },
    ],
  };
}

function uaa(): ProviderFixture {
  const base = "https://shop.authentication.eu10.hana.ondemand.com";
  const header = {
    ...rs256Jwt,
    jku: `${base}/token_keys`,
    jid: "x2L8f1Qe7c0yq0K2m3N4o5P6q7R8s9T0u1V2w3X4y5Z=",
  };
  const common = {
    jti: "9e960c24292c4d26b57575f1a7f2572a",
    sub: "d1667250-360b-4fd5-a7fb-a61306f48f46",
    iss: `${base}/oauth/token`,
    iat,
    exp: iat + 43_200,
    cid: "sb-orders!t4711",
    client_id: "sb-orders!t4711",
    zid: "0e71b214-4c0e-47e0-9ca1-7c4a892dcea9",
    origin: "sap.default",
    user_name: "ada@example.com",
    user_id: "d1667250-360b-4fd5-a7fb-a61306f48f46",
    rev_sig: "375e73ab",
  };
  const claims = {
    ...common,
    aud: ["openid", "sb-orders!t4711", "orders!t4711"],
    azp: "sb-orders!t4711",
    auth_time: iat - 20,
    grant_type: "authorization_code",
    email: "ada@example.com",
    ext_attr: { enhancer: "XSUAA", subaccountid: common.zid, zdn: "shop" },
    scope: ["orders!t4711.Read", "openid"],
    "xs.system.attributes": { "xs.rolecollections": ["Order Clerk"] },
    "xs.user.attributes": {},
  };
  return {
    page: "uaa",
    file: "auth.ts",
    algorithm: "RS256",
    keySet: `${base}/token_keys`,
    accepted: { what: "access token", header, claims },
    expected: { subject: common.sub, scopes: ["Read", "openid"], sessionId: undefined },
    refused: [
      {
        what: "access token of another application",
        header,
        claims: {
          ...claims,
          cid: "sb-billing!t4711",
          client_id: "sb-billing!t4711",
          azp: "sb-billing!t4711",
          aud: ["sb-billing!t4711", "billing!t4711", "uaa"],
          scope: ["billing!t4711.Read", "uaa.resource"],
        },
      },
      {
        what: "refresh token",
        header,
        claims: {
          ...common,
          jti: `${common.jti}-r`,
          aud: ["openid", "sb-orders!t4711", "orders!t4711"],
          granted_scopes: ["orders!t4711.Read", "openid"],
          grant_type: "authorization_code",
        },
      },
    ],
  };
}

function betterAuth(): ProviderFixture {
  const issuer = "https://shop.example.com";
  const claims = {
    scope: "orders:read",
    iat,
    sub: "Xy7pQ2rS9tU4vW1xZ8aB3cD6eF5gH0iJ",
    exp: iat + 900,
    iss: issuer,
    aud: "https://orders.example.com",
  };
  const header = { alg: "EdDSA", kid };
  return {
    page: "better-auth",
    file: "auth.ts",
    algorithm: "EdDSA",
    keySet: `${issuer}/api/auth/jwks`,
    accepted: { what: "JWT of the plugin", header, claims },
    expected: { subject: claims.sub, scopes: ["orders:read"], sessionId: undefined },
    refused: [
      { what: "JWT without an audience of its own", header, claims: { ...claims, aud: issuer } },
      {
        what: "session token",
        text: "kP3nV8xQ1zR6tY4uW9sA2dF5gH7jL0cB.mN5bV2cX8zL1kJ4hG7fD0sA3pO6iU9yT%2FrE%3D",
      },
    ],
  };
}

function authentik(): ProviderFixture {
  const issuer = "https://id.example.com/application/o/orders/";
  const identity = {
    iss: issuer,
    sub: "9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a0",
    aud: "pX4rT7yU2iO9aS5dF8gH1jK3",
    exp: iat + 300,
    iat,
    auth_time: iat - 3,
    acr: "goauthentik.io/providers/oauth2/default",
    amr: ["pwd"],
    nonce: "n-0S6_WzA2Mj",
    sid: "1f2e3d4c5b6a798897a6b5c4d3e2f1001f2e3d4c5b6a798897a6b5c4d3e2f100",
    name: "Ada Lovelace",
    preferred_username: "ada",
    groups: ["orders:read"],
  };
  return {
    page: "authentik",
    file: "auth.ts",
    algorithm: "RS256",
    keySet: `${issuer}jwks/`,
    accepted: {
      what: "access token",
      header: rs256Jwt,
      claims: { ...identity, azp: identity.aud, uid: "yZ4xW7vU0tS3rQ6pO9nM2lK5jI8hG1fE4dC7bA0" },
    },
    expected: { subject: identity.sub, scopes: ["orders:read"], sessionId: identity.sid },
    refused: [
      {
        what: "access token, the issuer written without its slash",
        header: rs256Jwt,
        claims: identity,
        mistake: { issuer: "https://id.example.com/application/o/orders" },
      },
      { what: "ID token", header: rs256Jwt, claims: identity },
    ],
  };
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** A fixture for each page whose options verify JWTs. */
export const providerFixtures: readonly ProviderFixture[] = [
  ...[
    keycloak(),
    auth0(),
    entra(),
    entraMany(),
    okta(),
    cognito(),
    clerk(),
    supabase(),
    firebase(),
  ],
  ...[google(), gitlabJob(), uaa(), betterAuth(), authentik()],
];
