import { request } from "node:http";

export interface UpgradeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
}

/**
 * Asks for a WebSocket with a handshake of our own (RFC 6455 §4.1), and gives whatever HTTP
 * answers. The socket is cut at once.
 */
export function upgrade(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<UpgradeAnswer> {
  const handshake = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    ...headers,
  };
  return new Promise((resolve, reject) => {
    const asked = request(url.replace(/^ws/, "http"), { headers: handshake, agent: false });
    asked.once("error", reject);
    asked.once("upgrade", ({ statusCode = 0, headers }, socket) => {
      socket.destroy();
      resolve({ status: statusCode, headers, body: "" });
    });
    asked.once("response", async (response) => {
      let body = "";
      for await (const chunk of response) body += String(chunk);
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
    });
    asked.end();
  });
}
