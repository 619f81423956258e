"""A network and the patches on it: what a LoRA, a merge or a DoRA changes, and nothing else.

A PatchedNetwork never touches its base. Realising one copies the tree of Module objects, shares every Parameter
that no patch changes and replaces the others, so two branches of a graph cannot leak into each other, and a LoRA
switch costs the patched tensors and no more. Arithmetic as in parity/facts.md section 11: every patch of a
parameter is applied in order to one float32 temporary, which is cast once to the number format of the base. Where a
file keeps a layer in few bits with a scale, the whole layer of the file is packed once more (WeightForm.again).
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import PatchError, nearest
from weft.nodes.diffusion.weights.landings import Landing, as_landed
from weft.nodes.diffusion.weights.packed import PackedTensor, WeightForm, WidenedForm, held_bytes
from weft.nodes.diffusion.weights.parts import moves_only
from weft.nodes.diffusion.weights.wider import WiderPatch

if TYPE_CHECKING:
    from weft.nodes.diffusion.weights.memory import DeviceMemory

Patches = Mapping[str, tuple[tuple["Patch", float], ...]]


class Patch(Protocol):
    """The change of one parameter."""

    @property
    def identity(self) -> Hashable:
        """Equal identities mean equal numbers: what makes two patched networks the same one."""

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors that this patch holds and no one else."""

    @property
    def networks(self) -> tuple[PatchedNetwork, ...]:
        """Other networks whose weights it takes from, and so keeps in memory."""

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """The patched weight, float32, of the shape and on the device of `weight`, which is float32 and not changed."""


class _Layer(NamedTuple):
    """A tensor of the file that is packed as one: its key without prefix, and where it lies in the network."""

    key: str
    landings: tuple[Landing, ...]


def _is_packed_again(weight: Tensor | None) -> bool:
    return isinstance(weight, PackedTensor) and not weight.form.exact


class _Realised:
    """The modules realised over one base, by what was patched: alive while some PatchedNetwork holds them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.modules: weakref.WeakValueDictionary[Hashable, nn.Module] = weakref.WeakValueDictionary()


class PatchedNetwork:
    """A network and the patches on it; immutable. Its base is shared by all that derive from it, and never modified.

    Args:
        base: the network as loaded. Wrap a network once and derive with `with_patches`: what derives from one
            PatchedNetwork also shares the realised modules.
        memory: brings the weights to the compute device when `module()` asks for them; without it they stay put.
        landings: where each tensor of the file lies in the network, by its key without prefix; without them a patched
            weight is never packed again.
    """

    def __init__(
        self,
        base: nn.Module,
        memory: DeviceMemory | None = None,
        landings: Mapping[str, Sequence[Landing]] = MappingProxyType({}),
    ) -> None:
        self.base = base
        self.memory = memory
        self.patches: Patches = MappingProxyType({})
        self.form: torch.dtype | None = None
        self._parameters = dict(base.named_parameters())
        self._layers = {
            landing.target: _Layer(key, tuple(targets))
            for key, targets in landings.items()
            for landing in targets
            if _is_packed_again(self._parameters.get(landing.target))
        }
        self._wider: Mapping[str, int] = MappingProxyType({})
        self._realised = _Realised()
        self._module: nn.Module | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> PatchedNetwork:
        """Itself: it never changes, and its weights are there to be shared."""
        return self

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The names that patches may use, as `base.named_parameters()` gives them."""
        return tuple(self._parameters)

    def shape_of(self, name: str) -> torch.Size:
        """Of a parameter with its patches."""
        stored = self._parameters[name].shape
        return torch.Size([stored[0], self._wider[name]]) if name in self._wider else stored

    def wider(self, name: str, columns: int) -> PatchedNetwork:
        """This network whose parameter, the weight of a linear layer, reads so many numbers: zeros for those added.

        Patches that it gets from now on are made for this shape, or for the one that it was loaded with.
        """
        derived = self.with_patches({name: WiderPatch(columns)}, 1.0)
        derived._wider = MappingProxyType({**self._wider, name: columns})
        return derived

    def with_patches(self, patches: Mapping[str, Patch], strength: float) -> PatchedNetwork:
        """This network with one more patch on each named parameter, behind those it has; itself at strength 0.

        Raises:
            PatchError: a name that is no parameter of the base.
        """
        unknown = [name for name in patches if name not in self._parameters]
        if unknown:
            hint = nearest(unknown[0], self._parameters)
            more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
            raise PatchError(f"no parameter {unknown[0]!r}{more} in {type(self.base).__name__}{hint}")
        if strength == 0 or not patches:
            return self
        merged = dict(self.patches)
        for name, patch in patches.items():
            merged[name] = (*merged.get(name, ()), (patch, float(strength)))
        derived = copy.copy(self)
        derived.patches = MappingProxyType(merged)
        derived._module = None
        return derived

    def in_format(self, form: torch.dtype) -> PatchedNetwork:
        """This network with all its weights cast to a number format, once they are made in the base's."""
        derived = copy.copy(self)
        derived.form = form
        derived._module = None
        return derived

    @property
    def identity(self) -> Hashable:
        """Equal for two networks of one base exactly if they realise to the same numbers; `()` for the base's."""
        patches = tuple(
            (name, tuple((patch.identity, strength) for patch, strength in self.patches[name]))
            for name in sorted(self.patches)
        )
        return patches if self.form is None else (*patches, self.form)

    @property
    def _changed(self) -> tuple[str, ...]:
        """The parameters that are not the base's own: with a patched one goes what its file packs together with it."""
        if self.form is not None:
            return self.parameter_names
        return tuple(dict.fromkeys(other for name in self.patches for other in self._together(name)))

    def _together(self, name: str) -> tuple[str, ...]:
        layer = self._layers.get(name)
        return (name,) if layer is None else tuple(landing.target for landing in layer.landings)

    def module(self, working: int | None = None) -> nn.Module:
        """The network to compute with: the base itself, or a twin that shares every parameter no patch changes.

        Realised once for equal patches, and kept as long as a PatchedNetwork with these patches lives. Its weights are
        on the compute device. Do not write into them: they are shared. working: as DeviceMemory.bring's.
        """
        if not self._changed:
            return self._brought(self.base, working)
        if self._module is None:
            with self._realised.lock:
                module = self._realised.modules.get(self.identity)
                if module is None:
                    module = self._realise()
                    self._realised.modules[self.identity] = module
                self._module = module
        return self._brought(self._module, working)

    def _brought(self, module: nn.Module, working: int | None) -> nn.Module:
        if self.memory is not None:
            self.memory.bring(module, working)
        return module

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """What this network keeps in memory, by what others may share: the base, and the patched tensors on it."""
        yield id(self.base), held_bytes(self.base)
        if self._changed:
            yield (id(self.base), self.identity), self.nbytes
        others = {id(other): other for pairs in self.patches.values() for patch, _ in pairs for other in patch.networks}
        for other in others.values():
            yield from other.memory_parts

    @property
    def nbytes(self) -> int:
        """Bytes that this network adds to its base: what is changed, once realised, and what the patches hold."""
        held = {patch.identity: patch.nbytes for pairs in self.patches.values() for patch, _ in pairs}
        return sum(map(self._bytes_of, self._changed)) + sum(held.values())

    def _bytes_of(self, name: str) -> int:
        """Of a parameter that is changed."""
        stored = self._parameters[name]
        if self._is_merged_in_use(name):
            return 0
        patched = any(other in self.patches for other in self._together(name))
        packed = isinstance(stored, PackedTensor) and (name in self._layers or not patched)
        dense = self.shape_of(name).numel() * (self.form or stored.dtype).itemsize
        return stored.nbytes if packed and name not in self._wider else dense

    def _is_merged_in_use(self, name: str) -> bool:
        """Whether a patched parameter stays packed as it is. Not if a patch would bring other networks in each time."""
        patches = self.patches.get(name, ())
        packed = isinstance(self._parameters[name], PackedTensor) and name not in self._layers
        packed = packed and name not in self._wider
        return packed and bool(patches) and not any(patch.networks for patch, _ in patches)

    def _realise(self) -> nn.Module:
        memory = self.memory
        room = memory is None or memory.make_room(sum(map(self._bytes_of, self._changed)))
        # Plain tensors even when the caller samples under inference_mode: the twin outlives that block.
        with torch.inference_mode(False), torch.no_grad():
            changed: dict[str, nn.Parameter] = {}
            for name in self._changed:
                if name not in changed:
                    changed |= {made: self._kept(made, weight, room=room) for made, weight in self._made(name).items()}
        twin = _twin(self.base, {})
        for name, parameter in changed.items():
            path, _, leaf = name.rpartition(".")
            owner: Any = twin.get_submodule(path)
            owner._parameters[leaf] = parameter
            if name in self._wider:
                owner.in_features = self._wider[name]
        return twin

    def _made(self, name: str) -> dict[str, Tensor]:
        """A parameter with its patches, as it is kept, and what is packed together with it."""
        stored, layer = self._parameters[name].detach(), self._layers.get(name)
        if not any(other in self.patches for other in self._together(name)):
            return {name: stored}
        if self._is_merged_in_use(name):
            parameter = self._parameters[name]
            home = cast("PackedTensor", parameter if self.memory is None else self.memory.home_of(parameter))
            return {name: home.kept_by(_Merged(home.form, name, self.patches[name]))}
        # Patches are multiplied out where the network computes: on a GPU that is much faster.
        device = stored.device if self.memory is None else self.memory.device
        if layer is None:
            return {name: self.weight(name, device).to(stored.dtype)}
        whole = as_landed(layer.landings, lambda target: self.weight(target, device))
        again = cast("PackedTensor", stored).form.again(layer.key, whole)
        again = again.computed_in(stored.dtype) if isinstance(again, PackedTensor) else again.to(stored.dtype)
        return {landing.target: landing.change(again) for landing in layer.landings}

    def _kept(self, name: str, weight: Tensor, *, room: bool) -> nn.Parameter:
        """room: whether the device where it was made has room for all of them."""
        form = self.form or weight.dtype
        kept = weight.computed_in(form) if isinstance(weight, PackedTensor) else weight.to(form)
        return nn.Parameter(kept if room else kept.to(self._parameters[name].device), requires_grad=False)

    def weight(self, name: str, device: torch.device) -> Tensor:
        """One parameter with its patches, float32, before it is cast to the storage type; not to be written into."""
        stored = self._parameters[name].detach().to(device, torch.float32)
        return _merged(name, stored, self.patches.get(name, ()))

    def weight_identity(self, name: str) -> Hashable:
        """Equal for two parameters exactly if they hold the same numbers."""
        patches = tuple((patch.identity, strength) for patch, strength in self.patches.get(name, ()))
        return self.base, name, patches


def _merged(name: str, weight: Tensor, patches: Sequence[tuple[Patch, float]]) -> Tensor:
    """A weight, float32, with patches in their order."""
    for patch, strength in patches:
        result = patch.apply(weight, strength)
        if result.shape != weight.shape and not isinstance(patch, WiderPatch):
            got, expected = tuple(result.shape), tuple(weight.shape)
            raise PatchError(f"the patch {patch.identity!r} made {got} of {name!r}, which is {expected}")
        weight = result
    return weight


@dataclass(frozen=True, eq=False)
class _Merged(WidenedForm):
    """A weight in few bits whose patches are merged whenever it is used: see WeightForm."""

    form: WeightForm
    name: str
    patches: tuple[tuple[Patch, float], ...]

    by_rows = False

    def widened(self, weight: PackedTensor) -> Tensor:
        """See WeightForm."""
        return _merged(self.name, self.form.widened(weight).float(), self.patches)


@dataclass(frozen=True, eq=False)
class MergePatch:
    """weight * keep + the parameter of the same name in another network * share."""

    name: str
    other: PatchedNetwork
    keep: float
    share: float

    @property
    def identity(self) -> Hashable:
        """See Patch."""
        return "merge", self.other.weight_identity(self.name), self.keep, self.share

    @property
    def nbytes(self) -> int:
        """See Patch: the other network's weights are its own."""
        return 0

    @property
    def networks(self) -> tuple[PatchedNetwork, ...]:
        """See Patch."""
        return (self.other,)

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """See Patch. strength: how much of the other network comes in, 1 in a merge."""
        kept = weight * self.keep
        share = self.share * strength
        return kept + self.other.weight(self.name, weight.device) * share if share else kept


@dataclass(frozen=True, eq=False)
class DifferencePatch:
    """weight + strength * (the parameter of the same name in another network - the one that was loaded)."""

    name: str
    other: PatchedNetwork
    base: PatchedNetwork

    @property
    def identity(self) -> Hashable:
        """See Patch."""
        return "difference", self.other.weight_identity(self.name)

    @property
    def nbytes(self) -> int:
        """See Patch."""
        return 0

    @property
    def networks(self) -> tuple[PatchedNetwork, ...]:
        """See Patch."""
        return (self.other,)

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """See Patch."""
        loaded = self.base.base.get_parameter(self.name).detach().to(weight)
        return weight + (self.other.weight(self.name, weight.device) - loaded) * strength


def _twin(module: nn.Module, seen: dict[int, nn.Module]) -> nn.Module:
    """A copy of the tree of modules: new Module objects with their own tables, the same Parameters and buffers."""
    known = seen.get(id(module))
    if known is not None:
        return known
    twin = type(module).__new__(type(module))
    # nn.Module keeps its tables (_parameters, _modules, hooks) in plain containers: copied, to keep branches apart.
    plain = (dict, OrderedDict, set)
    twin.__dict__ = {key: copy.copy(value) if type(value) in plain else value for key, value in module.__dict__.items()}
    for hooks in (twin._forward_pre_hooks, twin._forward_hooks):
        for number in [number for number, hook in hooks.items() if moves_only(hook)]:
            del hooks[number]
    seen[id(module)] = twin
    twin._modules = {name: child if child is None else _twin(child, seen) for name, child in module._modules.items()}
    return twin
