"""Runs of ComfyUI's node protocol: each graph is run cold, and again with a warm cache in memory and on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import weft
from weft import DiskCache, MemoryCache, Registry, RunResult

from .pack import CALLS, NODE_CLASS_MAPPINGS

Play = Callable[..., RunResult]


@pytest.fixture(autouse=True)
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, no settings of the user's, no calls so far."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    CALLS.clear()


@pytest.fixture
def registry() -> Registry:
    return Registry().add(NODE_CLASS_MAPPINGS)


def graph_of(nodes: dict[str, tuple[Any, ...]]) -> dict[str, Any]:
    """`{"1": ("Make", {"value": 3})}` in the API format; a link is `["1", 0]`."""
    return {node_id: {"class_type": kind, "inputs": inputs} for node_id, (kind, inputs) in nodes.items()}


@pytest.fixture
def play(registry: Registry, tmp_path: Path) -> Play:
    """Run a graph without a cache; what caches give of it afterwards is the same. CALLS are those of the first run."""

    def run(nodes: dict[str, tuple[Any, ...]], targets: Iterable[str] = (), **options: Any) -> RunResult:
        def once(cache: Any = None) -> RunResult:
            return weft.run(graph_of(nodes), registry=registry, targets=list(targets), cache=cache, **options)

        cold = once()
        calls = list(CALLS)
        for cache in (MemoryCache(), DiskCache(tmp_path / "disk")):
            first, warm = once(cache), once(cache)
            assert not warm.timings, "all of it is in the cache"
            assert told(warm) == told(first)
            assert told(first)["outputs"] == told(cold)["outputs"]
        CALLS[:] = calls
        return cold

    return run


def told(result: RunResult) -> dict[str, Any]:
    """What a run says that its time does not change."""
    outputs = {node_id: tuple(map(repr, slots)) for node_id, slots in result.outputs.items()}
    return {"outputs": outputs, "ui": result.ui, "blocked": result.blocked, "warnings": sorted(result.warnings)}
