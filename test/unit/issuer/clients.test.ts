import { expect } from "chai";
import type { Revocation } from "../../../src/auth/revocation/revocation.js";
import { rejectionOf } from "../../helpers/rejection.js";
import { openIssuer } from "../../helpers/tokens/test-issuer.js";

describe("the client directory", () => {
  it("revokes the tokens of a client that is removed, and of no other", async () => {
    const { issuer, clock } = await openIssuer();
    const told: Revocation[] = [];
    issuer.onRevocation((revocation) => told.push(revocation));
    await issuer.clients.add({ clientId: "billing", scopes: ["orders:read"] });
    await issuer.clients.add({ clientId: "reports", scopes: [] });
    await issuer.clients.remove("billing");
    expect(told.map(({ subject, issuedBefore }) => ({ subject, issuedBefore }))).to.deep.equal([
      { subject: "client:billing", issuedBefore: Math.floor(clock.now() / 1_000) },
    ]);
    expect((await issuer.clients.list()).map(({ clientId }) => clientId)).to.deep.equal([
      "reports",
    ]);
  });

  it("takes an id once, and never that of all logins", async () => {
    const { issuer } = await openIssuer();
    await issuer.clients.add({ clientId: "billing", scopes: [] });
    for (const clientId of ["billing", "jotwire"]) {
      expect((await rejectionOf(issuer.clients.add({ clientId, scopes: [] }))).message).to.include(
        "exists already",
      );
    }
    expect((await issuer.clients.list()).map(({ clientId }) => clientId)).to.deep.equal([
      "billing",
    ]);
  });

  it("revokes nothing for a client that there is not", async () => {
    const { issuer } = await openIssuer();
    const told: Revocation[] = [];
    issuer.onRevocation((revocation) => told.push(revocation));
    await rejectionOf(issuer.clients.remove("nobody"));
    expect(told).to.deep.equal([]);
  });
});
