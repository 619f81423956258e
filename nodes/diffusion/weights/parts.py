"""A network that is on the device in parts: blocks that do not fit come for their own calls, and leave behind them.

A block is a member of one of the network's lists of modules (the blocks of a transformer, the layers of a UNet's
level); what stands in several is its innermost one's. What stands in none, all blocks need: it stays. The hooks around
the calls of blocks move weights and compute nothing, so that every number is the one that the whole network gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from torch import Tensor, nn

from weft.nodes.diffusion.errors import DeviceError
from weft.nodes.diffusion.weights.bytesize import said


class Mover(Protocol):
    """What moves weights to a device and away; a DeviceMemory is one."""

    def come(self, tensors: Iterable[Tensor]) -> list[Tensor]:
        """Move weights to the device; gives those that were not there."""

    def leave(self, tensors: Iterable[Tensor]) -> None:
        """Move weights away."""


class Block(NamedTuple):
    """A member of a list of modules. tensors: its own; depth: the bytes of those of the blocks around it and itself."""

    module: nn.Module
    tensors: list[Tensor]
    depth: int

    @property
    def nbytes(self) -> int:
        """Bytes of its own tensors."""
        return _bytes(self.tensors)


class Parts:
    """A network of which some blocks come for their calls. away: those of its weights that are not on the device."""

    def __init__(self, network: nn.Module, away: Sequence[Tensor], mover: Mover) -> None:
        self._name = type(network).__name__
        self._mover = mover
        left = {id(tensor): tensor for tensor in away}
        self.blocks = _taken(network, left)
        self.needed_by_all = list(left.values())
        self._handles: list[Any] = []

    @property
    def least(self) -> int:
        """Bytes of weights that are on the device at once, if no block stays."""
        return _bytes(self.needed_by_all) + max((block.depth for block in self.blocks), default=0)

    def settle(self, room: int) -> None:
        """Bring what all blocks need, and as many blocks as fit in `room` bytes beside the largest.

        Raises:
            DeviceError: there is no room for one block.
        """
        if room < self.least:
            whole = _bytes(self.needed_by_all) + sum(block.nbytes for block in self.blocks)
            raise DeviceError(
                f"{self._name} needs {said(self.least)} on the device to compute block by block ({said(whole)} as a "
                f"whole), and {said(max(room, 0))} are left for it: give Weft more of the device (--vram), take a "
                "smaller picture, or a file of smaller weights"
            )
        self._mover.come(self.needed_by_all)
        room -= self.least
        for block in self.blocks:
            if block.nbytes <= room:
                room -= block.nbytes
                self._mover.come(block.tensors)
            else:
                visit = Visit(block.tensors, self._mover)
                self._handles.append(block.module.register_forward_pre_hook(visit.begin))
                # Also where the call fails: an interrupted run leaves nothing behind.
                self._handles.append(block.module.register_forward_hook(visit.end, always_call=True))

    def close(self) -> None:
        """No block comes by itself any more."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


class Visit:
    """The weights of a block, for the time of its call."""

    def __init__(self, tensors: Sequence[Tensor], mover: Mover) -> None:
        self._tensors = tensors
        self._mover = mover
        self._came: list[Tensor] = []

    def begin(self, module: nn.Module, args: Any) -> None:
        """The block is called."""
        self._came = self._mover.come(self._tensors)

    def end(self, module: nn.Module, args: Any, output: Any) -> None:
        """It is done."""
        self._mover.leave(self._came)
        self._came = []


def moves_only(hook: Any) -> bool:
    """Whether a hook of a module is one of these."""
    return isinstance(getattr(hook, "__self__", None), Visit)


def _taken(module: nn.Module, left: dict[int, Tensor], around: int = 0) -> list[Block]:
    """The blocks below a module, in their order; what they hold is taken from `left`."""
    found: list[Block] = []
    for inner in module.children():
        members = inner.children() if isinstance(inner, nn.ModuleList) else ()
        for member in members:
            found += _block(member, left, around)
        if not isinstance(inner, nn.ModuleList):
            found += _taken(inner, left, around)
    return found


def _block(member: nn.Module, left: dict[int, Tensor], around: int) -> Iterator[Block]:
    """A member of a list and the blocks in it. Its own are what these do not take."""
    inside = {id(tensor) for block in _taken(member, dict(left)) for tensor in block.tensors}
    own = [tensor for tensor in (*member.parameters(), *member.buffers()) if id(tensor) in left]
    own = [left.pop(id(tensor)) for tensor in own if id(tensor) not in inside]
    depth = around + _bytes(own)
    if own:
        yield Block(member, own, depth)
    yield from _taken(member, left, depth)


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(int(tensor.nbytes) for tensor in tensors)
