"""How what a run gave is compared with what the reference keeps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from engine.executor import RunResult


def compared_tensors(result: RunResult, targets: Iterable[str], golden: Path) -> dict[str, float]:
    """How far each tensor of a golden is from that of the run, by its name; asserts that the run has it."""
    got: dict[str, torch.Tensor] = {}
    for node_id in targets:
        got |= flat(result[node_id], node_id)
    expected = load_file(golden)
    missing = expected.keys() - got.keys()
    assert not missing, f"no output for {sorted(missing)}; there are {sorted(got)}"
    return {key: difference(got[key], tensor) for key, tensor in expected.items()}


def flat(outputs: tuple[Any, ...], node_id: str) -> dict[str, torch.Tensor]:
    """A node's output slots under the names that the reference uses."""
    tensors: dict[str, torch.Tensor] = {}
    for slot, value in enumerate(outputs):
        key = f"{node_id}.{slot}"
        if isinstance(value, dict):
            tensors |= {f"{key}.{part}": torch.as_tensor(item) for part, item in value.items() if item is not None}
        elif isinstance(value, list):
            for number, (cond, options) in enumerate(value):
                tensors[f"{key}.cond{number}"] = cond
                tensors |= {
                    f"{key}.cond{number}.{part}": item for part, item in options.items() if torch.is_tensor(item)
                }
        elif torch.is_tensor(value):
            tensors[key] = value
    return tensors


def difference(got: torch.Tensor, expected: torch.Tensor) -> float:
    """max|got-expected| / max|expected|; infinite where the shapes differ; equal NaN are equal."""
    if got.shape != expected.shape:
        return float("inf")
    if expected.numel() == 0:
        return 0.0
    got, expected = got.double(), expected.double()
    if not torch.equal(got.isnan(), expected.isnan()):
        return float("inf")
    got, expected = got.nan_to_num(), expected.nan_to_num()
    scale = expected.abs().max().item()
    return (got - expected).abs().max().item() / (scale or 1.0)
