export {
  type ClientCredentialsOptions,
  type CredentialsRequest,
  clientCredentials,
} from "./client-credentials.js";
export {
  type BrowserSession,
  createSession,
  type PasswordSession,
  type PasswordSessionOptions,
  type ProviderSession,
  type ProviderSessionOptions,
} from "./create-session.js";
export type { BoundClient, LoginTokenRequest } from "./login-session.js";
export type { ProviderLoginOptions, RedirectOptions } from "./provider-login.js";
export { LoginFailure, type LoginRefusal, type LoginState, type StepUp } from "./session-state.js";
