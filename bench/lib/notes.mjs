/**
 * Where the time goes in what is hard to reach, from profiles (`node bench/profile.mjs SCENARIO`):
 * shown beside a row that is not reached.
 */
export const notes = {
  peers:
    "Of a call a sixth each are reading JSON and the write to the socket (one for all replies of a turn), an eighth is reading frames in `ws`, 8 % each are the checks with the connection's own work, and the engine (json-rpc-2.0) with its promise, 6 % is the dispatcher, 5 % writing JSON, 7 % the garbage collector. The best of the peers does little more than `ws` with `JSON.parse` and `JSON.stringify`, and checks nothing.",
  single:
    "One reply in a write: 55 % of the call is that one system call, which the echo makes too. Nothing can be gathered where one call is in flight. The rest of the difference: reading and making JSON 6 %, which an echo does not; checks 4 %, engine 3 %, dispatcher 2 %, outbox and the making of frames 3 %.",
  connect:
    "Most of it is the TCP accept, the HTTP upgrade, two writes, and the verification by jose and OpenSSL, which the peer has too. What jotwire adds: reading token and claims strictly (one meaning for each JSON text, no member twice, frozen) and the fingerprint; the peer's address, by which connections are limited; the connection's id, timer, entry in the roster and listeners; and what the garbage collector does about all that.",
  refresh:
    "Half is the verification, in OpenSSL and in jose around it, a tenth the write of the answer; both are the peer's too. What jotwire adds: reading token and claims strictly, the fingerprint by which a late refresh is known, and the session's own rules (14 % together; jwtVerify reads and checks claims too, for 3 %), the outbox and the auth lane (4 %), and an answer of ten members instead of two (2 %).",
  badTokens:
    "A wrong signature is verified like a good one. Then jose throws: the error and its stack are 7 % of the whole, and jotwire has no part in them. The line in the log (5 %, most of it the write to standard error) is what one wants to have when tokens are refused. What the good one has in its stead (claims, session, a longer answer) costs a little less. After 5 refusals the connection is closed, after 100 its address waits.",
  garbage:
    "A peer's first garbage costs the parser's error, 8 µs; whoever has sent some is read by a scanner first, and gets an answer of three times the length of a call's.",
  heartbeat:
    "A ping and its pong are one write and one read of the socket, and the wake-up of the process: nearly all of it. The peer sends all pings in one burst, which saves wake-ups and stalls the process; jotwire spreads them over ten.",
  growth:
    "What grows is memory: a call touches the connection, its session, its stream and its socket, which the caches of the processor hold for 10 connections and not for 5,000. jotwire has more of it to touch, and stays cheaper at both ends.",
  events:
    "At its bound: three runs of one day had medians of 0.98, 0.95 and 1.02. Nearly all of it is one write to each socket, the loop's and ours; what is ours beside it is the look at the session before the event is taken and before it is written.",
  client: "At its bound: three runs of one day had medians of 0.86, 0.90 and 0.90.",
  fanOutGrowth:
    "What grows is memory, as with calls. An event is looked at twice for each subscriber: when it is published (may this session have it?), and when the turn's writes are made (may it still?), and at 4,000 subscribers the caches have lost the connection, its session and its list of frames in between. The loop writes at once and checks nothing. It is the price of one write for all events of a turn, which is what makes ten of them cost a fifth of the loop's.",
  restartPeak:
    "By the windows of the drain two thirds of the clients come before the new process listens, and spread again when nobody answers.",
  memoryAbsolute: "Five sixths of it are bare ws: the socket, its streams and its receiver.",
  revocations:
    "A call compares one number. What a million revocations cost is the garbage collector going through them (140 bytes each).",
};
