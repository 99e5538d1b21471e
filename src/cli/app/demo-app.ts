import { createRpc, type StandardSchema } from "../../index.js";

/** What `jotwire dev` serves when it is given no module. */
const rpc = createRpc({ scopes: ["notes:read", "notes:write"] });
const notes = new Map<string, string[]>(); // subject → notes

const note: StandardSchema<{ readonly text: string }, string> = {
  "~standard": {
    version: 1,
    vendor: "jotwire",
    validate(value) {
      const { text } = Object(value) as { text?: unknown };
      if (typeof text === "string" && text.length <= 1_000) return { value: text };
      return {
        issues: [{ message: "must be a string of at most 1000 characters", path: ["text"] }],
      };
    },
  },
};

export const demoApp = rpc.router({
  time: {
    now: rpc.method({ summary: "The server's time", public: true, handler: () => new Date() }),
  },
  notes: {
    add: rpc.method({
      summary: "Keep a note until the server stops",
      scope: "notes:write",
      params: note,
      handler({ params, auth }) {
        const own = [...(notes.get(auth.subject) ?? []), params].slice(-100); // the newest 100
        notes.set(auth.subject, own);
        return { notes: own.length };
      },
    }),
    list: rpc.method({
      summary: "Your notes",
      scope: "notes:read",
      handler: ({ auth }) => notes.get(auth.subject) ?? [],
    }),
  },
});
