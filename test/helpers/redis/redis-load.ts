import type { RawClient } from "../server/raw-client.js";
import { claimsOf } from "../tokens/test-issuer.js";
import { password, RedisNode, type Tokens, whoApp } from "./redis-node.js";

/** What the load has seen; every count is of things that must not happen, but the first three. */
export interface LoadTally {
  refreshes: number;
  calls: number;
  revocations: number;
  /** A refresh token that nobody used twice was refused. */
  familiesLost: number;
  /** A call on a live session was refused, or its connection closed. */
  callsRefused: number;
  /** The longest that a refresh took which was refused since the store was away, milliseconds. */
  slowestRefusal: number;
}

interface Revoked {
  readonly token: string;
}

const revoked = -32005;

/** Refreshes, calls and revocations on all nodes of a deployment, until it is stopped. */
export class RedisLoad {
  readonly nodes: readonly RedisNode[];
  readonly tally: LoadTally = {
    refreshes: 0,
    calls: 0,
    revocations: 0,
    familiesLost: 0,
    callsRefused: 0,
    slowestRefusal: 0,
  };
  /** Tokens whose revocation was acknowledged. */
  readonly #revoked: Revoked[] = [];
  readonly #clients: RawClient[] = [];
  readonly #work: Promise<void>[] = [];
  #isStopping = false;

  private constructor(nodes: readonly RedisNode[]) {
    this.nodes = nodes;
  }

  /** A node for each URL; they may lead to one Redis on different ways. */
  static async start(urls: readonly string[], prefix: string, workers: number): Promise<RedisLoad> {
    const nodes: RedisNode[] = [];
    for (const url of urls) nodes.push(await RedisNode.start({ url, prefix }, whoApp()));
    const load = new RedisLoad(nodes);
    await nodes[0]?.issuer.users.add("ada", password, {});
    for (let n = 0; n < workers; n++) {
      const node = nodes[n % nodes.length] as RedisNode;
      const tokens = await node.login();
      const client = await node.connect(tokens.access_token);
      load.#clients.push(client);
      load.#work.push(load.#refresh(node, await node.login()), load.#call(client));
    }
    load.#work.push(load.#revoke());
    return load;
  }

  /** After Redis was emptied: the users are gone with it. */
  async signUpAgain(): Promise<void> {
    for (;;) {
      try {
        return await this.nodes[0]?.issuer.users.add("ada", password, {});
      } catch (error) {
        if (!(error instanceof Error)) throw error; // not back yet
        await pause(20);
      }
    }
  }

  /**
   * Until every node accepts a token and lets a refresh token be used again. Returns the
   * milliseconds that it took.
   */
  async recovery(): Promise<number> {
    const startedAt = performance.now();
    await Promise.all(
      this.nodes.map(async (node) => {
        while (!(await isWell(node))) await new Promise((resolve) => setTimeout(resolve, 10));
      }),
    );
    return performance.now() - startedAt;
  }

  /** How many of the tokens that were revoked last are accepted by some node. */
  async revokedButAccepted(most = 30): Promise<number> {
    let accepted = 0;
    for (const { token } of this.#revoked.slice(-most)) {
      for (const node of this.nodes) if ((await codeOf(node, token)) !== revoked) accepted++;
    }
    return accepted;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#work);
    await Promise.all(this.#clients.map((client) => client.close()));
    for (const node of this.nodes) await node[Symbol.asyncDispose]();
  }

  /** As a client does: a token is used until it is answered, and then its successor. */
  async #refresh(node: RedisNode, { refresh_token }: Tokens): Promise<void> {
    for (let token = refresh_token; !this.#isStopping; await pause(20)) {
      const startedAt = performance.now();
      const response = await node.post("/token", {
        grant_type: "refresh_token",
        refresh_token: token,
      });
      const body = (await response.json()) as Partial<Tokens>;
      const took = performance.now() - startedAt;
      if (response.status === 503)
        this.tally.slowestRefusal = Math.max(this.tally.slowestRefusal, took);
      if (response.status === 400) {
        this.tally.familiesLost++;
        return;
      }
      if (body.refresh_token === undefined) continue; // 503
      this.tally.refreshes++;
      token = body.refresh_token;
    }
  }

  async #call(client: RawClient): Promise<void> {
    for (; !this.#isStopping; await pause(20)) {
      const answer = await Promise.race([client.call("who"), client.closed]);
      if ("result" in answer && answer.result === "ada") this.tally.calls++;
      else this.tally.callsRefused++;
      if ("code" in answer) return;
    }
  }

  async #revoke(): Promise<void> {
    for (let n = 0; !this.#isStopping; n++) {
      const node = this.nodes[n % this.nodes.length] as RedisNode;
      try {
        const { access_token: token } = await node.login();
        await node.server.revoke({ jti: String(claimsOf(token).jti) });
        this.#revoked.push({ token });
        this.tally.revocations++;
      } catch (error) {
        if (!(error instanceof Error)) throw error; // the store is away: not acknowledged
      }
      await pause(30);
    }
  }
}

async function isWell(node: RedisNode): Promise<boolean> {
  try {
    const { access_token, refresh_token } = await node.login();
    const used = await node.post("/token", { grant_type: "refresh_token", refresh_token });
    await used.arrayBuffer();
    return used.status === 200 && (await codeOf(node, access_token)) === 0;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

/** Of the error with which a node answers a token; 0: it accepts it. */
async function codeOf(node: RedisNode, token: string): Promise<number> {
  const client = await node.open();
  const { error } = await client.authenticate(token);
  await client.close();
  return error?.code ?? 0;
}

function pause(delay: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delay));
}
