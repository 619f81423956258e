"""Where networks compute, in which number format, and which of them stay on the device.

Networks are loaded to the CPU, where their weights may be views into the file, and move to the compute device when
they are first asked for. They stay there; when memory is short the least recently used ones leave it, and one that does
not fit as a whole is there in parts. On a CPU nothing ever moves. One DeviceMemory for all models of a run lets one
make room for another.
"""

from __future__ import annotations

import itertools
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DeviceError, nearest
from weft.nodes.diffusion.families.working import headroom as left_free
from weft.nodes.diffusion.weights.packed import PackedTensor, move, put
from weft.nodes.diffusion.weights.parts import Parts
from weft.nodes.diffusion.weights.replay import allow, forget
from weft.nodes.diffusion.weights.transfers import Transfers

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
KINDS = ("unet", "text", "vae")
_HALF = (torch.float16, torch.bfloat16)
# The attribute of a weight on the device under which it carries what it was before.
_HOME = "_home"


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

    Invariants:

    1. A weight that came to the device carries its home: what it was on the CPU, which it becomes again when it
       leaves. So nothing is copied back, and what is a view into a file stays one. A weight that was made on the device
       has none, and is copied when it first leaves.
    2. A network of `_pinned` leaves only if nothing else can, and then in parts.
    3. Of a network in `_in_parts` some blocks are here for their own calls alone; all else of it is here.
    4. With a budget, what is here and what is reckoned for computing stay within it, or there is an error.

    Weights are moved Parameter by Parameter, because a patched network shares most of them with its base: what another
    network in use needs, stays.

    Args:
        device: where networks compute.
        budget: bytes of the device that may be taken; None for all that it has.
        headroom: bytes kept free for what is computed, where nobody says how many that takes.
        free: how many bytes can be allocated on the device now, whatever the budget.
        replays: whether calls that repeat are recorded there as CUDA graphs.
    """

    def __init__(
        self,
        device: torch.device,
        budget: int | None = None,
        headroom: int | None = None,
        free: Callable[[torch.device], int] | None = None,
        *,
        replays: bool = False,
    ) -> None:
        self.device = device
        self._replays = replays and device.type == "cuda"
        self.budget = budget
        self._headroom = left_free(budget) if headroom is None else headroom
        self._free = free if free is not None or device.type != "cuda" else _free_bytes
        self._transfers = Transfers(device)
        self._lock = threading.RLock()
        self._clock = itertools.count()
        self._used: weakref.WeakKeyDictionary[nn.Module, int] = weakref.WeakKeyDictionary()
        self._in_parts: weakref.WeakKeyDictionary[nn.Module, Parts] = weakref.WeakKeyDictionary()
        self._pinned: list[nn.Module] = []

    @property
    def moves(self) -> bool:
        """Whether weights have anywhere to go: from the CPU to a device, or in and out of a budget."""
        return self.device.type != "cpu" or self.budget is not None

    @property
    def taken(self) -> int:
        """Bytes of the weights that are on the device."""
        weights = {id(tensor): tensor for module in self._used for tensor in tensors_of(module)}
        return sum(int(tensor.nbytes) for tensor in weights.values() if self._is_here(tensor))

    def bring(self, module: nn.Module, working: int | None = None) -> None:
        """Have every weight of a network on the device when it computes, making room if need be.

        Where the whole of it does not fit, blocks of it come for their own calls. Does nothing on the CPU. working:
        bytes that computing with it takes beside its weights.

        Raises:
            DeviceError: not even its largest block fits beside what all blocks need.
        """
        if not self.moves:
            return
        if self._replays:
            allow(module)
        with self._moving():
            self._used[module] = next(self._clock)
            self._whole_again(module)
            working = self._headroom if working is None else working
            away = self._away(module)
            if self._make_room(sum(tensor.nbytes for tensor in away) + working, module):
                self.come(away)
                return
            # What others share that are needed, too, stays.
            shared = {id(tensor) for other in self._pinned if other is not module for tensor in tensors_of(other)}
            self.leave(tensor for tensor in tensors_of(module) if id(tensor) not in shared)
            parts = Parts(module, self._away(module), self)
            parts.settle(self._room() - working)
            self._in_parts[module] = parts

    @contextmanager
    def on_device(self, *modules: nn.Module, working: int | None = None) -> Iterator[None]:
        """Keep several networks on the device together, as a UNet and its ControlNets need. working: as bring's."""
        self._pinned.extend(modules)
        try:
            for module in modules:
                self.bring(module, working)
            yield
        finally:
            for module in modules:
                self._pinned.remove(module)

    def make_room(self, needed: int) -> bool:
        """Whether so many bytes are free for what is about to be made on the device; others leave for it."""
        if not self.moves:
            return True
        with self._moving():
            return self._make_room(needed + self._headroom)

    @contextmanager
    def _moving(self) -> Iterator[None]:
        # Plain tensors also when a sampler asks under inference_mode: weights outlive that block.
        with self._lock, torch.inference_mode(False), torch.no_grad():
            yield

    def home_of(self, tensor: Tensor) -> Tensor:
        """What a weight is when it is not on the device."""
        home: Tensor = tensor.__dict__.get(_HOME, tensor)
        return home

    def come(self, tensors: Iterable[Tensor]) -> list[Tensor]:
        """Move weights to the device; gives those that were not there."""
        with self._moving():
            coming = [tensor for tensor in tensors if not self._is_here(tensor)]
            for tensor in coming:
                home = self._come(tensor)
                setattr(tensor, _HOME, home)
            return coming

    def leave(self, tensors: Iterable[Tensor]) -> None:
        """Give weights their homes again."""
        with self._moving():
            for tensor in tensors:
                if self._is_here(tensor):
                    self._leave(tensor, tensor.__dict__.pop(_HOME, None))

    def _come(self, tensor: Tensor) -> Tensor:
        """Move one weight, and keep the object, which other networks share; gives its home."""
        home = tensor.computed_in(tensor.dtype) if isinstance(tensor, PackedTensor) else tensor.data
        send = self._transfers.sent
        put(tensor, tensor.moved_by(send) if isinstance(tensor, PackedTensor) else send(home))
        if (
            self.device.type != "cpu"
            and tensor.dim() == 4
            and tensor.dtype in _HALF
            and not isinstance(tensor, PackedTensor)
        ):
            # Tensor cores convolve channels that lie beside each other; the feature maps follow their weights.
            put(tensor, tensor.data.contiguous(memory_format=torch.channels_last))
        return home

    def _leave(self, tensor: Tensor, home: Tensor | None) -> None:
        if home is None:
            move(tensor, torch.device("cpu"))
        else:
            put(tensor, home)

    def _is_here(self, tensor: Tensor) -> bool:
        return _HOME in tensor.__dict__ or (self.device.type != "cpu" and tensor.device == self.device)

    def _away(self, module: nn.Module) -> list[Tensor]:
        return [tensor for tensor in tensors_of(module) if not self._is_here(tensor)]

    def _room(self) -> int:
        """Bytes that can be taken now."""
        free = [] if self._free is None else [self._free(self.device)]
        return min([*free, *([] if self.budget is None else [self.budget - self.taken])], default=sys.maxsize)

    def _make_room(self, needed: int, *coming: nn.Module) -> bool:
        """Whether there is room, once networks have left: those that are not pinned, the least recently used first."""
        kept = {id(tensor) for module in (*self._pinned, *coming) for tensor in tensors_of(module)}
        for module in sorted(self._used, key=self._used.__getitem__):
            if self._room() >= needed:
                return True
            leaving = [tensor for tensor in tensors_of(module) if id(tensor) not in kept and self._is_here(tensor)]
            if leaving and module not in self._pinned:
                self._whole_again(module)
                forget(module)
                self.leave(leaving)
                if self.device.type == "cuda" and self._free is _free_bytes:
                    torch.cuda.empty_cache()
        return self._room() >= needed

    def _whole_again(self, module: nn.Module) -> None:
        """Blocks of a network come no more by themselves."""
        parts = self._in_parts.pop(module, None)
        if parts is not None:
            parts.close()


def tensors_of(module: nn.Module) -> list[Tensor]:
    """The weights of a network: its parameters and buffers."""
    return [*module.parameters(), *module.buffers()]
