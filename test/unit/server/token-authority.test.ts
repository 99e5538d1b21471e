import { expect } from "chai";
import type { ProviderOptions } from "../../../src/auth/provider-options.js";
import type { Auth } from "../../../src/rpc/define/access.js";
import { longestLifetime, TokenAuthority } from "../../../src/server/token-authority.js";
import { ManualClock } from "../../helpers/manual-clock.js";
import { createTestKeys } from "../../helpers/tokens/tokens.js";
import { noFetch } from "../../helpers/tokens/verification.js";

const minute = 60_000;
const provider = (maxLifetime?: number): ProviderOptions => ({
  ...{
    issuer: `https://${maxLifetime}.test`,
    audience: "test",
    publicKey: createTestKeys().publicJwk,
  },
  ...(maxLifetime === undefined ? {} : { maxLifetime }),
});

describe("how long a revocation must be remembered", () => {
  it("is the longest life of a token, and a minute for clocks that differ", () => {
    expect(longestLifetime([provider(5 * minute), provider(15 * minute)])).to.equal(16 * minute);
  });

  it("is not known when the tokens of one issuer may live for any time: nothing is forgotten then", () => {
    expect(longestLifetime([provider(5 * minute), provider()])).to.equal(undefined);
    expect(longestLifetime([provider(5 * minute), () => null])).to.equal(undefined);
    expect(longestLifetime([provider(5 * minute), { verify: () => null }])).to.equal(undefined);
  });
});

describe("the authority over tokens", () => {
  it("uses up no refresh token while it is not known what was revoked, since what comes of it could not be accepted", async () => {
    const used: string[] = [];
    let isKnown = false;
    const renew = async (refreshToken: string) => {
      used.push(refreshToken);
      return { token: "t", refreshToken: "r" };
    };
    const authority = new TokenAuthority([{ ...provider(), renew }], undefined, [], {
      ...{
        clock: new ManualClock(),
        fetchDocument: noFetch,
        production: true,
        onKeyFailure: () => {},
        onUnusedKey: () => {},
        onAccepted: () => {},
      },
      whenReady: () => (isKnown ? Promise.resolve() : Promise.reject(new Error("cut off"))),
    });
    const identity = { issuer: "https://undefined.test", subject: "ada" } as Auth;
    const ask = () => authority.renew(identity, "refresh-token", "192.0.2.1");
    expect(await ask().catch((error: Error) => error.message)).to.equal("cut off");
    expect(used).to.deep.equal([]);
    isKnown = true;
    expect(await ask()).to.deep.equal({ token: "t", refreshToken: "r" });
    expect(used).to.deep.equal(["refresh-token"]);
  });
});
