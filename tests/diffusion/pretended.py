"""A CUDA device that is not there: tensors with all but their numbers, under torch's FakeTensorMode.

What is on the CPU alone is computed as ever; whatever a tensor of the device takes part in has no numbers. So the whole
path of a model runs at full size in seconds, and three faults show that a CPU hides: tensors of two devices in one
operation, a value that is read back from the device, and one that goes to the CPU where nothing should wait for it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_leaves

from weft.nodes.diffusion.sampling.samplers.interface import Sampler
from weft.nodes.diffusion.weights import memory
from weft.nodes.diffusion.weights.weightfile import WeightFile

DEVICE = torch.device("cuda", 0)
_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.uint8: "U8"}
_READ_BACK = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.equal.default)


class WaitsForTheDevice(AssertionError):
    """A value was read back, or went to the CPU, inside a step loop."""


class PretendedDevice(FakeTensorMode):
    """See above. `waits` are the operations that read values back outside of step loops; there all is finite."""

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self.in_loop = False
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [*tree_leaves(args), *tree_leaves(kwargs)]
        without_numbers = [each for each in given if isinstance(each, FakeTensor)]
        if not without_numbers and DEVICE not in given:
            return func(*args, **kwargs)
        if func in _READ_BACK:
            self._waits(func)
            return without_numbers[0].dtype is torch.bool or func is _READ_BACK[1] or 1
        made = super().__torch_dispatch__(func, types, args, kwargs)
        if isinstance(made, Tensor) and made.device.type == "cpu" and any(t.device == DEVICE for t in without_numbers):
            self._waits(func)
        return made

    def _waits(self, func: Any) -> None:
        if self.in_loop:
            raise WaitsForTheDevice(f"{func} in a step loop")
        self.waits.append(str(func))

    def watched(self, sampler: Sampler) -> Sampler:
        """The sampler, whose step loop must not wait for the device."""

        def solve(*args: Any, **options: Any) -> Tensor:
            self.in_loop = True
            try:
                x: Tensor = sampler.solve(*args, **options)
            finally:
                self.in_loop = False
            return x

        return replace(sampler, solve=solve)


@contextmanager
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedDevice]:
    """Inside the block there is a DEVICE, and weights that are read from files have no numbers."""
    mode = PretendedDevice()
    read = WeightFile._mapped

    def mapped(self: WeightFile, names: list[str]) -> Iterator[tuple[str, Tensor]]:
        for name, tensor in read(self, names):
            yield name, mode.from_tensor(tensor) if tensor.is_floating_point() and tensor.numel() > 1 else tensor

    def move(tensor: Any, device: torch.device) -> None:
        if not isinstance(tensor, FakeTensor):
            raise AssertionError(f"a weight {list(tensor.shape)} is in no file")
        tensor.fake_device = device

    monkeypatch.setattr(WeightFile, "_mapped", mapped)
    monkeypatch.setattr(memory, "_move", move)
    with mode:
        yield mode


def write_without_numbers(path: Path, shapes: Mapping[str, Sequence[int]], dtype: torch.dtype, **real: Tensor) -> Path:
    """A safetensors file that takes no room on the disk, whatever its size, but for the tensors in `real`."""
    header: dict[str, Any] = {}
    end = 0
    forms = [(key, list(value.shape), value.dtype) for key, value in real.items()]
    for key, shape, form in [*forms, *((key, list(shape), dtype) for key, shape in shapes.items())]:
        begin, end = end, end + math.prod(shape) * form.itemsize
        header[key] = {"dtype": _NAMES[form], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for value in real.values():
            stream.write(value.contiguous().numpy().tobytes())
        stream.truncate(8 + len(text) + end)
    return path
