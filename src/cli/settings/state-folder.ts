/**
 * The files of the commands in the state folder, beside the issuer's records: the identity of the
 * issuer, and the user that `dev` created.
 */
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CliError, codeOf, messageOf } from "../cli-error.js";

export interface IssuerIdentity {
  readonly issuer: string;
  readonly audience: string;
}

export class StateFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  /**
   * Creates the folder with mode 0700 and a .gitignore, since it holds keys. Returns whether it is
   * new. Throws `CliError` if it cannot be created.
   */
  async make(): Promise<boolean> {
    try {
      const isNew = (await mkdir(this.path, { recursive: true, mode: 0o700 })) !== undefined;
      if (isNew) await writeFile(join(this.path, ".gitignore"), "*\n", { mode: 0o600 });
      return isNew;
    } catch (error) {
      throw new CliError(
        "configuration",
        `the state folder ${this.path} cannot be created: ${messageOf(error)}`,
      );
    }
  }

  /** Throws `CliError` if there is no such folder; most likely `--state` is wrong. */
  async mustExist(): Promise<void> {
    const isFolder = await stat(this.path).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isFolder)
      throw new CliError(
        "configuration",
        `there is no state folder ${this.path}; start a server first, or give --state`,
      );
  }

  /** Returns the issuer that used the folder last; revocations must name their issuer. */
  async identity(): Promise<IssuerIdentity | undefined> {
    const { issuer, audience } = (await this.#read("issuer.json")) ?? {};
    return typeof issuer === "string" && typeof audience === "string"
      ? { issuer, audience }
      : undefined;
  }

  setIdentity(identity: IssuerIdentity): Promise<void> {
    return this.#write("issuer.json", identity);
  }

  /** Returns the user whose password `dev` has printed, until that password changes. */
  async demoUser(): Promise<string | undefined> {
    const { username } = (await this.#read("demo-user.json")) ?? {};
    return typeof username === "string" ? username : undefined;
  }

  setDemoUser(username: string): Promise<void> {
    return this.#write("demo-user.json", { username });
  }

  async forgetDemoUser(username: string): Promise<void> {
    if ((await this.demoUser()) === username)
      await rm(join(this.path, "demo-user.json"), { force: true });
  }

  async #read(name: string): Promise<Readonly<Record<string, unknown>> | undefined> {
    const path = join(this.path, name);
    try {
      return JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw new CliError("configuration", `${path} cannot be read: ${messageOf(error)}`);
    }
  }

  async #write(name: string, value: object): Promise<void> {
    const path = join(this.path, name);
    const temporary = `${path}.${process.pid}.tmp`;
    await writeFile(temporary, `${JSON.stringify(value)}\n`, { mode: 0o600 });
    await rename(temporary, path);
  }
}
