import { expect } from "chai";
import { Command } from "commander";
import {
  type ServeOptions,
  serverSettings,
  withServeOptions,
} from "../../../src/cli/settings/serve-settings.js";

describe("What `jotwire serve` tells the server", () => {
  const settings = (...args: readonly string[]) => {
    const command = withServeOptions(new Command()).parse(args, { from: "user" });
    return serverSettings(command.opts<ServeOptions>());
  };

  it("has the claims that a refresh may not change: those that are named, by default none", () => {
    expect(settings()).to.have.property("identityClaims").that.deep.equals([]);
    const named = settings("--identity-claim", "org_id", "--identity-claim", "tenant");
    expect(named).to.have.property("identityClaims").that.deep.equals(["org_id", "tenant"]);
  });
});
