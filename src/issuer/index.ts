export type { IssuerPort, IssuerRequestContext } from "../auth/issuer-port.js";
export type { RenewedTokens } from "../auth/provider-options.js";
export { type TokenRefusedCode, TokenRefusedError } from "../auth/refusal.js";
export type { Revocation } from "../auth/revocation/revocation.js";
export type { Logger } from "../runtime/logger.js";
export { type FileStoreOptions, fileStore } from "../store/file/file-store.js";
export { memoryStore } from "../store/memory/memory-store.js";
export type { Store } from "../store/store.js";
export type { Client, ClientDirectory, NewClient } from "./accounts/client-directory.js";
export { LoginError, type LoginErrorCode } from "./accounts/login-error.js";
export type {
  Invitation,
  NewUser,
  PasswordReset,
  UpdateOptions,
  User,
  UserChange,
} from "./accounts/user.js";
export type { UserDirectory } from "./accounts/user-directory.js";
export { createIssuer, type Issuer } from "./create-issuer.js";
export type { IssuerOptions } from "./issuer-options.js";
export type { Argon2Parameters, PasswordHasher } from "./password-hasher.js";
export type { TokenSet } from "./tokens/grants.js";
