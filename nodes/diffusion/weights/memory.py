"""Where networks compute, in which number format, and which of them stay on the device.

Networks are loaded to the CPU, where their weights may be views into the file, and move to the compute device when
they are first asked for. They stay there; when memory is short the least recently used ones go back to the CPU. On a
CPU nothing ever moves. One DeviceMemory for all checkpoints of a run lets one make room for another.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from weft.nodes.diffusion.errors import DeviceError, nearest
from weft.nodes.diffusion.weights.packed import move

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
KINDS = ("unet", "text", "vae")
# Left free for activations when networks move in.
HEADROOM = 2 << 30


def resolve_device(name: str = "auto") -> torch.device:
    """The device of a name: "auto" (a CUDA device if there is one, else the CPU), "cpu", "cuda" or "cuda:N".

    Raises:
        DeviceError: another name, or a device that this machine or this build of torch does not have.
    """
    if name == "auto":
        return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, colon, index = name.partition(":")
    if kind != "cuda" or (colon and not index.isdecimal()):
        choices = ("auto", "cpu", "cuda")
        raise DeviceError(f"unknown device {name!r}, expected auto, cpu, cuda or cuda:N{nearest(name, choices)}")
    if not torch.cuda.is_available():
        why = "torch sees no CUDA device" if torch.version.cuda else "this build of torch has no CUDA"
        raise DeviceError(f"device {name!r}: {why}")
    count = torch.cuda.device_count()
    number = int(index) if colon else torch.cuda.current_device()
    if number >= count:
        raise DeviceError(f"device {name!r}: there {'is' if count == 1 else 'are'} {count}, cuda:0 to cuda:{count - 1}")
    return torch.device("cuda", number)


def resolve_dtype(name: str, device: torch.device, kind: str = "unet") -> torch.dtype:
    """The number format of a name for one kind of network ("unet", "text", "vae") on a device.

    "auto" is float32 on the CPU and float16 on CUDA. A VAE, whose activations exceed float16 in SDXL, is never float16,
    even by name: it is bfloat16 on a CUDA device that computes it and float32 elsewhere.

    Raises:
        DeviceError: another name or kind, or a format that the device does not compute.
    """
    if kind not in KINDS:
        raise DeviceError(f"unknown kind of network {kind!r}, expected one of {', '.join(KINDS)}{nearest(kind, KINDS)}")
    if name == "auto":
        name = "float32" if device.type == "cpu" else "float16"
    if kind == "vae" and name == "float16":
        return torch.bfloat16 if device.type == "cuda" and _computes_bfloat16(device) else torch.float32
    if name not in DTYPES:
        raise DeviceError(f"unknown dtype {name!r}, expected auto, {', '.join(DTYPES)}{nearest(name, DTYPES)}")
    if DTYPES[name] is torch.bfloat16 and not _computes_bfloat16(device):
        raise DeviceError(f"dtype {name!r}: {device} does not compute it; float16 and float32 work")
    return DTYPES[name]


def _computes_bfloat16(device: torch.device) -> bool:
    # Compute capability 8.0 (Ampere) brought bfloat16.
    return device.type != "cuda" or torch.cuda.get_device_capability(device) >= (8, 0)


def _free_bytes(device: torch.device) -> int:
    """Bytes that can still be allocated: what the driver has, and what torch holds without using it."""
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


class DeviceMemory:
    """The networks on one compute device, and who has to leave when another comes.

    Invariants: a Parameter in `_used` modules that is alive was on the device when its module was last asked for; a
    module in `_pinned` is never moved away. Weights are moved Parameter by Parameter, because a patched network shares
    most of them with its base: what another network in use needs, stays.

    Args:
        device: where networks compute.
        headroom: bytes kept free for activations.
        free: how many bytes can be allocated on the device now.
    """

    def __init__(
        self, device: torch.device, headroom: int = HEADROOM, free: Callable[[torch.device], int] | None = None
    ) -> None:
        self.device = device
        self._headroom = headroom
        self._free = free or _free_bytes
        self._lock = threading.RLock()
        self._clock = itertools.count()
        self._used: weakref.WeakKeyDictionary[nn.Module, int] = weakref.WeakKeyDictionary()
        self._pinned: list[nn.Module] = []

    def bring(self, module: nn.Module) -> None:
        """Have every weight of a network on the device, making room if need be. Does nothing on the CPU."""
        if self.device.type == "cpu":
            return
        # Plain tensors also when a sampler asks under inference_mode: weights outlive that block.
        with self._lock, torch.inference_mode(False), torch.no_grad():
            self._used[module] = next(self._clock)
            tensors = _away(module, self.device)
            self._make_room(sum(tensor.nbytes for tensor in tensors), module)
            for tensor in tensors:
                move(tensor, self.device)

    @contextmanager
    def on_device(self, *modules: nn.Module) -> Iterator[None]:
        """Keep several networks on the device together, as a UNet and its ControlNets need."""
        self._pinned.extend(modules)
        try:
            for module in modules:
                self.bring(module)
            yield
        finally:
            for module in modules:
                self._pinned.remove(module)

    def make_room(self, needed: int) -> None:
        """Have so many bytes free for what is about to be made on the device. Does nothing on the CPU."""
        if self.device.type == "cpu":
            return
        with self._lock, torch.inference_mode(False), torch.no_grad():
            self._make_room(needed)

    def _make_room(self, needed: int, *coming: nn.Module) -> None:
        """Send networks back to the CPU, the least recently used first, until there is room or none is left."""
        if not needed or self._free(self.device) >= needed + self._headroom:
            return
        kept = {id(tensor) for module in (*self._pinned, *coming) for tensor in _tensors(module)}
        for module in sorted(self._used, key=self._used.__getitem__):
            leaving = [t for t in _tensors(module) if t.device == self.device and id(t) not in kept]
            for tensor in leaving:
                move(tensor, torch.device("cpu"))
            if leaving and self.device.type == "cuda":
                torch.cuda.empty_cache()
            if self._free(self.device) >= needed + self._headroom:
                return


def _tensors(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(), *module.buffers()]


def _away(module: nn.Module, device: torch.device) -> list[torch.Tensor]:
    return [tensor for tensor in _tensors(module) if tensor.device != device]
