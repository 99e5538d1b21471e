import { createRpc } from "../../../src/index.js";
import type { Route } from "../../../src/protocol/contract.js";
import type { StandardSchema } from "../../../src/protocol/standard-schema.js";
import type { Answer, DeclaredRule } from "./authorization-reference.js";

interface Numbered {
  readonly number: number;
  /** What its schema has added. */
  readonly isChecked?: true;
}

interface Caller {
  readonly subject: string;
  readonly scopes: readonly string[];
}

/** Anything but `true` is a no. */
const nos: readonly unknown[] = [false, undefined, null, 0, 1, "true", {}, [true]];

/** An application of declared rules, which writes down what of it ran. */
export class RuledApplication {
  /** Number of the call, which function, and for whom. */
  readonly runs: string[] = [];
  /** Questions that are out, by call, function and number: each settles when it is called. */
  readonly out = new Map<string, () => void>();
  #nos = 0;
  readonly #waits = new Map<number, number>();
  readonly #asked = new Map<number, number>();

  router(rules: readonly DeclaredRule[]) {
    return createRpc().router(
      Object.fromEntries(rules.map((rule, index) => [`rule${index}`, this.#route(rule)])),
    );
  }

  #route(rule: DeclaredRule): Route {
    const rpc = createRpc();
    const { kind, isPublic, scope, timeout, handler } = rule;
    const shared = {
      ...(scope.names.length === 0 ? {} : { scope: scopeOf(rule) }),
      ...(rule.params === undefined ? {} : { params: this.#schema(rule.params) }),
      ...(rule.authorize.length === 0 ? {} : { authorize: this.#authorize(rule) }),
    };
    if (kind === "topic")
      return rpc.topic({
        ...shared,
        key: (params) => {
          const { number } = params as Numbered;
          this.runs.push(`${number} key`);
          return `topic ${number}`;
        },
      });
    if (kind === "generator")
      return rpc.subscription({
        ...shared,
        handler: ({ params, auth, signal }) => {
          this.#ran(params as Numbered, "handler", auth);
          return events(handler, signal);
        },
      });
    return rpc.method({
      ...shared,
      ...(isPublic ? { public: true } : {}),
      ...(timeout === undefined ? {} : { timeout }),
      ...(rule.stepUp === undefined ? {} : { stepUp: rule.stepUp }),
      handler: ({ params, auth }) => {
        this.#ran(params as Numbered, "handler", auth);
        return this.#give(params as Numbered, "handler", handler, () => "done");
      },
    });
  }

  #schema(answer: Answer): StandardSchema {
    const validate = (value: unknown) => {
      this.runs.push(`${(value as Numbered).number} params`);
      return this.#give(value as Numbered, "params", answer, () =>
        answer.is === "yes"
          ? { value: { ...(value as Numbered), isChecked: true } }
          : { issues: [{ message: "refused" }] },
      );
    };
    return { "~standard": { version: 1, vendor: "test", validate } } as StandardSchema;
  }

  #authorize(rule: DeclaredRule) {
    return ({ auth, params }: { readonly auth: Caller; readonly params: unknown }) => {
      const given = params as Numbered;
      if (given.isChecked !== (rule.params && true)) throw new Error("params without their schema");
      this.#ran(given, "authorize", auth);
      const asked = this.#asked.get(given.number) ?? 0;
      this.#asked.set(given.number, asked + 1);
      const answer = rule.authorize[asked % rule.authorize.length] as Answer;
      const value = answer.is === "yes" ? true : nos[this.#nos++ % nos.length];
      return this.#give(given, "authorize", answer, () => value) as boolean | Promise<boolean>;
    };
  }

  #ran({ number }: Numbered, what: string, auth: Caller | null): void {
    const whom = auth === null ? "nobody" : `${auth.subject} with ${auth.scopes.join("+")}`;
    this.runs.push(`${number} ${what} for ${whom}`);
  }

  #give<T>(
    { number }: Numbered,
    what: string,
    { is, isLate }: Answer,
    value: () => T,
  ): T | Promise<T> {
    const settle = () => {
      if (is === "failure") throw new Error("the application has failed");
      return value();
    };
    if (!isLate) return settle();
    const waits = this.#waits.get(number) ?? 0;
    this.#waits.set(number, waits + 1);
    return new Promise((resolve, reject) => {
      this.out.set(`${number} ${what} ${waits}`, () => {
        try {
          resolve(settle());
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

function scopeOf({ scope: { of, names } }: DeclaredRule) {
  const [only = ""] = names;
  if (names.length === 1 && of === "all") return only;
  return of === "all" ? names : { anyOf: names };
}

async function* events({ is }: Answer, signal: AbortSignal): AsyncGenerator<never> {
  if (is === "failure") throw new Error("the application has failed");
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
}
