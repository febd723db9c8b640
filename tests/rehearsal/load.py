"""Asks a web server again and again and counts what went wrong: python -m tests.rehearsal.load URL SECONDS PER_SECOND.

Every second request is made on a new connection, the others on those that are open. Prints one object of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import httpx


async def ask(client: httpx.AsyncClient, url: str, number: int, failures: list[str]) -> None:
    """One request; anything but 200 is a failure."""
    headers = {"Connection": "close"} if number % 2 else {}
    try:
        answer = await client.get(url, headers=headers)
        if answer.status_code != 200:
            failures.append(f"{number}: status {answer.status_code}")
    except httpx.HTTPError as error:
        failures.append(f"{number}: {type(error).__name__} {error}")


async def main(url: str, seconds: float, per_second: float) -> None:
    """Keeps the pace whatever the answers take."""
    failures: list[str] = []
    started = time.monotonic()
    count = int(seconds * per_second)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    async with httpx.AsyncClient(timeout=20, limits=limits) as client, asyncio.TaskGroup() as tasks:
        for number in range(count):
            await asyncio.sleep(max(0.0, started + number / per_second - time.monotonic()))
            tasks.create_task(ask(client, url, number, failures))
    took = time.monotonic() - started
    print(json.dumps({"sent": count, "failures": failures, "per_second": round(count / took, 1)}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
