import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { projectFolder } from "../cli/command-line.js";
import { freePort } from "../redis/redis-server.js";

/** Where the parts of an example's configuration come to lie in a test. */
interface Place {
  readonly folder: string;
  /** Where the proxy listens. */
  readonly port: number;
  /** The server behind it. */
  readonly nodePort: number;
  /** For what else the proxy listens on. */
  readonly adminPort: number;
}

interface Kind {
  readonly example: string;
  /** What is other than in the example, by the text that stands there. */
  readonly changes: (place: Place) => Readonly<Record<string, string>>;
  /** Files beside the example's, by name. */
  readonly surroundings: (place: Place) => Readonly<Record<string, string>>;
  /** Runs in the foreground. */
  readonly command: (folder: string) => readonly string[];
  /** A signal to it, or a command. */
  readonly reload: NodeJS.Signals | ((folder: string, adminPort: number) => readonly string[]);
}

const node = ({ nodePort }: Place) => ({ "127.0.0.1:8080": `127.0.0.1:${nodePort}` });

const kinds = {
  nginx: {
    example: "nginx.conf",
    changes: (place) => ({
      ...node(place),
      "listen 443 ssl": `listen 127.0.0.1:${place.port} ssl`,
      "/etc/ssl/certs/api.example.com.pem": join(place.folder, "certificate.pem"),
      "/etc/ssl/private/api.example.com.key": join(place.folder, "key.pem"),
    }),
    surroundings: ({ folder }) => ({
      "main.conf": [
        ...(process.getuid?.() === 0 ? ["user root;"] : []), // the folder is nobody else's
        `pid ${join(folder, "pid")};`,
        "error_log stderr warn;",
        "worker_processes 1;",
        "events {}",
        "http {",
        "  access_log off;",
        ...["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
          (name) => `  ${name}_temp_path ${join(folder, name)};`,
        ),
        `  include ${join(folder, "nginx.conf")};`,
        "}",
      ].join("\n"),
    }),
    command: (folder) => [
      "nginx",
      "-e",
      "stderr",
      "-c",
      join(folder, "main.conf"),
      "-g",
      "daemon off;",
    ],
    reload: "SIGHUP",
  },
  haproxy: {
    example: "haproxy.cfg",
    changes: (place) => ({
      ...node(place),
      "bind :443": `bind 127.0.0.1:${place.port}`,
      "/etc/haproxy/api.example.com.pem": join(place.folder, "both.pem"),
    }),
    surroundings: () => ({ "global.cfg": "global\n    maxconn 100\n" }),
    command: (folder) => [
      "haproxy",
      "-W",
      "-f",
      join(folder, "global.cfg"),
      "-f",
      join(folder, "haproxy.cfg"),
    ],
    reload: "SIGUSR2",
  },
  caddy: {
    example: "Caddyfile",
    changes: (place) => ({
      ...node(place),
      "admin localhost:2019": `admin localhost:${place.adminPort}\n\tauto_https disable_redirects`,
      "api.example.com {": `https://localhost:${place.port} {\n\ttls ${join(place.folder, "certificate.pem")} ${join(place.folder, "key.pem")}`,
    }),
    surroundings: () => ({}),
    command: (folder) => [
      "caddy",
      "run",
      "--adapter",
      "caddyfile",
      "--config",
      join(folder, "Caddyfile"),
    ],
    reload: (folder, adminPort) => [
      ...["caddy", "reload", "--adapter", "caddyfile", "--config", join(folder, "Caddyfile")],
      ...["--address", `localhost:${adminPort}`],
    ],
  },
} satisfies Readonly<Record<string, Kind>>;

export type ProxyName = keyof typeof kinds;

/** The example as it stands in the project. */
export function exampleOf(name: ProxyName): Promise<string> {
  return readFile(join(projectFolder, "examples/proxies", kinds[name].example), "utf8");
}

/**
 * A certificate for `localhost` or another name, good for a day or so: `certificate.pem`,
 * `key.pem`, and `both.pem`. Returns it.
 */
export async function makeCertificate(
  folder: string,
  days = 1,
  name = "localhost",
): Promise<string> {
  const [certificate, key] = [join(folder, "certificate.pem"), join(folder, "key.pem")];
  const about = [
    "-subj",
    `/CN=${name}`,
    "-addext",
    `subjectAltName=DNS:${name},IP:127.0.0.1`,
    "-days",
    String(days),
  ];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"];
  const { status, stderr } = spawnSync(
    "openssl",
    ["req", ...kind, ...about, "-keyout", key, "-out", certificate],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`openssl: ${stderr}`);
  const text = await readFile(certificate, "utf8");
  await writeFile(join(folder, "both.pem"), text + (await readFile(key, "utf8")));
  return text;
}

/** A proxy with the project's example as its configuration, on a free port of loopback. */
export class ReverseProxy implements AsyncDisposable {
  readonly port: number;
  readonly #kind: Kind;
  readonly #folder: string;
  readonly #adminPort: number;
  readonly #process: ChildProcess;
  #complaints = "";

  private constructor(kind: Kind, { folder, port, adminPort }: Place) {
    this.#kind = kind;
    this.#folder = folder;
    this.port = port;
    this.#adminPort = adminPort;
    const [program = "", ...args] = kind.command(folder);
    this.#process = spawn(program, args, {
      stdio: ["ignore", "ignore", "pipe"],
      env: environment(folder),
      detached: true,
    });
    this.#process.stderr?.on("data", (chunk) => {
      this.#complaints += String(chunk);
    });
  }

  /** In `folder` there is a certificate already. */
  static async start(name: ProxyName, folder: string, nodePort: number): Promise<ReverseProxy> {
    const place = { folder, nodePort, port: await freePort(), adminPort: await freePort() };
    await configure(kinds[name], place);
    return new ReverseProxy(kinds[name], place);
  }

  /** `wss://…` */
  get url(): string {
    return `wss://localhost:${this.port}/rpc`;
  }

  /** What it has said about itself. */
  get complaints(): string {
    return this.#complaints;
  }

  /** Another server is behind it now. Returns before that has come into force. */
  async reload(nodePort: number): Promise<void> {
    await configure(this.#kind, {
      folder: this.#folder,
      nodePort,
      port: this.port,
      adminPort: this.#adminPort,
    });
    const { reload } = this.#kind;
    if (typeof reload === "string") {
      this.#process.kill(reload);
      return;
    }
    const [program = "", ...args] = reload(this.#folder, this.#adminPort);
    const child = spawn(program, args, { stdio: "ignore", env: environment(this.#folder) });
    const [code] = (await once(child, "exit")) as [number | null];
    if (code !== 0) throw new Error(`${program} reload ended with ${code}: ${this.#complaints}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid, exitCode, signalCode } = this.#process;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const exited = once(this.#process, "exit");
    process.kill(-pid, "SIGKILL"); // its workers, too: it leads a group of its own
    await exited;
  }
}

async function configure(kind: Kind, place: Place): Promise<void> {
  let text = await readFile(join(projectFolder, "examples/proxies", kind.example), "utf8");
  for (const [from, to] of Object.entries(kind.changes(place))) {
    if (!text.includes(from)) throw new Error(`there is no "${from}" in ${kind.example}`);
    text = text.replaceAll(from, to);
  }
  const files = { ...kind.surroundings(place), [kind.example]: text };
  for (const [name, content] of Object.entries(files))
    await writeFile(join(place.folder, name), content);
}

/** Caddy keeps things in its home. */
function environment(folder: string): NodeJS.ProcessEnv {
  return { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
}
