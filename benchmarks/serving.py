"""What `weft serve` costs a prompt of many nodes: what it sends to a client, and how long it takes.

    python benchmarks/serving.py [--json] [--nodes N]        (also: python benchmarks/overhead.py --http)

A server in a process of its own runs the fan-out of `overhead.py` for one client over a WebSocket: one that takes
changes of progress (`supports_progress_changes`), and one that takes ComfyUI's classic form; the same prompt again
comes from the cache. Seconds are of the clock, from the post to the end marker; bytes are those of the frames. Exit
code 1 where a bound is broken: of 3,000 nodes a client that takes changes is sent 5 MB at most, within 3 seconds
(ComfyUI 0.3.64: 1.83 GB and 32 s).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from overhead import fan_out  # noqa: E402

SIZE = 3_000
BOUND_BYTES_A_NODE = 5e6 / SIZE
BOUND_SECONDS_A_NODE = 3.0 / SIZE
CHANGES = {"supports_progress_changes": True}


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The address of a server that knows the nodes of `overhead.py`."""
    command = [sys.executable, "-m", "weft", "serve", "--port", "0", "--nodes", str(HERE / "overhead.py")]
    paths = {"PYTHONPATH": str(HERE.parent / "src"), "XDG_CACHE_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    environment = {**os.environ, **paths}
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            said = process.stderr.readline()
            while said and "listening at " not in said:
                said = process.stderr.readline()
            yield said.split("listening at ")[1].strip()
        finally:
            process.kill()


async def run(address: str, prompt: dict[str, Any], flags: dict[str, Any] | None) -> dict[str, float]:
    """Frames, bytes and seconds of one prompt."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{address}/ws?clientId=b", max_msg_size=0) as ws:
        await ws.receive()
        if flags is not None:
            await ws.send_json({"type": "feature_flags", "data": flags})
            await ws.receive()
        started = time.perf_counter()
        body = {"prompt": prompt, "client_id": "b"}
        async with session.post(f"{address}/prompt", json=body) as response:
            if response.status != 200:
                raise SystemExit(await response.text())
        frames = size = 0
        async for message in ws:
            frames += 1
            size += len(message.data) if isinstance(message.data, bytes) else len(message.data.encode())
            if '"executing"' in message.data and json.loads(message.data)["data"].get("node", "") is None:
                break
        return {"frames": frames, "bytes": size, "seconds": round(time.perf_counter() - started, 3)}


def rows(nodes: int) -> Iterator[dict[str, Any]]:
    """One row for each form of progress, and for the same prompt from the cache."""
    with tempfile.TemporaryDirectory() as place, server(Path(place)) as address:
        asyncio.run(run(address, fan_out(10), None))  # what is loaded for the first prompt is loaded here
        for number, (form, flags) in enumerate((("changes", CHANGES), ("classic", None)), 2):
            prompt = fan_out(nodes)
            prompt["0"]["inputs"]["delta"] = number  # nothing of it was computed for the other form
            for phase in ("cold", "cached"):
                yield {"form": form, "phase": phase, "nodes": nodes, **asyncio.run(run(address, prompt, flags))}


def broken_bounds(measured: list[dict[str, Any]]) -> list[str]:
    """What is too much, a line each."""
    broken = []
    for row in (row for row in measured if row["form"] == "changes"):
        place = f"{row['nodes']:,} nodes, {row['phase']}"
        if row["bytes"] > BOUND_BYTES_A_NODE * row["nodes"]:
            broken.append(f"{place}: {row['bytes']:,} bytes, at most {BOUND_BYTES_A_NODE * row['nodes']:,.0f}")
        if row["seconds"] > BOUND_SECONDS_A_NODE * row["nodes"]:
            broken.append(f"{place}: {row['seconds']} s, at most {BOUND_SECONDS_A_NODE * row['nodes']:.2f}")
    return broken


def report(nodes: int = SIZE, *, as_json: bool = False) -> int:
    """Measure and print; the exit code."""
    measured = list(rows(nodes))
    broken = broken_bounds(measured)
    if as_json:
        print(json.dumps({"python": sys.version.split()[0], "rows": measured, "broken": broken}, indent=2))
        return 1 if broken else 0
    print(f"{'progress':10}{'prompt':10}{'nodes':>8}{'frames':>9}{'MB':>9}{'seconds':>10}")
    for row in measured:
        size = row["bytes"] / 1e6
        print(
            f"{row['form']:10}{row['phase']:10}{row['nodes']:>8,}{row['frames']:>9,}{size:>9.2f}{row['seconds']:>10.2f}"
        )
    print("\n".join(broken) or "within bounds")
    return 1 if broken else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--nodes", type=int, default=SIZE, help="nodes of the prompt")
    arguments = parser.parse_args()
    return report(arguments.nodes, as_json=arguments.json)


if __name__ == "__main__":
    raise SystemExit(main())
