/**
 * Writes a report of each public entry's declarations to the folder given, or to `api/`:
 * `npm run api`. The reports are committed, so that a review shows each change of the public API.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CompilerState, Extractor, ExtractorConfig } from "@microsoft/api-extractor";

const root = fileURLToPath(new URL("..", import.meta.url));
const { exports: entries } = createRequire(import.meta.url)("../package.json");

/** Names of reports, and the declarations of which each is made. */
const declarations = {
  index: entries["."].types,
  client: entries["./client"].browser.types,
  "client-node": entries["./client"].node.types,
  session: entries["./session"].types,
  react: entries["./react"].types,
  vue: entries["./vue"].types,
  stores: entries["./stores"].types,
  query: entries["./query"].types,
  issuer: entries["./issuer"].types,
  redis: entries["./redis"].types,
  testing: entries["./testing"].types,
  "testing-browser": entries["./testing"].browser.types,
};

/** Writes the reports of these declaration files of the package in `projectFolder`. */
export function writeReports(reportFolder, projectFolder = root, files = declarations) {
  const temporary = mkdtempSync(join(tmpdir(), "jotwire-api-"));
  mkdirSync(reportFolder, { recursive: true });
  try {
    const configs = Object.entries(files).map(([name, file]) => {
      const entry = join(projectFolder, file);
      return prepare(name, entry, { projectFolder, reportFolder, temporary });
    });
    const additionalEntryPoints = configs.map(
      ({ mainEntryPointFilePath }) => mainEntryPointFilePath,
    );
    const compilerState = CompilerState.create(configs[0], { additionalEntryPoints });
    for (const config of configs) {
      const { succeeded } = Extractor.invoke(config, {
        compilerState,
        localBuild: true, // writes the report instead of comparing it
        messageCallback: (message) => {
          if (message.logLevel !== "error") message.handled = true;
        },
      });
      if (!succeeded) throw new Error(`no report of ${config.mainEntryPointFilePath}`);
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function prepare(name, entry, { projectFolder, reportFolder, temporary }) {
  const compilerOptions = {
    target: "ES2023",
    lib: ["ES2023", "DOM", "ESNext.Disposable"],
    module: "NodeNext",
    moduleResolution: "NodeNext",
    types: ["node"],
    strict: true,
    skipLibCheck: true,
  };
  const ignored = { default: { logLevel: "none" } };
  return ExtractorConfig.prepare({
    packageJsonFullPath: join(projectFolder, "package.json"),
    configObjectFullPath: undefined,
    configObject: {
      projectFolder,
      mainEntryPointFilePath: entry,
      compiler: { overrideTsconfig: { compilerOptions, files: [entry] } },
      apiReport: {
        enabled: true,
        includeForgottenExports: true, // a public type's parts are public
        reportFileName: name,
        reportFolder,
        reportTempFolder: temporary,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      newlineKind: "lf",
      messages: {
        compilerMessageReporting: { default: { logLevel: "error" } },
        extractorMessageReporting: ignored,
        tsdocMessageReporting: ignored,
      },
    },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeReports(join(root, "api"));
