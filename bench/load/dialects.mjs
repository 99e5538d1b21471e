/**
 * What each peer hears. `path` is where its WebSocket is; `greeting` are the steps before the first
 * call: what is sent, if anything, and what the answer must look like; `call` is the text of a call
 * and `reply` what its reply looks like.
 */
const params = '{"sku":"A1","qty":2}';
const reply = /"sku":"A1","qty":2/;

const jsonRpc = (method, id) =>
  `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${params}}`;
const authenticate = (sign) => {
  const token = sign({ iat: Math.floor(Date.now() / 1000) - 60 }); // older than all that come later
  return {
    send: `{"jsonrpc":"2.0","id":1,"method":"authenticate","params":{"token":"${token}"}}`,
    expect: /"result"/,
  };
};

const subscribe = {
  send: '{"jsonrpc":"2.0","id":2,"method":"prices"}',
  expect: /"subscription":"prices A1"/,
};

const plain = { path: "/", greeting: () => [], call: (id) => jsonRpc("orders.get", id), reply };
const jotwire = {
  path: "/rpc",
  greeting: (sign) => [authenticate(sign)],
  call: (id) => jsonRpc("orders.get", id),
  reply,
};

/** A call of a topic, again and again on one connection. */
const subscribing = (topic) => ({
  ...jotwire,
  call: (id) => `{"jsonrpc":"2.0","id":${id},"method":"${topic}"}`,
});

export const dialects = {
  jsonRpc: plain,
  jotwire,
  jotwireChecked: { ...jotwire, call: (id) => jsonRpc("orders.check", id) },
  jotwireSubscriber: { ...jotwire, greeting: (sign) => [authenticate(sign), subscribe] },
  jotwireOpen: { ...jotwire, greeting: () => [] },
  rules: jotwire,
  rulesNow: { ...jotwire, call: (id) => jsonRpc("orders.ruled", id) },
  rulesLater: { ...jotwire, call: (id) => jsonRpc("orders.asked", id) },
  middleware: { ...jotwire, call: (id) => jsonRpc("orders.used", id) },
  noSnapshot: { ...subscribing("prices"), reply: /"subscription":"prices A1"/ },
  snapshot: { ...subscribing("state"), reply: /"snapshot":\{"sku":"A1"/ },
  verify: { ...plain, greeting: (sign) => [authenticate(sign)] },
  trpc: {
    ...plain,
    call: (id) =>
      `{"id":${id},"jsonrpc":"2.0","method":"query","params":{"path":"orders.get","input":${params}}}`,
  },
  socketIo: {
    path: "/socket.io/?EIO=4&transport=websocket",
    greeting: () => [{ expect: /^0\{/ }, { send: "40", expect: /^40/ }],
    call: (id) => `42${id}["orders.get",${params}]`,
    reply,
    heartbeat: "3",
  },
  socketCluster: {
    path: "/socketcluster/",
    greeting: () => [{ send: '{"event":"#handshake","data":{},"cid":1}', expect: /"rid":1/ }],
    call: (id) => `{"event":"orders.get","data":${params},"cid":${id}}`,
    reply,
    heartbeat: "",
  },
};

/** `size` calls from `id` on in one frame. */
export function batchOf(dialect, id, size) {
  return `[${Array.from({ length: size }, (_, index) => dialect.call(id + index)).join(",")}]`;
}
