"""The reference numbers: goldens measured on ComfyUI, and the tiny models and inputs that they were measured with.

README.md beside this file says where they come from. A tensor of up to WHOLE values is kept as it was; of a larger one
there are values at some hundred random places, the mean along every axis, the extremes and the norm: what differs from
it anywhere by more than the limits shows in one of them.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from safetensors.torch import load_file

FOLDER = Path(__file__).resolve().parent
WHOLE = 4096
SAMPLES = 512
ROUNDING = 1e-12
"""How far a mean in float64 may be off by the order in which it was added up."""


@dataclass(frozen=True)
class Expected:
    """A tensor of a golden. `values` is the whole of it, or, where there is a `digest`, those at `positions`, flat."""

    name: str
    values: torch.Tensor
    digest: Mapping[str, Any] = field(default_factory=dict)
    means: torch.Tensor | None = None

    @property
    def whole(self) -> torch.Tensor:
        assert not self.digest, f"{self.name} is kept in parts"
        return self.values

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.digest.get("shape", self.values.shape))

    def difference(self, got: torch.Tensor) -> float:
        """max|got-expected| / max|expected|; infinite where the shapes differ; equal NaN are equal.

        Of a tensor kept in parts, the largest difference that the parts show.
        """
        if tuple(got.shape) != self.shape:
            return float("inf")
        if got.numel() == 0:
            return 0.0
        if not self.digest:
            return _largest(got, self.values) / _scale(self.values.abs().max().item())
        summary = summarise(self.name, got)
        if summary.digest["nonfinite"] != self.digest["nonfinite"]:
            return float("inf")
        found = [_largest(summary.values, self.values), _largest(summary.means, self.means)]
        found += [abs(summary.digest[part] - self.digest[part]) for part in ("min", "max", "rms")]
        worst = max(found) / _scale(max(abs(self.digest["min"]), abs(self.digest["max"])))
        return worst if worst > ROUNDING else 0.0


def _largest(got: torch.Tensor | None, expected: torch.Tensor | None) -> float:
    """The largest difference; infinite where NaN stand in other places, which max() would hide."""
    assert got is not None
    assert expected is not None
    got, expected = got.double(), expected.double()
    if not torch.equal(got.isnan(), expected.isnan()):
        return float("inf")
    return (got.nan_to_num() - expected.nan_to_num()).abs().max().item()


def _scale(largest: float) -> float:
    return largest if 0 < largest < float("inf") else 1.0


def positions(name: str, count: int) -> torch.Tensor:
    """Where a tensor of `count` values is sampled."""
    draws = np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode()))).random(count)
    return torch.from_numpy(np.sort(np.argsort(draws, kind="stable")[:SAMPLES]))


def summarise(name: str, tensor: torch.Tensor) -> Expected:
    """The parts that are kept of a tensor."""
    exact = tensor.double()
    finite = exact.nan_to_num(posinf=0.0, neginf=0.0)
    axes = range(exact.ndim)
    means = [finite.mean(dim=[other for other in axes if other != axis]) for axis in axes]
    digest = {
        "shape": list(tensor.shape),
        "nonfinite": int((~exact.isfinite()).sum()),
        "min": finite.min().item(),
        "max": finite.max().item(),
        "rms": finite.square().mean().sqrt().item(),
    }
    values = tensor.reshape(-1)[positions(name, tensor.numel())]
    return Expected(name, values, digest, torch.cat(means) if exact.ndim > 1 else finite.mean()[None])


@dataclass(frozen=True)
class Golden:
    """A workflow and what it gave: `tensors` by `NODE.SLOT[.PART]`, as `flat` in tests/parity names them."""

    name: str
    prompt: Mapping[str, Any]
    targets: tuple[str, ...]
    category: str
    classes: tuple[str, ...]
    values: Mapping[str, Any]
    tensors: Mapping[str, Expected]

    def copy_of_prompt(self) -> dict[str, Any]:
        """The prompt, to be changed."""
        copied: dict[str, Any] = json.loads(json.dumps(self.prompt))
        return copied


@cache
def goldens(name: str) -> dict[str, Golden]:
    """A set of goldens by name: `comfyui`, `default_flags`, `efficiency`, `efficiency_crashes`."""
    stored: dict[str, torch.Tensor] = {}
    if (FOLDER / "goldens" / f"{name}.safetensors").exists():
        stored = load_file(FOLDER / "goldens" / f"{name}.safetensors")
    found = {}
    for line in (FOLDER / "goldens" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        tensors = {key: _expected(f"{row['name']}/{key}", stored, digest) for key, digest in row["tensors"].items()}
        found[row["name"]] = Golden(
            name=row["name"],
            prompt=row["prompt"],
            targets=tuple(row["targets"]),
            category=row["category"],
            classes=tuple(row["classes"]),
            values=row["values"],
            tensors=tensors,
        )
    return found


def _expected(name: str, stored: Mapping[str, torch.Tensor], digest: Mapping[str, Any]) -> Expected:
    return Expected(name, stored[name], digest, stored[f"{name}#means"] if digest else None)


def units(name: str) -> dict[str, torch.Tensor]:
    """A file of numbers inside ComfyUI: `clip`, `noise`, `sigmas_eps`, `trace_euler_normal`, `unet`, `vae`, ..."""
    return load_file(FOLDER / "units" / f"{name}.safetensors")


def document(name: str) -> Any:
    """A JSON document: `tokens`, `tiny_configs`, `shapes_sd15`, ..."""
    return json.loads((FOLDER / "units" / f"{name}.json").read_text(encoding="utf-8"))


@cache
def made() -> Path:
    """The folder of `models/` and `input/`, made on first use and kept in the user's cache."""
    rule = b"".join((FOLDER / name).read_bytes() for name in ("models.py", "models.json.gz"))
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "weft-tests" / f"reference-{zlib.crc32(rule):08x}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            from .models import make

            unfinished = Path(tempfile.mkdtemp(dir=folder.parent))
            try:
                make(unfinished)
                unfinished.rename(folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def pack(name: str, rows: Iterable[tuple[dict[str, Any], Mapping[str, torch.Tensor]]]) -> None:
    """Write a set of goldens: a row is a Golden's fields, without its tensors, and the whole tensors."""
    from safetensors.torch import save_file

    stored: dict[str, torch.Tensor] = {}
    lines = []
    for row, tensors in rows:
        digests = {}
        for key, tensor in tensors.items():
            place = f"{row['name']}/{key}"
            kept = summarise(place, tensor) if tensor.numel() > WHOLE else Expected(place, tensor)
            stored[place] = kept.values.contiguous()
            digests[key] = kept.digest
            if kept.means is not None:
                stored[f"{place}#means"] = kept.means
        lines.append(json.dumps({**row, "tensors": digests}, separators=(",", ":")))
    (FOLDER / "goldens").mkdir(exist_ok=True)
    (FOLDER / "goldens" / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if stored:
        save_file(stored, FOLDER / "goldens" / f"{name}.safetensors")
