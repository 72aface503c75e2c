"""Many clients at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp
import httpx

from tests.servers import HANG_SECONDS, Server

T = TypeVar("T")

JSON = {"Content-Type": "application/json"}


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of asynchronous work."""

    async def bounded() -> T:
        async with asyncio.timeout(HANG_SECONDS):
            return await work

    return asyncio.run(bounded())


def session(server: Server, clients: int) -> aiohttp.ClientSession:
    """A session in which this many clients can wait for answers at once; httpx would be busy with itself."""
    return aiohttp.ClientSession(server.url, connector=aiohttp.TCPConnector(limit=clients))


async def post(client: aiohttp.ClientSession, path: str, body: Any) -> httpx.Response:
    """The response to a JSON document, as the tests know it."""
    headers = JSON | {"X-Request-ID": f"crowd-{uuid4().hex}"}
    async with client.post(path, data=json.dumps(body), headers=headers) as response:
        return httpx.Response(
            response.status,
            headers=dict(response.headers),
            content=await response.read(),
            request=httpx.Request("POST", path, headers=headers),
        )


async def post_all(server: Server, path: str, bodies: Sequence[Any], clients: int) -> list[httpx.Response]:
    """The responses to all bodies, in order, asked for by this many clients at once."""
    waiting = list(enumerate(bodies))[::-1]
    responses: dict[int, httpx.Response] = {}

    async with session(server, clients) as client:

        async def work() -> None:
            while waiting:
                number, body = waiting.pop()
                responses[number] = await post(client, path, body)

        await asyncio.gather(*(work() for _ in range(clients)))
    return [responses[number] for number in range(len(bodies))]
