import { expect } from "chai";
import { AuthStopError, type TokenRequest } from "../../../client/index.js";
import { Credentials } from "../../../console/model/session/credentials.js";
import {
  type TokenEndpoint,
  TokenRefusal,
  type Tokens,
} from "../../../console/model/session/token-endpoint.js";
import { rejectionOf } from "../../helpers/rejection.js";

const request = (force: boolean, previous: string | null): TokenRequest => ({
  ...{ reason: force ? "refresh" : "connect", force, attempt: 1, previous },
  signal: new AbortController().signal,
});
const alive = () => true;
const gone = () => false;

function endpoint(refresh: (token: string) => Promise<Tokens>): TokenEndpoint {
  return { refresh, logIn: async () => ({ access: "none" }), revoke: async () => {} };
}

describe("The console's credentials", () => {
  it("give the token that is there, and a new one when that is of no more use", async () => {
    const told: Tokens[] = [];
    const issuer = endpoint(async (token) => ({ access: `${token}-access`, refresh: `${token}+` }));
    const credentials = new Credentials({ access: "first", refresh: "r" }, issuer, (tokens) =>
      told.push(tokens),
    );
    expect(await credentials.give(request(false, null), gone)).to.equal("first");
    // it is new to who asks
    expect(await credentials.give(request(true, "older"), alive)).to.equal("first");
    expect(await credentials.give(request(true, "first"), alive)).to.equal("r-access");
    expect(await credentials.give(request(true, "r-access"), alive)).to.equal("r+-access");
    expect(told.map(({ refresh }) => refresh)).to.deep.equal(["r+", "r++"]);
  });

  it("give none while they are held back, which ends nothing", async () => {
    const credentials = new Credentials(
      { access: "first", refresh: "r" },
      endpoint(async () => ({ access: "second" })),
      () => {},
    );
    credentials.isHeld = true;
    expect(await rejectionOf(credentials.give(request(true, "first"), alive))).to.not.be.instanceOf(
      AuthStopError,
    );
    credentials.isHeld = false;
    expect(await credentials.give(request(true, "first"), alive)).to.equal("second");
  });

  it("end when the issuer says no, and not when it can't be reached", async () => {
    const failing = (error: Error) =>
      new Credentials(
        { access: "a", refresh: "r" },
        endpoint(() => Promise.reject(error)),
        () => {},
      );
    expect(
      await rejectionOf(failing(new TokenRefusal("revoked")).give(request(true, "a"), alive)),
    ).to.be.instanceOf(AuthStopError);
    expect(
      await rejectionOf(failing(new TypeError("no network")).give(request(true, "a"), alive)),
    ).to.be.instanceOf(TypeError);
  });

  it("of a pasted token end with it, but not before; another may be pasted", async () => {
    const credentials = new Credentials({ access: "pasted" }, undefined, () => {});
    expect(credentials.isRenewable).to.equal(false);
    expect(
      await rejectionOf(credentials.give(request(true, "pasted"), alive)),
    ).to.not.be.instanceOf(AuthStopError);
    expect(await rejectionOf(credentials.give(request(true, "pasted"), gone))).to.be.instanceOf(
      AuthStopError,
    );
    credentials.paste("another");
    expect(await credentials.give(request(true, "pasted"), alive)).to.equal("another");
  });
});
