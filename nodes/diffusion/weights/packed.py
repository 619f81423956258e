"""Weights that stay in memory as their file has them, and are widened where they are used.

A PackedTensor is a tensor of the run's number format to whatever computes with it, or asks for its shape, number format
or device. What it holds is the file's: pages of the mapped file on a CPU, and as few bytes on a GPU. An operation gets
the numbers in a tensor that lives as long as the operation; these keep what is held: rows of it (a slice, the lookup of
an embedding), moving it, another number format to compute in.

Invariants: what is held is never written into, so that copies share it. `nbytes` is what is held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._pytree import tree_map_only

_aten = torch.ops.aten


class WeightForm(Protocol):
    """How the numbers of a weight are kept."""

    @property
    def exact(self) -> bool:
        """Whether a patched weight keeps its numbers; else it is packed `again`."""

    @property
    def by_rows(self) -> bool:
        """Whether some rows of a weight can be widened without the others."""

    def widened(self, weight: PackedTensor) -> Tensor:
        """The numbers that it stands for, of its shape, in any number format that holds them."""

    def again(self, name: str, weight: Tensor) -> Tensor:
        """A weight that was patched, float32, as it is kept. name: in the file, without prefix: the seed of chance."""

    def linear(self, x: Tensor, weight: PackedTensor, bias: Tensor | None) -> Tensor:
        """What a linear layer of this weight gives for x."""

    def beside(self, scale: Tensor | None) -> Mapping[str, Tensor] | None:
        """What a file has beside what is held, by what follows the layer's name; None where none can be written so."""


class WidenedForm:
    """A WeightForm that computes with its numbers widened, leaves patched ones as they are, and is written wide."""

    exact: ClassVar[bool] = True
    by_rows: ClassVar[bool] = True

    def again(self, name: str, weight: Tensor) -> Tensor:
        """See WeightForm."""
        return weight

    def linear(self, x: Tensor, weight: PackedTensor, bias: Tensor | None) -> Tensor:
        """See WeightForm."""
        return functional.linear(x, weight.widened(), bias)

    def beside(self, scale: Tensor | None) -> Mapping[str, Tensor] | None:
        """See WeightForm."""
        return None


@dataclass(frozen=True)
class AsStored(WidenedForm):
    """Floating-point numbers of fewer bits than those that are computed with."""

    def widened(self, weight: PackedTensor) -> Tensor:
        """See WeightForm."""
        return weight.packed

    def beside(self, scale: Tensor | None) -> Mapping[str, Tensor]:
        """See WeightForm."""
        return {}


class PackedTensor(Tensor):
    """A weight of `shape` that is computed with in `dtype`.

    packed: what the file has: of this shape, or k rows for each of its rows. scale: of all of it, or [rows,1].
    """

    packed: Tensor
    scale: Tensor | None
    form: WeightForm

    @staticmethod
    def __new__(
        cls, form: WeightForm, packed: Tensor, scale: Tensor | None, shape: tuple[int, ...], dtype: torch.dtype
    ) -> PackedTensor:
        made = Tensor._make_wrapper_subclass(cls, shape, dtype=dtype, device=packed.device)
        made.form, made.packed, made.scale = form, packed, scale
        return made

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"PackedTensor({list(self.shape)}, {self.dtype}, kept as {self.packed.dtype} by {self.form})"

    @property
    def nbytes(self) -> int:  # type: ignore[override]
        """Bytes that are held."""
        return self.packed.nbytes + (0 if self.scale is None else self.scale.nbytes)

    def widened(self) -> Tensor:
        """Its numbers, in its number format: a plain tensor."""
        return self.form.widened(self).to(self.dtype)

    def computed_in(self, dtype: torch.dtype) -> PackedTensor:
        """The same weight, for a run in another number format."""
        return PackedTensor(self.form, self.packed, self.scale, tuple(self.shape), dtype)

    def kept_by(self, form: WeightForm) -> PackedTensor:
        """What is held, read in another way."""
        return PackedTensor(form, self.packed, self.scale, tuple(self.shape), self.dtype)

    def rows(self, chosen: slice | Tensor) -> PackedTensor | None:
        """Some of its rows: a view where they are a slice; None where rows cannot be told apart in what is held."""
        count = self.shape[0]
        if not self.form.by_rows or not count or self.packed.shape[0] % count:
            return None
        packed = self.packed.reshape(count, -1, *self.packed.shape[1:])[chosen]
        scale = self.scale
        if scale is not None and scale.dim() and scale.shape[0] == count:
            scale = scale[chosen]
        return PackedTensor(self.form, packed.flatten(0, 1), scale, (len(packed), *self.shape[1:]), self.dtype)

    def moved(self, device: torch.device) -> PackedTensor:
        """It on a device."""
        return self.moved_by(lambda tensor: tensor.to(device))

    def moved_by(self, send: Callable[[Tensor], Tensor]) -> PackedTensor:
        """It where `send` brings what it holds."""
        scale = None if self.scale is None else send(self.scale)
        return PackedTensor(self.form, send(self.packed), scale, tuple(self.shape), self.dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Another tensor over what is held."""
        copied: Any = self.computed_in(self.dtype)
        return cast("Self", nn.Parameter(copied, requires_grad=False) if isinstance(self, nn.Parameter) else copied)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A file has the numbers."""
        plain: Any = self.widened()
        return plain.__reduce_ex__(protocol)

    def __tensor_flatten__(self) -> tuple[list[str], Any]:
        """For torch: the tensors in it."""
        return ["packed", *([] if self.scale is None else ["scale"])], (self.form, self.dtype)

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], context: Any, size: Any, stride: Any) -> PackedTensor:
        """For torch: the inverse."""
        form, dtype = context
        return PackedTensor(form, inner["packed"], inner.get("scale"), tuple(size), dtype)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.linear and len(args) > 1 and isinstance(args[1], PackedTensor):
            x, weight, bias = (*args, kwargs.get("bias"))[:3]
            return weight.form.linear(x, weight, bias)
        if func in _PLAIN_ALONE:
            return func(args[0].widened(), *args[1:], **kwargs)
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func._schema.is_mutable and isinstance(args[0], PackedTensor):
            raise RuntimeError(f"{func} would write into a weight that is kept as its file has it")
        # Of what inference_mode makes, torch takes no view for a tensor from outside of it.
        with torch.inference_mode(torch.is_inference_mode_enabled() and not func.is_view):
            kept = _KEEPING.get(func)
            if kept is not None and isinstance(args[0], PackedTensor):
                result = kept(*args, **kwargs)
                if result is not None:
                    return result
            args, kwargs = tree_map_only(PackedTensor, PackedTensor.widened, (args, kwargs))
            return func(*args, **kwargs)


def kept_as(tensor: Tensor, dtype: torch.dtype, *, packs: bool) -> Tensor:
    """A file's tensor for a run in `dtype`: itself where it is so already.

    packs: whether it stays as it is where it has fewer bits; numbers of 8 bits do in any case, vectors never.
    """
    if isinstance(tensor, PackedTensor):
        return tensor.computed_in(dtype)
    if tensor.dim() > 1 and tensor.itemsize < dtype.itemsize and (packs or tensor.itemsize == 1):
        return PackedTensor(AsStored(), tensor, None, tuple(tensor.shape), dtype)
    return tensor.to(dtype)


def move(tensor: Tensor, device: torch.device) -> None:
    """Move a Parameter or a buffer and keep the object, which other networks share."""
    put(tensor, tensor.moved(device) if isinstance(tensor, PackedTensor) else tensor.data.to(device))


def put(tensor: Tensor, value: Tensor) -> None:
    """Make a Parameter or a buffer what another tensor is, and keep the object."""
    if not isinstance(tensor, PackedTensor):
        tensor.data = value
        return
    given: Any = value
    if isinstance(tensor, nn.Parameter):
        given = nn.Parameter(given, requires_grad=False)
    swap: Any = torch.utils.swap_tensors
    swap(tensor, given)


def held_bytes(network: nn.Module) -> int:
    """Bytes of a network's weights as they are held, wherever they are: packed ones as their file has them."""
    return sum(parameter.nbytes for parameter in network.parameters())


def _same(weight: PackedTensor, **_: Any) -> PackedTensor:
    return weight.computed_in(weight.dtype)


def _slice(
    weight: PackedTensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> PackedTensor | None:
    return weight.rows(slice(start, end)) if dim == 0 and step == 1 else None


def _copied(weight: PackedTensor, **how: Any) -> PackedTensor | None:
    """Of `to`: moved, and in the number format that the run computes in; not one that is only asked for here."""
    if how.get("dtype") not in (None, weight.dtype):
        return None
    device = how.get("device")
    return weight.moved(weight.device if device is None else device)


def _chosen(weight: PackedTensor, places: Sequence[Tensor | None]) -> PackedTensor | None:
    """Rows by their numbers."""
    first = places[0] if len(places) == 1 else None
    plain = first is not None and first.dim() == 1 and first.dtype is torch.int64
    return weight.rows(first) if plain and first is not None else None


def _looked_up(weight: PackedTensor, places: Tensor, *_: Any, **__: Any) -> Tensor | None:
    found = weight.rows(places.flatten())
    return None if found is None else found.widened().reshape(*places.shape, *weight.shape[1:])


# What leaves a weight as it is kept; None where it cannot.
_KEEPING: dict[Any, Callable[..., Tensor | None]] = {
    _aten.detach.default: _same,
    _aten.alias.default: _same,
    _aten.slice.Tensor: _slice,
    _aten._to_copy.default: _copied,
    _aten.embedding.default: _looked_up,
    _aten.index.Tensor: _chosen,
}
# What torch has for plain tensors alone.
_PLAIN_ALONE = (Tensor.numpy, Tensor.tolist)
