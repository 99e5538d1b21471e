/** How the command ended, for scripts. */
export const exitCodes = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  configuration: 3,
  connection: 4,
  authentication: 5,
  answer: 6,
} as const;

export type FailureKind = Exclude<keyof typeof exitCodes, "ok">;

/** A failure that the user can do something about: the message says what, in one line. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** The message of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The `code` of a system error (`ENOENT`), or undefined. */
export function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string"
    ? thrown.code
    : undefined;
}

/** Runs `work`; what it throws becomes a {@link CliError} of that kind, told after `prefix`. */
export async function failingAs<T>(
  kind: FailureKind,
  prefix: string,
  work: () => T | Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(kind, `${prefix}${messageOf(error)}`, { cause: error });
  }
}
