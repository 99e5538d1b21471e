import { expect } from "chai";
import { describe, it } from "mocha";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import type { Untyped } from "../../../client/index.js";
import { RpcProvider, useSubscription } from "../../../client/react/index.js";
import { scriptedClient, settled } from "../../helpers/client/scripted-client.js";

describe("useSubscription", () => {
  it("refuses an option that doesn't exist, with the names of those that do", async () => {
    const { client, sockets } = scriptedClient<Untyped>({ connect: undefined });
    const draw = (options?: object) => {
      const Prices = () =>
        createElement(
          "p",
          null,
          useSubscription("prices", undefined, options as { onGap?: () => void }).status,
        );
      return renderToString(createElement(RpcProvider<Untyped>, { client }, createElement(Prices)));
    };
    expect(() => draw({ onEvnt() {} })).to.throw(
      TypeError,
      "option onEvnt: not one of enabled,onEvent,onGap",
    );
    for (const options of [undefined, {}, { onEvent() {}, onGap() {} }, { onGap: undefined }])
      expect(draw(options)).to.equal("<p>waiting</p>");
    await settled();
    expect(sockets).to.deep.equal([]);
    await client.close();
  });
});
