/** What the tests use of oidc-provider, which brings no types. */
declare module "oidc-provider" {
  import type { IncomingMessage, ServerResponse } from "node:http";

  interface Interaction {
    readonly params: Readonly<Record<string, unknown>>;
  }

  interface PolicyContext {
    readonly oidc: {
      readonly params: Readonly<Record<string, unknown>>;
      readonly session: { readonly acr?: string };
    };
  }

  export class Provider {
    constructor(issuer: string, configuration: object);
    callback(): (request: IncomingMessage, response: ServerResponse) => void;
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>;
    interactionFinished(
      request: IncomingMessage,
      response: ServerResponse,
      result: object,
    ): Promise<void>;
  }

  class Check {
    constructor(reason: string, description: string, check: (context: PolicyContext) => boolean);
  }

  export const interactionPolicy: {
    readonly Check: typeof Check;
    base(): {
      remove(prompt: string): void;
      get(prompt: string): { readonly checks: { add(check: Check): void } };
    };
  };
}
