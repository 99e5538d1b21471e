import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { withFolder } from "../helpers/temporary-folder.js";
import { IssuerProcess, issuerOn } from "../helpers/tokens/issuer-process.js";

const password = "correct horse battery";
const kills = 50;
const sessions = 4; // of which one logs in anew all the time
const longestLife = 40; // ms of requests before the kill: some dozens of writes

interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
}

describe("an issuer that is killed", () => {
  it(`has lost nobody's session after ${kills} kills in the middle of logins and refreshes`, async () => {
    await withFolder(async (folder) => {
      const administration = await issuerOn(folder);
      await administration.users.add("ada", password);
      /** How many successors of a token were issued, but not received. */
      const unheardOf = async (token: string): Promise<number> => {
        const [id = "", secret = ""] = token.split(".");
        const issued = (await administration.store.families.get(id))?.generation ?? 0;
        return issued - Buffer.from(secret, "base64url").readUInt32BE();
      };
      let next = new IssuerProcess();
      let known: readonly string[] = [];
      let lostReplies = 0;
      for (let round = 0; round < kills; round += 1) {
        const process = next;
        const url = await process.serve(folder);
        next = new IssuerProcess(); // loads meanwhile
        for (const token of known) lostReplies += await unheardOf(token);
        if (known.length === 0)
          known = await Promise.all(Array.from({ length: sessions }, () => login(url)));
        // what the last kill left is enough to go on
        else known = await Promise.all(known.map((token) => refresh(url, token)));
        await login(url); // a login that was cut short counts as failed, until this one succeeds
        const clients = known.map((token, index) =>
          index === 0 ? loginOn(url, token) : refreshOn(url, token),
        );
        await sleep(Math.random() * longestLife);
        await process.kill();
        known = await Promise.all(clients);
      }
      await next.kill();
      // some died between the commit and the answer, others before
      expect(lostReplies).to.be.within(1, kills * sessions - 1);
      await administration.store.families.sweep(0); // reads every family: none is damaged
      await administration.close();
    });
  }).timeout(120_000); // some 25 s on two idle cores
});

/**
 * Uses one refresh token after the other until the issuer is gone. Returns the last that was
 * received.
 */
async function refreshOn(url: string, first: string): Promise<string> {
  for (let last = first; ; ) {
    const answer = await untilKilled(refresh(url, last));
    if (answer === undefined) return last;
    last = answer;
  }
}

/**
 * Logs in again and again until the issuer is gone. Returns the last refresh token that was
 * received.
 */
async function loginOn(url: string, first: string): Promise<string> {
  for (let last = first; ; ) {
    const answer = await untilKilled(login(url));
    if (answer === undefined) return last;
    last = answer;
  }
}

/** Undefined: the connection broke. Any other failure is one of the issuer's. */
async function untilKilled(answer: Promise<string>): Promise<string | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof TypeError) return undefined; // what fetch throws for a broken connection
    throw error;
  }
}

async function login(url: string): Promise<string> {
  return (await post(`${url}/login`, { username: "ada", password })).refresh_token;
}

async function refresh(url: string, token: string): Promise<string> {
  return (await post(`${url}/token`, { grant_type: "refresh_token", refresh_token: token }))
    .refresh_token;
}

async function post(url: string, body: object): Promise<Tokens> {
  const response = await fetch(url, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "Content-Type": "application/json" },
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return JSON.parse(text);
}
