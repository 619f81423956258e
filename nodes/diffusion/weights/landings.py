"""What the layouts share: the shapes of a file under one prefix, and the landing of a tensor."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import CheckpointError, nearest

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]


def as_stored(tensor: Tensor) -> Tensor:
    """The tensor itself: network and file agree on its form."""
    return tensor


def transposed(tensor: Tensor) -> Tensor:
    """A matrix stored as (in, out), as the (out, in) of a linear layer."""
    return tensor.t().contiguous()


def third(index: int, tensor: Tensor) -> Tensor:
    """Rows of query (0), key (1) or value (2) of a fused projection [3 * width, ...]: a view."""
    width = tensor.shape[0] // 3
    return tensor[index * width : (index + 1) * width]


def rows(start: int, stop: int, tensor: Tensor) -> Tensor:
    """These rows of what a file has stored together: a view."""
    return tensor[start:stop]


def halves_swapped(tensor: Tensor) -> Tensor:
    """Scale and shift of a modulation in the other order; twice is as it was."""
    import torch

    # Rows by their numbers: so a weight in few bits stays in them.
    count = tensor.shape[0]
    return tensor[torch.arange(count, device=tensor.device).roll(count // 2)]


@dataclass(frozen=True)
class Landing:
    """Where a stored tensor goes: the parameter's name, the change of form on the way (a view if possible), and back.

    A key with several landings is cut into them, in their order.
    """

    target: str
    change: Callable[[Tensor], Tensor] = as_stored
    back: Callable[[Tensor], Tensor] = as_stored

    @property
    def is_plain(self) -> bool:
        """Whether the file stores just what the network has."""
        return self.change is as_stored


def as_landed(landings: Sequence[Landing], parameter: Callable[[str], Tensor]) -> Tensor:
    """The tensor that a file stores for these landings: `change` undone. parameter: gives a network's, by its name."""
    pieces = [landing.back(parameter(landing.target)) for landing in landings]
    if len(pieces) == 1:
        return pieces[0]
    import torch

    return torch.cat(pieces)


def fused(sizes: Mapping[str, int]) -> tuple[Landing, ...]:
    """Landings of a tensor in which several parameters stand below each other, each with so many rows."""
    ends = list(itertools.accumulate(sizes.values()))
    starts = [0, *ends]
    return tuple(
        Landing(target, partial(rows, start, end)) for target, start, end in zip(sizes, starts, ends, strict=False)
    )


def landed_shape(landing: Landing, shape: Shape) -> Shape:
    """The shape that a stored tensor of this one has where it lands."""
    change = landing.change
    if change is transposed:
        return shape[::-1]
    if isinstance(change, partial) and change.func is rows:
        start, stop = change.args
        return (stop - start, *shape[1:])
    if isinstance(change, partial) and change.func is third:
        return (shape[0] // 3, *shape[1:])
    return shape


def names_of(landings: Mapping[str, Sequence[Landing]]) -> dict[str, str]:
    """The key that each parameter has in a file; one of those that a file stores fused keeps its own name."""
    return {
        landing.target: key if len(targets) == 1 else landing.target
        for key, targets in landings.items()
        for landing in targets
    }


class Shapes:
    """The shapes stored under one prefix, by the rest of their names."""

    def __init__(self, shapes: Mapping[str, Shape], prefix: str = "") -> None:
        self.prefix = prefix
        self._shapes = {key[len(prefix) :]: tuple(shape) for key, shape in shapes.items() if key.startswith(prefix)}

    def __bool__(self) -> bool:
        return bool(self._shapes)

    def __contains__(self, name: object) -> bool:
        return name in self._shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def of(self, name: str, dims: int) -> Shape:
        """The shape stored as `name`, which must have `dims` dimensions.

        Raises:
            CheckpointError: no such key, or other dimensions.
        """
        shape = self._shapes.get(name)
        if shape is None:
            raise CheckpointError(f"missing key {self.prefix + name!r}{nearest(name, self._shapes)}")
        if len(shape) != dims:
            raise CheckpointError(f"{self.prefix + name!r} has shape {list(shape)}, expected {dims} dimensions")
        return shape

    def shape(self, name: str) -> Shape:
        """The shape stored as `name`, whatever it is. Raises KeyError."""
        return self._shapes[name]

    def first(self, pattern: str) -> Shape | None:
        """The shape of the first key that the whole of `pattern` matches; None without one."""
        matches = re.compile(pattern).fullmatch
        return next((shape for name, shape in self._shapes.items() if matches(name)), None)

    def indices(self, pattern: str) -> list[int]:
        """The numbers, sorted and distinct, that the one group of `pattern` matches at the start of keys."""
        matches = map(re.compile(pattern).match, self._shapes)
        return sorted({int(match.group(1)) for match in matches if match})

    def any(self, start: str) -> bool:
        """Whether some key starts so."""
        return any(name.startswith(start) for name in self._shapes)
