import { expect } from "chai";
import { rejectionOf } from "../../helpers/rejection.js";
import { RawClient } from "../../helpers/server/raw-client.js";
import { sampleApp, startServer, type TestServer } from "../../helpers/server/test-server.js";

const warnings = (server: TestServer) =>
  server.log.filter(({ fields }) => fields.event === "origin.refused");
const connectFrom = (server: TestServer, origin: string) =>
  rejectionOf(RawClient.connect(server.url, { origin }));

describe("A refused origin", () => {
  it("is in the log once, with what to add, and no more than a hundred are", async () => {
    await using server = await startServer(sampleApp(), { production: false });
    for (let time = 0; time < 2; time++) await connectFrom(server, "http://localhost:5173");
    expect(warnings(server).map(({ level, message }) => [level, message])).to.deep.equal([
      [
        "warn",
        'pages of "http://localhost:5173" may not connect; to allow them: origins: ["http://localhost:5173"]',
      ],
    ]);
    for (let n = 0; n < 150; n++) await connectFrom(server, `http://localhost:${10_000 + n}`);
    expect(warnings(server).length).to.be.at.most(100);
  });

  it("is not in the log in production, where anybody may try any", async () => {
    await using server = await startServer(sampleApp(), { production: true });
    await connectFrom(server, "http://localhost:5173");
    expect(warnings(server)).to.deep.equal([]);
  });
});

describe("The path of the WebSocket", () => {
  it("may end with a slash, and is no other one", async () => {
    await using server = await startServer(sampleApp(), { path: "/rpc" });
    const client = await RawClient.connect(`${server.url}/`);
    expect((await client.call("ping")).error?.code).to.equal(undefined);
    const other = await rejectionOf(RawClient.connect(`${server.url}//`));
    expect(other.message).to.include("404");
  });
});
