import { readdirSync, readFileSync } from "node:fs";
import { dirname, posix, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync, Visitor } from "oxc-parser";

interface Span {
  readonly start: number;
  readonly end: number;
}

/** A source file: what it imports, types included, and how long its functions are. */
export interface Module {
  readonly path: string;
  /** Paths of files of the project, and names of packages. */
  readonly imports: readonly string[];
  readonly functions: readonly { readonly line: number; readonly lines: number }[];
}

/**
 * Parses a source file. The length of a function leaves out the tables in it, which are literals
 * without functions, and each `switch` without `default`, which TypeScript holds to a closed union.
 */
export function parseModule(path: string, text: string): Module {
  const imports: string[] = [];
  const functions: Span[] = [];
  const literals: Span[] = [];
  const switches: Span[] = [];
  const addImport = ({ source }: { readonly source: object | null }) => {
    if (source !== null && "value" in source)
      imports.push(resolveImport(path, String(source.value)));
  };
  const addFunction = (node: Span) => functions.push(node);
  const addLiteral = (node: Span) => literals.push(node);
  const { program, errors } = parseSync(path, text);
  if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`);
  new Visitor({
    ImportDeclaration: addImport,
    ExportNamedDeclaration: addImport,
    ExportAllDeclaration: addImport,
    ImportExpression: addImport,
    TSImportType: addImport,
    FunctionDeclaration: addFunction,
    FunctionExpression: addFunction,
    ArrowFunctionExpression: addFunction,
    ObjectExpression: addLiteral,
    ArrayExpression: addLiteral,
    SwitchStatement: (node) => node.cases.every(({ test }) => test !== null) && switches.push(node),
  }).visit(program);

  const lineAt = (offset: number) => text.slice(0, offset).split("\n").length;
  const linesOf = ({ start, end }: Span) => lineAt(end) - lineAt(start) + 1;
  const tables = literals.filter((literal) => !functions.some((span) => contains(literal, span)));
  const exempt = outermost([...switches, ...tables]);
  return {
    path,
    imports,
    functions: functions.map((span) => {
      const spared = exempt.filter((inner) => contains(span, inner));
      const lines = spared.reduce((sum, inner) => sum - linesOf(inner) + 1, linesOf(span));
      return { line: lineAt(span.start), lines };
    }),
  };
}

/** The modules of these folders of the project, folders in them included. */
export function readModules(...folders: readonly string[]): readonly Module[] {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  return folders.flatMap((folder) =>
    readdirSync(`${root}/${folder}`, { recursive: true, encoding: "utf8" })
      .map((name) => `${folder}/${name.replaceAll(sep, "/")}`)
      .filter((path) => path.endsWith(".ts"))
      .map((path) => parseModule(path, readFileSync(`${root}/${path}`, "utf8"))),
  );
}

function resolveImport(from: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, ".ts");
}

function contains(outer: Span, inner: Span): boolean {
  return outer !== inner && outer.start <= inner.start && inner.end <= outer.end;
}

function outermost(spans: readonly Span[]): readonly Span[] {
  return spans.filter((span) => !spans.some((other) => contains(other, span)));
}
