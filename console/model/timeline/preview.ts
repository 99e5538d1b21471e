import { membersOf, messagesIn } from "../message.js";
import type { Entry } from "./timeline.js";

const longestPreview = 400; // characters; more doesn't fit in a line
const previews = new WeakMap<Entry, string>();

/** What a line says of an entry: the data of a push, the params, the result or the error. */
export function previewOf(entry: Entry): string {
  let preview = previews.get(entry);
  if (preview === undefined) {
    preview = (entry.direction === "note" ? entry.text : contentOf(entry.text)).slice(
      0,
      longestPreview,
    );
    previews.set(entry, preview);
  }
  return preview;
}

function contentOf(text: string): string {
  const [message, ...others] = messagesIn(text);
  if (message === undefined || others.length > 0) return text; // no JSON, cut, or a batch
  const { id, method, params, result, error } = message;
  if (method === "subscription.event" && "data" in membersOf(params))
    return JSON.stringify(membersOf(params).data);
  const content = [params, result, error].find((part) => part !== undefined);
  if (content !== undefined) return JSON.stringify(content);
  return id === undefined && method === undefined ? text : "";
}
