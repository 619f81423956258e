"""Random graphs and what ComfyUI 0.3.64 made of each, kept as samples; whether an engine's tensors agree with that.

`fuzz/KIND.jsonl.gz` has a graph a line: name, kind, prompt, targets, and either `error` or, by the name of a tensor,
shape, dtype, how many values are not finite, statistics over the others, up to SAMPLES values, and the limit.
Every measure is at most max|a - b|, so an engine within the limit everywhere passes. `validation.jsonl.gz` has broken
prompts with ComfyUI's verdict and its errors: [node or null, type, input or null, details].
"""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).resolve().parent / "fuzz"
SAMPLES = 96
VALIDATION = "validation"


@cache
def rows(kind: str) -> dict[str, dict[str, Any]]:
    """The lines of a file, by name."""
    with gzip.open(FOLDER / f"{kind}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return {row["name"]: row for row in map(json.loads, lines)}


@cache
def graphs() -> dict[str, dict[str, Any]]:
    """All random graphs, by name."""
    kinds = sorted(path.name.partition(".")[0] for path in FOLDER.glob("*.jsonl.gz"))
    return {name: row for kind in kinds if kind != VALIDATION for name, row in rows(kind).items()}


def positions(name: str, count: int) -> np.ndarray[Any, Any]:
    """The flat positions at which a tensor of `count` values is sampled; `name` is GRAPH/TENSOR."""
    if count <= SAMPLES:
        return np.arange(count)
    draws = np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode()))).random(count)
    return np.sort(np.argsort(draws, kind="stable")[:SAMPLES])


def judge(graph: Mapping[str, Any], got: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """By tensor, how far it is from ComfyUI's in units of its limit: at most 1 passes."""
    name = graph["name"]
    return {
        key: _share(f"{name}/{key}", expected, got[key]) if key in got else math.inf
        for key, expected in graph["tensors"].items()
    }


def _share(name: str, expected: Mapping[str, Any], tensor: torch.Tensor) -> float:
    array = tensor.detach().cpu().numpy()
    exact = array.reshape(-1).astype(np.float64)
    finite = exact[np.isfinite(exact)]
    form = [list(array.shape), str(array.dtype), exact.size - finite.size]
    if form != [expected["shape"], expected["dtype"], expected["nonfinite"]]:
        return math.inf
    reference = np.array([float(value) for value in expected["values"]])
    values = exact[positions(name, exact.size)].astype(np.float32).astype(np.float64)
    if not np.array_equal(np.isfinite(reference), np.isfinite(values)):
        return math.inf
    stats = expected["stats"]
    if stats is None:
        return 0.0
    norm = abs(stats["l2"] - math.sqrt((finite**2).sum())) / math.sqrt(max(1, finite.size))
    found = {"mean": finite.mean(), "std": finite.std(), "min": finite.min(), "max": finite.max()}
    there = np.isfinite(reference)
    differences = [abs(stats[part] - value) for part, value in found.items()]
    worst = max(*differences, norm, np.abs(reference[there] - values[there]).max(initial=0.0))
    scale = max(abs(stats["min"]), abs(stats["max"]))
    relative = worst / scale if scale else (0.0 if worst == 0 else math.inf)
    return float(relative / expected["tol"])
