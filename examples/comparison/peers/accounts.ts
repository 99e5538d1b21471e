/** Logins of the four peers: passwords, access tokens, and refresh tokens that work once. */
import { createHash, randomBytes, randomUUID, scrypt, timingSafeEqual } from "node:crypto";
import { EventEmitter } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import express from "express";
import { jwtVerify, SignJWT } from "jose";
import Database from "libsql";

/** A login that a good access token belongs to. */
export interface Login {
  readonly id: string;
  readonly user: string;
  readonly expiresAt: number;
}

const lifetime = Number(process.env.TOKEN_SECONDS ?? 300);
const secret = Buffer.from(process.env.JWT_SECRET ?? "");
const derive = promisify<string, string, number, Buffer>(scrypt);
const hashed = (token: string) => createHash("sha256").update(token).digest("hex");

// region: session
export class Accounts {
  readonly #database: Database.Database;
  readonly #ended = new EventEmitter().setMaxListeners(0);
  /** `POST /login`, `/token` and `/logout`. */
  readonly routes = express.Router().use(express.json());

  constructor(folder: string) {
    this.#database = new Database(join(folder, "accounts.db"));
    this.#database.exec(`PRAGMA journal_mode = WAL;
      CREATE TABLE IF NOT EXISTS user (name TEXT PRIMARY KEY, salt TEXT, hash TEXT);
      CREATE TABLE IF NOT EXISTS login (
        id TEXT PRIMARY KEY, user TEXT, current TEXT UNIQUE, previous TEXT UNIQUE)`);
    this.routes.post("/login", async ({ body }, response) => {
      const user = await this.#checkPassword(String(body.username), String(body.password));
      if (user === undefined) return response.sendStatus(401);
      const [id, token] = [randomUUID(), randomBytes(32).toString("base64url")];
      this.#run("INSERT INTO login VALUES (?, ?, ?, NULL)", id, user, hashed(token));
      return response.json(await this.#tokens(id, user, token));
    });
    this.routes.post("/token", async ({ body }, response) => {
      const used = hashed(String(body.refresh_token));
      const stolen = this.#get("SELECT id FROM login WHERE previous = ?", used);
      if (stolen) this.#end("id", stolen.id);
      const token = randomBytes(32).toString("base64url");
      const login = this.#get(
        "UPDATE login SET previous = current, current = ? WHERE current = ? RETURNING id, user",
        hashed(token),
        used,
      );
      if (login === undefined) return response.sendStatus(401);
      return response.json(await this.#tokens(login.id, login.user, token));
    });
    this.routes.post("/logout", ({ body }, response) => {
      const used = hashed(String(body.refresh_token));
      const login = this.#get("SELECT id, user FROM login WHERE current = ?", used);
      if (login === undefined) return response.sendStatus(401);
      if (body.everywhere) this.#end("user", login.user);
      else this.#end("id", login.id);
      return response.sendStatus(204);
    });
  }

  /** Does nothing for a name that is there already. */
  async addUser(name: string, password: string): Promise<void> {
    if (this.#get("SELECT 1 FROM user WHERE name = ?", name)) return;
    const salt = randomBytes(16).toString("hex");
    const hash = (await derive(password, salt, 32)).toString("hex");
    this.#run("INSERT INTO user VALUES (?, ?, ?)", name, salt, hash);
  }

  /** Throws if the token, or the login behind it, is no longer good. */
  async verify(token: unknown): Promise<Login> {
    const { payload } = await jwtVerify(String(token), secret, { algorithms: ["HS256"] });
    const login = this.#get("SELECT id, user FROM login WHERE id = ?", payload.sid);
    if (login === undefined) throw new Error("the login has ended");
    return { ...login, expiresAt: Number(payload.exp) * 1000 };
  }

  /** Calls `end` when the token expires or its login ends. Returns what stops that. */
  guard(login: Login, end: () => void): () => void {
    const timer = setTimeout(end, login.expiresAt - Date.now());
    this.#ended.once(login.id, end);
    return () => {
      clearTimeout(timer);
      this.#ended.off(login.id, end);
    };
  }

  close(): void {
    this.#database.close();
  }

  async #checkPassword(name: string, password: string): Promise<string | undefined> {
    const user = this.#get("SELECT * FROM user WHERE name = ?", name);
    const hash = await derive(password, user?.salt ?? "", 32);
    const known = Buffer.from(user?.hash ?? "".padEnd(64, "0"), "hex");
    return timingSafeEqual(hash, known) ? user?.name : undefined;
  }

  async #tokens(id: string, user: string, refreshToken: string) {
    const access = new SignJWT({ sid: id }).setProtectedHeader({ alg: "HS256" }).setSubject(user);
    const accessToken = await access.setExpirationTime(`${lifetime}s`).sign(secret);
    return { access_token: accessToken, refresh_token: refreshToken, expires_in: lifetime };
  }

  #end(by: "id" | "user", value: string): void {
    const statement = this.#database.prepare(`DELETE FROM login WHERE ${by} = ? RETURNING id`);
    for (const { id } of statement.all(value) as { id: string }[]) this.#ended.emit(id);
  }

  #get(sql: string, ...values: unknown[]): (Record<string, string> & Login) | undefined {
    return this.#database.prepare(sql).get(values) as never;
  }

  #run(sql: string, ...values: unknown[]): void {
    this.#database.prepare(sql).run(values);
  }
}
// endregion
