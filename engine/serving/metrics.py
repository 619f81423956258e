"""The route of numbers for Prometheus, in its text format."""

from __future__ import annotations

from collections import Counter

from aiohttp import web

from weft.engine.serving.heap import resident
from weft.engine.serving.server import ServedRoute, Server

ENDS = ("success", "error")


def metrics_of(server: Server) -> str:
    """The numbers of now, a line each."""
    queue = server.queue
    running = int(queue.running is not None)
    ended = Counter(str(done.entry["status"]["status_str"]) for done in queue.history().values())
    lines = [f'weft_history_prompts{{status="{end}"}} {ended[end]}' for end in ENDS]
    numbers = {
        "queue_waiting": len(queue.waiting),
        "queue_running": running,
        "sockets": len(server.sockets),
        "start_time_seconds": server.started,
        "cache_entries": len(server.rounds),
        "cache_bytes": server.rounds.used,
        "process_resident_memory_bytes": resident(),
    }
    for name, value in numbers.items():
        lines += [f"# TYPE weft_{name} gauge", f"weft_{name} {value}"]
    return "\n".join(["# TYPE weft_history_prompts gauge", *lines, ""])


async def get_metrics(server: Server, request: web.Request) -> web.StreamResponse:
    """Numbers for Prometheus: the queue, the history by status, sockets, the cache, memory."""
    return web.Response(text=metrics_of(server), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


ROUTES = (ServedRoute("GET", "/metrics", get_metrics),)
