import { expect } from "chai";
import { pino } from "pino";
import { createRpc, createServer, type Logger } from "../../src/index.js";
import { createIssuer, memoryStore } from "../../src/issuer/index.js";
import { rejectionOf } from "../helpers/rejection.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { CheapHasher } from "../helpers/tokens/cheap-hasher.js";

const canary = "CANARY";
const password = `${canary}-password-of-ada`;

/** pino as an application sets it up: every level, with its own redaction. */
function pinoLines() {
  const lines: string[] = [];
  const logger = pino(
    { level: "debug", redact: ["address"] },
    { write: (line: string) => void lines.push(line) },
  );
  return { logger: logger as unknown as Logger, lines };
}

function canaryApp() {
  const rpc = createRpc({ scopes: ["read"] });
  return rpc.router({
    echo: rpc.method({ handler: () => "done" }),
    fail: rpc.method({
      handler: ({ log }) => {
        log.info({ event: "app" }, "about to fail");
        throw new Error("a fault of the server");
      },
    }),
    closed: rpc.method({ scope: "read", handler: () => "never" }),
  });
}

/** Everything that goes wrong with secrets in it: passwords, tokens, refresh tokens, params. */
async function scenario() {
  const { logger, lines } = pinoLines();
  const issuer = await createIssuer({
    ...{
      issuer: "http://localhost:1",
      audience: "test",
      store: memoryStore(),
      logger,
      reuseWindow: 0,
    },
    testing: { passwordHasher: new CheapHasher() },
  });
  await issuer.users.add("ada", password, {});
  const server = createServer(canaryApp(), {
    auth: issuer,
    logger,
    production: true,
    metrics: { port: 0 },
    admin: "ops",
  });
  const { url, port, metricsPort } = await server.listen(0);
  const answers: unknown[] = [];
  const post = async (path: string, body: object) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      ...{
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      },
    });
    return (await answer.json()) as Record<string, string>;
  };
  const good = await post("/login", { username: "ada", password });
  answers.push(await post("/login", { username: "ada", password: `${canary}-wrong-password` }));
  answers.push(
    await post("/login", {
      username: `${canary}-typed-into-the-name`,
      password: "long enough a password",
    }),
  );
  answers.push(
    await post("/token", { grant_type: "refresh_token", refresh_token: `${canary}-refresh` }),
  );
  const invitation = await issuer.users.invite("bob");
  const replaced = (await issuer.users.resetPassword("bob")) ?? "";
  const reset = (await issuer.users.resetPassword("bob")) ?? "";
  for (const token of [invitation, replaced, `${canary}.${canary}`, canary.repeat(2_000)])
    answers.push(
      await post("/password", { password_token: token, password: `${canary}-password` }),
    );
  answers.push(await post("/password", { password_token: reset, password: "short" }));
  const redeemed = await post("/password", {
    password_token: reset,
    password: `${canary}-password`,
  });
  answers.push(await post("/password", { password_token: reset, password: `${canary}-password` }));
  answers.push(await rejectionOf(issuer.setPassword(reset, `${canary}-password`)).then(String));
  const client = await RawClient.connect(url);
  const ask = async (method: string, params?: unknown) =>
    void answers.push(await client.call(method, params));
  await ask("authenticate", { token: `${canary}.${canary}.${canary}` });
  await ask("made.up", { secret: canary });
  await client.authenticate(good.access_token ?? "");
  await ask("refresh", { token: `${canary}-token` });
  await ask("refresh", { refreshToken: `${canary}-refresh-token` });
  await ask("echo", { card: `${canary}-params` });
  await ask("fail", { card: `${canary}-params` });
  await ask("closed", { card: `${canary}-params` });
  const again = await client.call("refresh", { refreshToken: good.refresh_token });
  await ask("refresh", { refreshToken: good.refresh_token }); // reuse: the session ends
  const closed = await client.closed;
  await fetch(`http://127.0.0.1:${port}/rpc?access_token=${canary}`).then((answer) =>
    answer.text(),
  );
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  await server.close();
  await issuer.close();
  const renewed = again.result as unknown as { token: string; refreshToken: string };
  const secrets = [
    canary,
    password,
    good.access_token,
    good.refresh_token,
    renewed.token,
    renewed.refreshToken,
    redeemed.access_token,
    redeemed.refresh_token,
    ...[invitation, replaced, reset].flatMap((token) => [token, token.split(".")[1]]),
  ] as string[];
  return { lines, answers, metrics, closed, secrets };
}

describe("Secrets in a day of failures", () => {
  let seen: Awaited<ReturnType<typeof scenario>>;

  before(async () => {
    seen = await scenario();
  });

  it("were there to be found: tokens were given, refused and used twice, and it was logged", () => {
    const events = seen.lines.map((line) => (JSON.parse(line) as { event?: string }).event);
    expect(events).to.include.members([
      "login.ok",
      "login.fail",
      "authenticate.fail",
      "refresh.fail",
      "refresh.ok",
      "refresh.reuse_detected",
      "password.token",
      "password.set",
      "password.fail",
    ]);
    expect(
      seen.secrets.every((secret) => typeof secret === "string" && secret.length > 5),
    ).to.equal(true);
    expect(seen.closed).to.deep.equal({ code: 4401, reason: "token_revoked" });
  });

  for (const [where, text] of [
    ["the log", () => seen.lines.join("\n")],
    ["the metrics", () => seen.metrics],
    ["the errors", () => JSON.stringify(seen.answers)],
  ] as const) {
    it(`are nowhere in ${where}`, () => {
      for (const secret of seen.secrets)
        expect(text().includes(secret), `${secret.slice(0, 12)}… in ${where}`).to.equal(false);
    });
  }

  it("leave a log of one line an event, that pino's redaction reaches, with server faults at error under the id that the client got", () => {
    const events = seen.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const errors = events.filter(({ level }) => level === 50);
    const told = seen.answers
      .map((answer) => (answer as { error?: { code?: number; data?: { errorId?: string } } }).error)
      .filter((error) => error?.code === -32603);
    expect(errors.map(({ errorId }) => errorId)).to.deep.equal(
      told.map((error) => error?.data?.errorId),
    );
    expect(errors).to.have.length(1);
    const addressed = events.filter(({ address }) => address !== undefined);
    expect(addressed.length).to.be.greaterThan(0);
    expect(addressed.every(({ address }) => address === "[Redacted]")).to.equal(true);
    expect(
      events.filter(({ event, level }) => event === "authz.deny" && level === 20),
    ).to.have.length(1);
  });
});
