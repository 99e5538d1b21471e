import { JotwireError, RpcError } from "../../client/index.js";
import { type Message, membersOf, numberIn, stringIn } from "./message.js";
import { maskedValue } from "./session/mask.js";

/** How a call ended; without secrets. */
export type Outcome = {
  /** Milliseconds. */
  readonly took: number;
  /** It was sent past the SDK, which would have waited. */
  readonly isRaw: boolean;
} & (
  | { readonly is: "result"; readonly value: unknown }
  | {
      readonly is: "error";
      readonly code: string;
      readonly rpcCode: number | undefined;
      readonly message: string;
      readonly data: unknown;
    }
  | { readonly is: "cancelled" }
);

export function resultOf(value: unknown, took: number): Outcome {
  return { is: "result", value: maskedValue(value), took, isRaw: false };
}

export function failureOf(error: unknown, took: number): Outcome {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof RpcError) {
    return {
      is: "error",
      code: error.code,
      rpcCode: error.rpcCode,
      message,
      data: maskedValue(error.data),
      took,
      isRaw: false,
    };
  }
  const code = error instanceof JotwireError ? error.code : "error";
  return { is: "error", code, rpcCode: undefined, message, data: undefined, took, isRaw: false };
}

/** Of a response as it came over the wire. */
export function outcomeIn({ result, error }: Message, took: number): Outcome {
  if (error === undefined) return { ...resultOf(result, took), isRaw: true };
  const { code, message, data } = membersOf(error);
  return {
    is: "error",
    code: stringIn(membersOf(data).reason) ?? "error",
    rpcCode: numberIn(code),
    message: stringIn(message) ?? "",
    data: maskedValue(data),
    took,
    isRaw: true,
  };
}
