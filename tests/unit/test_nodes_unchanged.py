"""A node never changes what it is given: the same value may stand in the cache, and go to other nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from weft.engine.schema.authoring import CONTEXT
from weft.engine.schema.registry import Registry
from weft.nodes.core import arranging, colours, compositing, conditioning, image, latent, mask, resizing

REGISTRY = Registry.discover()
SUBJECTS = (arranging, colours, compositing, conditioning, image, latent, mask, resizing)


class Pixels:
    """A VAE whose latents are its pixels."""

    downscale = 8
    frames = 0

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.movedim(-1, 1).clone()

    def decode(self, samples: torch.Tensor) -> torch.Tensor:
        return samples[:, :3].movedim(1, -1).clone()

    def encode_tiled(self, pixels: torch.Tensor, *tiles: Any, report: Any = None) -> torch.Tensor:
        return self.encode(pixels)

    def decode_tiled(self, samples: torch.Tensor, *tiles: Any, report: Any = None) -> torch.Tensor:
        return self.decode(samples)


def _latent() -> dict[str, Any]:
    return {"samples": torch.rand(2, 4, 16, 16), "noise_mask": torch.rand(2, 1, 8, 8), "batch_index": [3, 5]}


VALUES: dict[str, Callable[[], Any]] = {
    "LATENT": _latent,
    "IMAGE": lambda: torch.rand(2, 128, 128, 3),
    "MASK": lambda: torch.rand(2, 128, 128),
    "CONDITIONING": lambda: [[torch.rand(1, 4, 3), {"pooled_output": torch.rand(1, 5), "strength": 0.5}]],
    "VAE": Pixels,
}
# Off the defaults, so that something happens.
WIDGETS = {"x": 8, "y": 16, "width": 64, "height": 64, "feather": 16, "left": 8, "feathering": 4, "expand": 2}
WIDGETS |= {"operation": "add", "rotation": "none", "amount": 2, "length": 2}


def plain(class_type: str) -> bool:
    """Whether a node computes a value of others, without a model or a file."""
    schema = REGISTRY[class_type]
    sockets = [spec.socket for spec in schema.inputs]
    known = all(socket.io_type in VALUES or socket.is_widget for socket in sockets)
    values = any(socket.io_type in VALUES for socket in sockets)
    return known and values and not schema.output_node


CLASSES = [name for name in REGISTRY if any(hasattr(file, name) for file in SUBJECTS) and plain(name)]


def given(class_type: str) -> dict[str, Any]:
    inputs = {}
    for name, spec in REGISTRY[class_type].by_name.items():
        socket = spec.socket
        if socket.io_type in VALUES:
            inputs[name] = VALUES[str(socket.io_type)]()
        elif name in WIDGETS and not [*socket.problems(name, WIDGETS[name])]:
            inputs[name] = WIDGETS[name]
        else:
            inputs[name] = socket.options.get("default", next(iter(getattr(socket, "choices", None) or [None])))
    return inputs


def copied(value: Any) -> Any:
    if torch.is_tensor(value):
        return value.clone()
    if isinstance(value, dict):
        return {name: copied(item) for name, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list | tuple) else value


def same(a: Any, b: Any) -> bool:
    if torch.is_tensor(a):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@pytest.mark.parametrize("class_type", CLASSES)
def test_inputs_are_left_alone(class_type: str, make_context: Any) -> None:
    inputs = given(class_type)
    before = copied(inputs)
    runnable = REGISTRY.runnable(class_type)
    injected = {name: make_context() if kind == CONTEXT else {} for name, kind in runnable.injected.items()}
    outputs = runnable.call(**inputs, **injected)
    assert same(inputs, before)
    slots = outputs.get("result", ()) if isinstance(outputs, dict) else outputs
    assert len(slots) == len(REGISTRY[class_type].outputs)


def test_all_are_covered() -> None:
    assert len(CLASSES) >= 53
