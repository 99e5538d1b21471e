import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import type { ProviderOptions } from "../../src/auth/provider-options.js";
import { eventually } from "../helpers/eventually.js";
import { RawClient } from "../helpers/server/raw-client.js";
import { sampleApp } from "../helpers/server/test-server.js";
import { startTimed, type TimedServer } from "../helpers/server/timed-server.js";
import { createTestKeys, signToken, type TestKeys } from "../helpers/tokens/tokens.js";

const [old, next] = [createTestKeys("ES256", "old"), createTestKeys("ES256", "next")];

/** A server that fetches the keys of an issuer, and no limit of failures that would help. */
class Deployment implements AsyncDisposable {
  published: readonly TestKeys[] = [old];
  fetches = 0;
  readonly server: TimedServer;
  readonly #close: () => Promise<void>;

  private constructor(server: TimedServer, close: () => Promise<void>) {
    this.server = server;
    this.#close = close;
  }

  static async start(more: Partial<ProviderOptions> = {}): Promise<Deployment> {
    let deployment: Deployment | undefined;
    const http = createServer((_request, response) => {
      if (deployment !== undefined) deployment.fetches++;
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({ keys: (deployment?.published ?? []).map(({ publicJwk }) => publicJwk) }),
      );
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    const jwks = `http://127.0.0.1:${(http.address() as AddressInfo).port}/jwks`;
    const server = await startTimed(sampleApp(), {
      auth: { issuer: "https://id.test", audience: "test", jwks, allowPrivateHosts: true, ...more },
      trustProxy: ["loopback"],
      limits: {
        failedAuthCalls: 1,
        authFailuresPerAddress: 1,
        unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY,
        authDeadline: Number.POSITIVE_INFINITY,
      },
    });
    deployment = new Deployment(server, async () => {
      await server.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    });
    return deployment;
  }

  from(address: string): Promise<RawClient> {
    return RawClient.connect(this.server.url, { headers: { "X-Forwarded-For": address } });
  }

  token(keys: TestKeys, header: Readonly<Record<string, unknown>> = {}): string {
    return signToken(keys, { iat: this.server.seconds() }, header);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

describe("A made-up kid just before an issuer rotates its keys", () => {
  it("keeps nobody out: clients of other addresses log in with tokens of the new key at once, and live sessions are renewed", async () => {
    await using deployment = await Deployment.start();
    const live = await deployment.from("203.0.113.7"); // behind the same NAT as the attacker
    expect(await live.authenticate(deployment.token(old))).to.have.property("result");
    const attacker = await deployment.from("203.0.113.7");
    expect(
      (await attacker.authenticate(deployment.token(old, { kid: "made up" }))).error?.code,
    ).to.equal(-32004);
    deployment.published = [next];
    deployment.server.clock.advance(1_000);
    const clients = await Promise.all(
      Array.from({ length: 15 }, (_, n) => deployment.from(`198.51.100.${n}`)),
    );
    for (const client of clients)
      expect(await client.authenticate(deployment.token(next))).to.have.property("result");
    expect(await live.call("refresh", { token: deployment.token(next) })).to.have.nested.property(
      "result.changed",
      true,
    );
    expect(deployment.fetches).to.equal(3);
  });

  it("costs the attacker's address some seconds, which are no failures: it is told when to come again", async () => {
    await using deployment = await Deployment.start();
    for (let n = 0; n < 5; n++) {
      const attacker = await deployment.from(`203.0.113.${n}`);
      await attacker.authenticate(deployment.token(old, { kid: "made up" }));
    }
    deployment.published = [next];
    const client = await deployment.from("198.51.100.1");
    const token = deployment.token(next);
    for (let n = 0; n < 20; n++) {
      const { error } = await client.authenticate(token);
      expect(error?.code).to.equal(-32007);
      expect(error?.data).to.deep.include({
        reason: "auth_unavailable",
        temporary: true,
        executed: false,
        action: "retry",
        retryAfter: 8,
      });
    }
    const http = await fetch(`http://127.0.0.1:${deployment.server.listening.port}/openrpc.json`, {
      headers: { Authorization: `Bearer ${token}`, "X-Forwarded-For": "198.51.100.1" },
    });
    expect([http.status, http.headers.get("retry-after")]).to.deep.equal([503, "8"]);
    await deployment.from("198.51.100.1"); // it is not barred
    deployment.server.clock.advance(8_000);
    expect(await client.authenticate(token)).to.have.property("result");
  });
});

describe("A refresh token that is exchanged for a token of a new key", () => {
  it("is not lost when the key may not be fetched yet: the server waits, and judges once more", async () => {
    let renewals = 0;
    const renew = async () => {
      renewals++;
      return { token: deployment.token(next), refreshToken: "r2" };
    };
    await using deployment = await Deployment.start({ renew });
    const { clock } = deployment.server;
    const client = await deployment.from("198.51.100.1");
    await client.authenticate(deployment.token(old));
    for (let n = 0; n < 5; n++)
      await (await deployment.from(`203.0.113.${n}`)).authenticate(
        deployment.token(old, { kid: "made up" }),
      );
    deployment.published = [next];
    const timers = clock.pending;
    const refreshed = client.call("refresh", { refreshToken: "r1" });
    await eventually(() => expect(clock.pending).to.equal(timers + 1));
    clock.advance(7_500);
    expect(await refreshed)
      .to.have.property("result")
      .that.includes({ changed: true, refreshToken: "r2" });
    expect(renewals).to.equal(1);
  });

  it("leaves no timer when the peer does not wait", async () => {
    const renew = async () => ({ token: deployment.token(next), refreshToken: "r2" });
    await using deployment = await Deployment.start({ renew });
    const { clock } = deployment.server;
    const idle = clock.pending;
    const client = await deployment.from("198.51.100.1");
    await client.authenticate(deployment.token(old));
    const attackers = await Promise.all(
      Array.from({ length: 4 }, (_, n) => deployment.from(`203.0.113.${n}`)),
    );
    for (const attacker of attackers)
      await attacker.authenticate(deployment.token(old, { kid: "made up" }));
    // a failure is the end of a connection here
    for (const attacker of attackers) await attacker.closed;
    const timers = clock.pending;
    client.send({ jsonrpc: "2.0", id: 1, method: "refresh", params: { refreshToken: "r1" } });
    await eventually(() => expect(clock.pending).to.equal(timers + 1));
    await client.close();
    await eventually(() => expect(clock.pending).to.equal(idle));
  });
});

describe("A token that was good until it expired", () => {
  const limits = {
    authFailuresPerAddress: 3,
    failedAuthCalls: Number.POSITIVE_INFINITY,
    unauthenticatedConnectionsPerAddress: Number.POSITIVE_INFINITY,
  };

  it("does not bar the address of the device that presents it again and again, on a socket or over HTTP", async () => {
    await using server = await startTimed(sampleApp(), { limits });
    const expired = server.token({ iat: server.seconds() - 1_000 });
    const device = await server.connect();
    for (let n = 0; n < 110; n++)
      expect((await device.authenticate(expired)).error?.code).to.equal(-32002);
    const headers = { Authorization: `Bearer ${expired}` };
    for (let n = 0; n < 10; n++)
      expect(
        (await fetch(`http://127.0.0.1:${server.listening.port}/openrpc.json`, { headers })).status,
      ).to.equal(401);
    expect(await (await server.connect()).authenticate(server.token())).to.have.property("result");
  });

  it("counts when anything else is wrong with it", async () => {
    const wrong = [
      { aud: "another" },
      { iss: "https://other.test" },
      { cnf: { jkt: "x" } },
      { sub: "" },
      { nbf: 4_000_000_000 },
    ];
    for (const claims of wrong) {
      await using server = await startTimed(sampleApp(), { limits });
      const iat = server.seconds() - 1_000;
      const client = await server.connect();
      for (let n = 0; n < 3; n++)
        expect(
          (await client.authenticate(server.token({ iat, ...claims }))).error?.code,
          JSON.stringify(claims),
        ).to.equal(-32004);
      expect(
        await server.connect().catch((error: Error) => error.message),
        JSON.stringify(claims),
      ).to.match(/429/);
    }
    await using server = await startTimed(sampleApp(), { limits });
    const [header, payload] = server.token({ iat: server.seconds() - 1_000 }).split(".");
    const forged = [header, payload, server.token().split(".")[2]].join(".");
    const client = await server.connect();
    for (let n = 0; n < 3; n++)
      expect((await client.authenticate(forged)).error?.code).to.equal(-32004);
    expect(await server.connect().catch((error: Error) => error.message)).to.match(/429/);
  });
});
