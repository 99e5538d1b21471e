import type { StandardSchema } from "../../protocol/standard-schema.js";
import { validate } from "../../rpc/define/validate.js";
import { encodeNotification } from "../../rpc/json/encode.js";
import { mustBeSynchronous } from "../../runtime/application-code.js";

/**
 * The text of a declared notification. Throws `TypeError` when the name is not declared, or the
 * params don't fit its schema.
 */
export function encodeDeclared(
  declared: ReadonlyMap<string, StandardSchema>,
  name: string,
  params: unknown,
): string {
  const schema = declared.get(name);
  if (schema === undefined)
    throw new TypeError(
      `the notification "${name}" is not declared: add it to createRpc({ notifications })`,
    );
  const checked = mustBeSynchronous(
    validate(schema, params),
    `the schema of the notification "${name}"`,
  );
  if ("issues" in checked)
    throw new TypeError(
      `the params of the notification "${name}" don't fit: ${JSON.stringify(checked.issues)}`,
    );
  return encodeNotification(name, checked.value as Readonly<Record<string, unknown>>);
}
