/** What a text says as params. */
export type ParamsText =
  | { readonly isValid: true; readonly value: unknown }
  | { readonly isValid: false; readonly problem: string };

/** JSON-RPC's params are an object, an array, or left out (§4.2). */
export function paramsIn(text: string): ParamsText {
  if (text.trim() === "") return { isValid: true, value: undefined };
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return { isValid: true, value };
    return { isValid: false, problem: "Params are an object or an array." };
  } catch (error) {
    return {
      isValid: false,
      problem: error instanceof Error ? error.message : "This is not JSON.",
    };
  }
}

export function textFor(params: unknown): string {
  return params === undefined ? "" : JSON.stringify(params, null, 2);
}
