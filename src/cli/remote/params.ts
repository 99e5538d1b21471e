import { CliError, messageOf } from "../cli-error.js";

const sampleParams = `such as '{"id":"o1"}'`;

/** Reads the params of a call. Throws a `CliError` if they are no JSON object or array. */
export function paramsOf(text: string): object {
  let params: unknown;
  try {
    params = JSON.parse(text);
  } catch (error) {
    throw new CliError(
      "usage",
      `the params are no JSON (${messageOf(error)}): give an object or array ${sampleParams}`,
    );
  }
  if (typeof params === "object" && params !== null) return params;
  throw new CliError("usage", `the params must be a JSON object or array, ${sampleParams}`);
}
