"""A CUDA device that is not there: tensors with all but their numbers, under torch's FakeTensorMode.

What is on the CPU alone is computed as ever; whatever a tensor of the device takes part in has no numbers. So the whole
path of a model runs at full size in seconds, and three faults show that a CPU hides: tensors of two devices in one
operation, a value that is read back from the device, and one that goes to the CPU where nothing should wait for it.
"""

from __future__ import annotations

import json
import math
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

from weft.nodes.diffusion.sampling.samplers.interface import Sampler
from weft.nodes.diffusion.weights import networks
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.weightfile import WeightFile

DEVICE = torch.device("cuda", 0)
_NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.uint8: "U8"}
_READ_BACK = (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.equal.default)


class WaitsForTheDevice(AssertionError):
    """A value was read back, or went to the CPU, inside a step loop."""


class PretendedDevice(FakeTensorMode):
    """See above. `waits` are the operations that read values back outside of step loops; there all is finite.

    `taken` and `peak` are the bytes of what was made on the device; weights that came to it do not count.
    """

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self.in_loop = False
        self._inside = False
        self.waits: list[str] = []
        self.taken = self.peak = 0
        self._tensors: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._inside:  # what an operation is made of has no numbers either
            return super().__torch_dispatch__(func, types, args, kwargs)
        given = [*tree_leaves(args), *tree_leaves(kwargs)]
        without_numbers = [each for each in given if isinstance(each, FakeTensor)]
        if not without_numbers and DEVICE not in given:
            return func(*args, **kwargs)
        if func in _READ_BACK:
            return self.read_back(func, without_numbers[0])
        args, kwargs = tree_map_only(Tensor, self._without_numbers, (args, kwargs))
        self._inside = True
        try:
            made = super().__torch_dispatch__(func, types, args, kwargs)
        finally:
            self._inside = False
        for each in tree_leaves(made):
            if isinstance(each, FakeTensor) and each.device == DEVICE:
                self._count(each)
        if isinstance(made, Tensor) and made.device.type == "cpu" and any(t.device == DEVICE for t in without_numbers):
            self._waits(func)
        return made

    def _without_numbers(self, tensor: Tensor) -> Tensor:
        # A number in a tensor of its own may come to any device, and stays one.
        return tensor if isinstance(tensor, FakeTensor) or not tensor.dim() else self.from_tensor(tensor)

    def _count(self, tensor: Tensor) -> None:
        """Note the memory of a tensor that was made on the device, for as long as one lives that shares it."""
        if hasattr(tensor, "_counted"):
            return
        tensor._counted = True  # type: ignore[attr-defined]
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if not self._tensors.get(key):
            self._tensors[key] = 0
            self.taken += size
            self.peak = max(self.peak, self.taken)
        self._tensors[key] += 1
        weakref.finalize(tensor, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._tensors[key] -= 1
        if not self._tensors[key]:
            del self._tensors[key]
            self.taken -= size

    def read_back(self, what: Any, tensor: Tensor) -> Any:
        """A number of the tensor: True, or 1."""
        self._waits(what)
        return True if tensor.dtype is torch.bool else 1

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


def _without_driver(mode: PretendedDevice) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The methods of a tensor that ask for its device's driver, which a torch that was built for CPUs has not."""

    def getitem(tensor: Tensor, key: Any) -> Tensor:
        view, indices = _view(tensor, key)
        return torch.ops.aten.index.Tensor(view, indices) if indices else view

    def setitem(tensor: Tensor, key: Any, value: Any) -> None:
        view, indices = _view(tensor, key)
        value = value if isinstance(value, Tensor) else torch.full((), value, dtype=view.dtype, device=view.device)
        torch.ops.aten.index_put_(view, indices, value) if indices else torch.ops.aten.copy_(view, value)

    yield "__getitem__", getitem
    yield "__setitem__", setitem
    yield "contiguous", torch.ops.aten.contiguous
    yield "copy_", torch.ops.aten.copy_
    yield "__invert__", torch.ops.aten.bitwise_not
    yield "__bool__", lambda tensor: bool(mode.read_back("bool", tensor))
    yield "__int__", lambda tensor: int(mode.read_back("int", tensor))
    yield "__float__", lambda tensor: float(mode.read_back("float", tensor))
    yield "item", lambda tensor: mode.read_back("item", tensor)
    yield "tolist", lambda tensor: mode.read_back("tolist", tensor)


def _for_fakes(method: Callable[..., Any], otherwise: Callable[..., Any]) -> Callable[..., Any]:
    def called(tensor: Tensor, *args: Any, **options: Any) -> Any:
        there = isinstance(tensor, FakeTensor) or any(isinstance(each, FakeTensor) for each in tree_leaves(args))
        return (method if there else otherwise)(tensor, *args, **options)

    return called


class _Operators(TorchFunctionMode):
    """Calls these operators where a tensor has no numbers. Set on the class and taken back, they would leave a mark:
    tensors of one number pass for sequences then."""

    def __init__(self, methods: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__()
        self._methods = {getattr(Tensor, name): method for name, method in methods.items()}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        method = self._methods.get(func)
        called = func if method is None else _for_fakes(method, func)
        return called(*args, **(kwargs or {}))


def _view(tensor: Tensor, key: Any) -> tuple[Tensor, list[Tensor | None]]:
    """The part that integers and slices choose, and what else indexes it."""
    keys = list(key) if isinstance(key, tuple) else [key]
    taken = sum(each.dim() if _is_mask(each) else each is not None and each is not ... for each in keys)
    if not any(each is ... for each in keys):
        keys.append(...)
    place = next(place for place, each in enumerate(keys) if each is ...)
    keys[place : place + 1] = [slice(None)] * (tensor.dim() - taken)
    axis, indices, chosen = 0, [], False
    for each in keys:
        if isinstance(each, int):
            tensor = tensor.select(axis, each)
            continue
        if each is None:
            tensor = tensor.unsqueeze(axis)
        elif isinstance(each, slice):
            tensor = torch.ops.aten.slice(tensor, axis, each.start, each.stop, each.step or 1)
        chosen = chosen or isinstance(each, list | Tensor)
        indices.append(torch.as_tensor(each) if isinstance(each, list | Tensor) else None)
        axis += each.dim() if _is_mask(each) else 1
    return tensor, indices if chosen else []


def _is_mask(key: Any) -> bool:
    return isinstance(key, Tensor) and key.dtype is torch.bool


class PretendedMemory(DeviceMemory):
    """The memory of the device: a weight is where it is said to be."""

    def __init__(self, budget: int | None = None) -> None:
        super().__init__(DEVICE, budget, free=lambda device: 1 << 50)

    def _come(self, tensor: Any) -> Tensor:
        tensor.fake_device = self.device
        return torch.empty(0)

    def _leave(self, tensor: Any, home: Tensor | None) -> None:
        tensor.fake_device = torch.device("cpu")


@contextmanager
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendedDevice]:
    """Inside the block there is a DEVICE, and weights that are read from files have no numbers."""
    mode = PretendedDevice()
    read, fill_with_numbers = WeightFile._mapped, networks.fill

    def mapped(self: WeightFile, names: list[str]) -> Iterator[tuple[str, Tensor]]:
        for name, tensor in read(self, names):
            yield name, mode.from_tensor(tensor) if tensor.is_floating_point() and tensor.numel() > 1 else tensor

    def fill(*args: Any, **options: Any) -> None:
        fill_with_numbers(*args, **options)
        for part in args[1]:
            for name, buffer in list(part.module.named_buffers()):
                path, _, leaf = name.rpartition(".")
                setattr(part.module.get_submodule(path), leaf, mode.from_tensor(buffer))

    monkeypatch.setattr(WeightFile, "_mapped", mapped)
    for module in [module for name, module in sys.modules.items() if name.startswith("weft.nodes.diffusion")]:
        if getattr(module, "fill", None) is fill_with_numbers:
            monkeypatch.setattr(module, "fill", fill)
    # Random numbers of the device are none: whose generator they come from is no matter.
    generator = torch.Generator
    monkeypatch.setattr(torch, "Generator", type("Generator", (), {"__new__": lambda cls, device="": generator("cpu")}))
    methods = dict(_without_driver(mode))
    for name in [name for name in methods if not name.startswith("__")]:
        monkeypatch.setattr(Tensor, name, _for_fakes(methods.pop(name), getattr(Tensor, name)))
    with _Operators(methods), mode:
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
