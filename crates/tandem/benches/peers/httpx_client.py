"""Reads token streams with httpx and asyncio, as a benchmark script in Python does.

httpx_client.py URL STREAMS REQUESTS TOKENS: every line is parsed and every token stamped. Prints a
JSON array with one object for each request, in the form that the floor prints.
"""

import asyncio
import json
import sys
import time

import httpx


async def one(client, url, seed, tokens):
    body = {
        "model": "metronome",
        "prompt": "stream",
        "options": {"seed": seed, "num_predict": tokens},
    }
    sent = time.perf_counter_ns()
    stamps = []
    async with client.stream("POST", url + "/api/generate", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if not line:
                continue
            stamp = time.perf_counter_ns()
            if json.loads(line)["response"]:
                stamps.append(stamp)
    if len(stamps) != tokens:
        raise SystemExit(f"{len(stamps)} tokens of {tokens}")
    return {"seed": seed, "ttft_ns": stamps[0] - sent, "connect_ns": None}


async def agent(client, url, index, requests, tokens):
    rows = []
    for call in range(requests):
        rows.append(await one(client, url, index * requests + call, tokens))
    return rows


async def main(url, streams, requests, tokens):
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    timeout = httpx.Timeout(60)
    async with httpx.AsyncClient(limits=limits, timeout=timeout) as client:
        rows = await asyncio.gather(
            *(agent(client, url, index, requests, tokens) for index in range(streams))
        )
    json.dump([row for several in rows for row in several], sys.stdout)


url, *numbers = sys.argv[1:]
asyncio.run(main(url, *map(int, numbers)))
