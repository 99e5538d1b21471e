import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { GatheredMetrics } from "../../src/cli/workers/worker-metrics.js";
import { createIssuer, memoryStore } from "../../src/issuer/index.js";
import { errorTable } from "../../src/protocol/error-codes.js";
import { requires, runs } from "../helpers/requirement.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { sampleApp, startServer } from "../helpers/server/test-server.js";
import { withFolder } from "../helpers/temporary-folder.js";
import { CheapHasher } from "../helpers/tokens/cheap-hasher.js";

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const read = (name: string) => readFileSync(path(name), "utf8");

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
  }[];
}

interface Dashboard {
  readonly title: string;
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly definition?: string }[];
  };
}

const dashboard = JSON.parse(read("docs/operations/grafana-dashboard.json")) as Dashboard;
const page = read("docs/operations/metrics.md");
const targets = dashboard.panels.flatMap((panel) => panel.targets ?? []);
const alertExpressions = [
  ...read("docs/operations/alerts.yml").matchAll(/^ +expr: (?:>-\n((?: {10}.*\n)+)|(.*)\n)/gm),
].map(([, folded, plain]) => folded ?? plain ?? "");

/**
 * What `/metrics` shows after a little of everything: names of series, each with the labels that it
 * has.
 */
type Exposed = ReadonlyMap<string, ReadonlySet<string>>;

const ofPrometheus = ["job", "instance"]; // it puts them beside each series itself
const ofWorkers = ["worker"]; // of serve --workers

async function expose(): Promise<Exposed> {
  const identity = { issuer: "http://localhost:8080", audience: "jotwire" };
  const issuer = await createIssuer({
    ...identity,
    store: memoryStore(),
    testing: { passwordHasher: new CheapHasher() },
  });
  await using server = await startServer(sampleApp(), { auth: issuer, metrics: { port: 0 } });
  const client = await RawClient.connect(server.url);
  await client.call("time.now");
  await client.authenticate("no token");
  await client.close();
  // refused
  await RawClient.connect(server.url, { origin: "https://evil.example" }).catch(() => undefined);
  const own = await (
    await fetch(`http://127.0.0.1:${server.listening.metricsPort}/metrics`)
  ).text();
  const text = own + (await new GatheredMetrics(new Map()).text()); // what serve --workers adds
  const exposed = new Map<string, Set<string>>();
  for (const [, name = "", type] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm))
    for (const suffix of type === "histogram" ? ["_bucket", "_sum", "_count"] : [""])
      exposed.set(name + suffix, new Set());
  for (const [, name = "", labels = ""] of text.matchAll(/^(\w+)\{(.*)\} /gm))
    for (const [, label = ""] of labels.matchAll(/(?:^|,)(\w+)="/g)) exposed.get(name)?.add(label);
  await issuer.close();
  return exposed;
}

/**
 * Names of the metrics in a PromQL expression: what is neither a function, nor a keyword, nor
 * within braces or a `by`.
 */
function metricsIn(expression: string): string[] {
  const bare = withoutStrings(expression)
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, " ")
    .replaceAll(/\bby \([^)]*\)/g, " ");
  const words = [...bare.matchAll(/\b[a-z_]\w*\b(?!\s*\()/gi)].map(([word]) => word);
  // an aggregation may have its `by` before its bracket
  return words.filter((word) => !["or", "and", "unless", "sum", "max"].includes(word));
}

/**
 * Each label of an expression, with the metrics one of which must have it: the one before the
 * braces, or for a `by` any.
 */
function labelsIn(
  expression: string,
): readonly { readonly label: string; readonly of: readonly string[] }[] {
  const bare = withoutStrings(expression);
  const matched = [...bare.matchAll(/(\w+)\{([^}]*)\}/g)].flatMap(([, name = "", matchers = ""]) =>
    [...matchers.matchAll(/(\w+)\s*[=!]/g)].map(([, label = ""]) => ({ label, of: [name] })),
  );
  const grouped = [...bare.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
    list.split(",").map((label) => ({ label: label.trim(), of: metricsIn(expression) })),
  );
  return [...matched, ...grouped];
}

/** Has one of these metrics such a label? */
function has(exposed: Exposed, label: string, names: readonly string[]): boolean {
  return (
    [...ofPrometheus, ...ofWorkers].includes(label) ||
    names.some((name) => exposed.get(name)?.has(label))
  );
}

function withoutStrings(expression: string): string {
  return expression.replaceAll(/"[^"]*"/g, '""');
}

describe("docs/operations/grafana-dashboard.json and docs/operations/alerts.yml", () => {
  let exposed: Exposed;

  before(async () => {
    exposed = await expose();
  });

  it("ask for metrics and labels that /metrics really has, and for no others", () => {
    const expressions = [...targets.map(({ expr }) => expr), ...alertExpressions];
    expect(expressions.length).to.be.greaterThan(20);
    for (const expression of expressions) {
      const metrics = metricsIn(expression).filter((name) => name !== "up"); // Prometheus' own
      for (const name of metrics)
        expect(exposed.has(name), `${name} in ${expression}`).to.equal(true);
      if (!/\bup\b/.test(expression)) expect(metrics, expression).to.not.deep.equal([]);
      for (const { label, of } of labelsIn(expression))
        expect(has(exposed, label, of), `${label} of ${of} in ${expression}`).to.equal(true);
    }
    expect(
      metricsIn('sum by (a) (rate(no_such_total{job="up"}[5m])) > 1 or nothing'),
    ).to.deep.equal(["no_such_total", "nothing"]);
    const misplaced = labelsIn(
      'sum by (code) (rate(jotwire_upgrades_refused_total{code=~"429|503"}[5m]))',
    );
    expect(
      misplaced.map(({ label, of }) => has(exposed, label, of)),
      "a label of another metric",
    ).to.deep.equal([false, false]);
  });

  it("leave no metric out, together", () => {
    const used = new Set(
      [...targets.map(({ expr }) => expr), ...alertExpressions].flatMap(metricsIn),
    );
    const families = new Set(
      [...exposed.keys()].map((name) => name.replace(/_(bucket|sum|count)$/, "")),
    );
    const unused = [...families].filter(
      (family) => ![...used].some((name) => name.replace(/_(bucket|sum|count)$/, "") === family),
    );
    expect(unused).to.deep.equal([]);
  });

  it("docs/operations/metrics.md explains every metric, and no other", () => {
    const table = page.split("| metric | |")[1]?.split("\n\n")[0] ?? "";
    const cells = [...table.matchAll(/^\| (`[^|]*) \|/gm)].map(([, cell = ""]) => cell);
    const explained = cells.flatMap((cell) =>
      [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name),
    );
    const workers = "jotwire_workers"; // in the paragraph about them
    expect(page).to.include(`\`${workers}\``);
    const families = new Set(
      [...exposed.keys()].map((name) => name.replace(/_(bucket|sum|count)$/, "")),
    );
    expect([...explained, workers]).to.have.members([...families]);
  });

  it("compare with reasons and codes that there are", () => {
    const text = alertExpressions.join("\n");
    const outcomes = [...text.matchAll(/outcome="(\w+)"/g)].map(([, outcome = ""]) => outcome);
    expect(outcomes).to.deep.equal(["auth_unavailable"]);
    expect(Object.keys(errorTable)).to.include.members(outcomes);
  });

  it("each alert names what happened and what to do", () => {
    const rules = read("docs/operations/alerts.yml").split("- alert: ").slice(1);
    expect(rules).to.have.length(10);
    for (const rule of rules) {
      const name = rule.split("\n", 1)[0];
      expect(/^ {10}summary: (.+)$/m.exec(rule)?.[1]?.length, name).to.be.greaterThan(20);
      expect(/^ {10}action: (.+)$/m.exec(rule)?.[1]?.split(" ").length, name).to.be.greaterThan(8);
    }
  });

  it("the alerts are ten rules, which Prometheus takes", async function () {
    requires(this, "promtool", () => runs("promtool", "--version"));
    expect(alertExpressions).to.have.length(10);
    const check = (file: string) =>
      spawnSync("promtool", ["check", "rules", file], { encoding: "utf8" });
    const { status, stdout, stderr } = check(path("docs/operations/alerts.yml"));
    expect(status, stdout + stderr).to.equal(0);
    await withFolder(async (folder) => {
      const broken = join(folder, "broken.yml");
      await writeFile(broken, read("docs/operations/alerts.yml").replace("changes(", "changed("));
      expect(check(broken).status, "it does look").to.not.equal(0);
    });
  });

  it("each alert goes off on a bad night, and none on a quiet one", async function () {
    requires(this, "promtool", () => runs("promtool", "--version"));
    const { status, stdout, stderr } = spawnSync(
      "promtool",
      ["test", "rules", path("test/fixtures/alerts.test.yml")],
      {
        encoding: "utf8",
      },
    );
    expect(status, stdout + stderr).to.equal(0);
  });

  it("the dashboard's panels have ids of their own, a place of their own, and something to show", () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).to.equal(panels.length);
    for (const [index, { gridPos: a, title }] of panels.entries()) {
      expect(a.x + a.w, title).to.be.at.most(24);
      for (const { gridPos: b, title: other } of panels.slice(index + 1)) {
        const isApart =
          a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        expect(isApart, `${title} and ${other}`).to.equal(true);
      }
    }
    for (const { title, type, targets: shown = [] } of panels) {
      if (type !== "row") expect(shown, title).to.not.deep.equal([]);
      expect(new Set(shown.map(({ refId }) => refId)).size, title).to.equal(shown.length);
      for (const { expr, legendFormat } of shown) {
        const legend = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
        for (const label of legend)
          expect(has(exposed, label, metricsIn(expr)), `${label} in ${title}`).to.equal(true);
        const variables = [...expr.matchAll(/\$(\w+)/g)]
          .map(([, name = ""]) => name)
          .filter((name) => !name.startsWith("__"));
        expect(
          dashboard.templating.list.map(({ name }) => name),
          title,
        ).to.include.members(variables);
      }
    }
  });
});
