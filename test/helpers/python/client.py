"""A client in another language, made of Debian's websockets and PyJWT alone: it signs its own tokens, and prints what it is answered.

Reads a JSON object from standard input: url, key (PEM or secret), algorithm. Prints a JSON object: step -> response.
"""
import asyncio
import json
import sys
import time
import uuid

import jwt
import websockets


def token_of(settings, **claims):
    now = int(time.time())
    payload = {
        "iss": "https://id.test",
        "aud": "test",
        "sub": "ada",
        "iat": now,
        "exp": now + 60,
        "jti": str(uuid.uuid4()),
        "scope": "numbers:add",
        **claims,
    }
    return jwt.encode(payload, settings["key"], algorithm=settings["algorithm"], headers={"typ": "at+jwt"})


class Client:
    def __init__(self, socket):
        self.socket = socket
        self.last_id = 0

    async def call(self, method, params=None):
        self.last_id += 1
        request = {"jsonrpc": "2.0", "id": self.last_id, "method": method}
        if params is not None:
            request["params"] = params
        await self.socket.send(json.dumps(request))
        async for text in self.socket:
            message = json.loads(text)
            if message.get("id") == self.last_id:
                return message
        raise RuntimeError(f"closed before the answer to {method}: {self.socket.close_code}")


async def converse(settings):
    now = int(time.time())
    async with websockets.connect(settings["url"], subprotocols=["jotwire.v1"]) as socket:
        client = Client(socket)
        steps = {"subprotocol": socket.subprotocol}
        steps["call before authenticate"] = await client.call("numbers.add", {"a": 1})
        steps["another audience"] = await client.call("authenticate", {"token": token_of(settings, aud="other")})
        steps["expired"] = await client.call("authenticate", {"token": token_of(settings, exp=now - 1)})
        steps["unsigned"] = await client.call("authenticate", {"token": jwt.encode({"sub": "ada", "exp": now + 60}, None, algorithm="none")})
        first = token_of(settings, iat=now - 5)
        steps["authenticate"] = await client.call("authenticate", {"token": first})
        steps["call"] = await client.call("numbers.add", {"a": 1, "b": 2})
        steps["not in scope"] = await client.call("admin.reset")
        steps["refresh for somebody else"] = await client.call("refresh", {"token": token_of(settings, sub="bob")})
        steps["refresh with a broken signature"] = await client.call("refresh", {"token": first[:-8] + "AAAAAAAA"})
        steps["refresh"] = await client.call("refresh", [token_of(settings, scope="numbers:add admin")])
        steps["in scope now"] = await client.call("admin.reset")
        steps["late refresh"] = await client.call("refresh", {"token": first})
        steps["whoami"] = await client.call("whoami")
        return steps


print(json.dumps(asyncio.run(converse(json.load(sys.stdin)))))
