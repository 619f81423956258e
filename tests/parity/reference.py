"""How what a run gave is compared with what the reference keeps."""

from __future__ import annotations

from typing import Any

import torch

from weft.engine.running.result import RunResult

from ..reference.store import Golden


def compared_tensors(result: RunResult, golden: Golden) -> dict[str, float]:
    """How far each tensor of a golden is from that of the run, by its name; asserts that the run has it."""
    got: dict[str, torch.Tensor] = {}
    for node_id in golden.targets:
        got |= flat(result[node_id], node_id)
    missing = golden.tensors.keys() - got.keys()
    assert not missing, f"no output for {sorted(missing)}; there are {sorted(got)}"
    return {key: expected.difference(got[key]) for key, expected in golden.tensors.items()}


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
