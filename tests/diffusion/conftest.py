"""Small checkpoints of every family, of random weights: structure is all that these tests ask of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from weft.nodes.diffusion.eras import numbers_of
from weft.nodes.diffusion.families.sd.tiny import checkpoint_shapes, random_weights

MakeCheckpoint = Callable[..., Path]


@pytest.fixture
def as_the_reference() -> Iterator[None]:
    """Numbers are of the version of ComfyUI that the reference was measured on."""
    with numbers_of("0.3.64"):
        yield


@pytest.fixture(scope="session")
def weights_of() -> Callable[[Mapping[str, tuple[int, ...]]], dict[str, Tensor]]:
    """Random weights for shapes by key."""
    return random_weights


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory, weights_of: Any) -> MakeCheckpoint:
    """Writes a small checkpoint of a family: (family, in_channels=4, name=..., seed=0, change=..., stated=...) -> path.

    change: edits the tensors. stated: what the metadata says under weft.config.
    """
    folder = tmp_path_factory.mktemp("families")

    def make(
        family: str,
        in_channels: int = 4,
        *,
        name: str | None = None,
        seed: int = 0,
        change: Callable[[dict[str, Tensor]], None] = lambda tensors: None,
        stated: Mapping[str, Any] | None = None,
    ) -> Path:
        path = folder / f"{name or f'{family}_{in_channels}_{seed}'}.safetensors"
        if not path.exists():
            tensors = weights_of(checkpoint_shapes(family, in_channels), seed=seed)
            change(tensors)
            save_file(tensors, path, {"weft.config": json.dumps(stated)} if stated else None)
        return path

    return make


@pytest.fixture(scope="session")
def open_checkpoint(make_checkpoint: MakeCheckpoint) -> Callable[..., Any]:
    """Makes and opens a small checkpoint, float32 on the CPU; arguments as make_checkpoint's. One each is kept."""
    from weft.nodes.diffusion.weights.checkpoint import load_checkpoint

    opened: dict[Path, Any] = {}

    def open_(*args: Any, **options: Any) -> Any:
        path = make_checkpoint(*args, **options)
        if path not in opened:
            opened[path] = load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32)
        return opened[path]

    return open_


@pytest.fixture
def packs(tmp_path: Path) -> Iterator[None]:
    """ComfyUI's module names are answered, as while packs are in use."""
    from weft.engine.folders import Folders
    from weft.engine.schema.registry import Registry
    from weft.engine.settings import Settings
    from weft.nodes import compat
    from weft.nodes.core.settings import SETTINGS

    folders = Folders(models=[tmp_path], input=tmp_path, output=tmp_path, temp=tmp_path)
    compat.install(compat.Host(Registry({}), folders, Settings.load({}, SETTINGS)))
    yield
    compat.uninstall()
