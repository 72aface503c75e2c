"""When work on one request lets others have their turns on the event loop."""

from __future__ import annotations

import asyncio

ROWS_BETWEEN_YIELDS = 25
"""Rows read or counted one by one before other requests get their turn: some 2 ms of work at most."""

TURNS = 3
"""Turns of the event loop that others get between two steps of a long piece of work. A request takes some five from its
bytes to its answer's, and would wait for a step, of a millisecond or so for a list of 500 rows, before each of them."""


async def give_way() -> None:
    """Let others have their turns between two steps of a long piece of work."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
