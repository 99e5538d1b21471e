/** Counts the lines of each version: those that are neither blank nor a comment. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Library } from "./stage.ts";

export const concerns = ["session", "permission", "live", "recovery"] as const;
export type Concern = (typeof concerns)[number];

export interface LineCount {
  readonly server: number;
  readonly client: number;
  /** Login, refresh and sign-out on both sides, which the peers share; each of them needs them. */
  readonly login: number;
  readonly total: number;
  /** Lines between `// region: NAME` and `// endregion`. */
  readonly concerns: Readonly<Record<Concern, number>>;
}

const path = (file: string) => fileURLToPath(new URL(`../${file}`, import.meta.url));
const loginFiles = [path("peers/accounts.ts"), path("peers/session.ts")];

/**
 * The lines of examples/board that the peers have in regions. Each must be in its files as often
 * as it is here, so that a change there is a change here. A line may be for two things.
 */
const boardConcerns: Readonly<Record<Concern, string>> = {
  session: `
    const issuer = await createIssuer({
    issuer: process.env.ORIGIN ?? "http://localhost:8080",
    audience: "board",
    store: fileStore(STATE),
    accessTokenTtl: Number(process.env.TOKEN_SECONDS ?? 300) * 1_000,
    cookie: true,
    const session = createSession({ url: origin });
    token: session.token,
    session.bind(client);`,
  permission: `
    const rpc = createRpc().with({
    authorize: ({ auth, params }: { auth: Auth; params: { board: string } }) =>
    store.isMember(params.board, auth.subject),
    await reauthorize({ subject: params.user });`,
  live: `
    const cards = rpc.topic({
    event: card,
    key: (params) => params.board,
    snapshot: ({ params }) => store.cards(params.board),
    await publish(cards, { board: params.board }, added, { offset: added.version });
    await publish(cards, { board: params.board }, moved, { offset: moved.version });
    for await (const { state } of client.live("cards", { board }, newest)) show(state);`,
  recovery: `
    history: {
    async *read({ params, after }) {
    for (const data of store.cards(params.board, after)) yield { offset: data.version, data };
    latest: ({ params }) => store.latest(params.board),
    idempotent: ["add", "move"],
    backoff: { max: 2_000 }, // few users: they need not spread when the server is back
    await server.close({ drain: 2_000 });`,
};

export function countLines(library: Library): LineCount {
  const isBoard = library.name === "jotwire";
  const login = isBoard ? [] : loginFiles;
  const server = codeOf([library.server]);
  const client = codeOf(isBoard ? [path("../board/client.ts"), library.client] : [library.client]);
  const loginCode = codeOf(login);
  const files = isBoard ? [library.server, path("../board/client.ts"), library.client] : [];
  return {
    server: server.length,
    client: client.length,
    login: loginCode.length,
    total: server.length + client.length + loginCode.length,
    concerns: isBoard ? listed(codeOf(files)) : marked([library.server, library.client, ...login]),
  };
}

/** The lines of code, without indentation. */
function codeOf(files: readonly string[]): string[] {
  const lines = files.flatMap((file) => withoutComments(readFileSync(file, "utf8")).split("\n"));
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}

/** Comments that share a line with code stay: they change no count. */
function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\//gm, "").replace(/^\s*\/\/.*$/gm, "");
}

function marked(files: readonly string[]): Record<Concern, number> {
  const counts = { session: 0, permission: 0, live: 0, recovery: 0 };
  for (const file of files)
    for (const [, name, text] of readFileSync(file, "utf8").matchAll(
      /^\s*\/\/ region: (\w+)\n([\s\S]*?)^\s*\/\/ endregion$/gm,
    )) {
      if (!concerns.includes(name as Concern)) throw new Error(`${file} has a region ${name}`);
      counts[name as Concern] += withoutComments(text ?? "")
        .split("\n")
        .filter((line) => line.trim() !== "").length;
    }
  return counts;
}

/** The lines of `boardConcerns`, once it is sure that they are there. */
function listed(code: readonly string[]): Record<Concern, number> {
  const count = (lines: readonly string[], line: string) =>
    lines.filter((other) => other === line).length;
  const all = Object.entries(boardConcerns).map(([concern, text]) => {
    const lines = text.trim().split(/\n\s*/);
    for (const line of lines)
      if (count(lines, line) !== count(code, line))
        throw new Error(`examples/board has not ${count(lines, line)} of this line: ${line}`);
    return [concern, lines.length + closing(lines)] as const;
  });
  return Object.fromEntries(all) as Record<Concern, number>;
}

/** The lines that close what these open. */
function closing(lines: readonly string[]): number {
  return lines.filter((line) => /[({[]$/.test(line)).length;
}
