"""LoRA files: from a file to patches on a model and its text encoders.

A file is read into layers, named as it names them (`lora_unet_down_blocks_0_...`, `unet.down_blocks.0....`,
`lora_unet_input_blocks_1_...`). A network's parameters are offered under every name that trainers give them, so a
lookup joins the two. The names stand in lora_names; what a layer's tensors mean, in lora_formats.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, PatchError
from weft.nodes.diffusion.weights.lora_formats import OF_BIAS, SCALARS, Inert, build_patch, made_shape
from weft.nodes.diffusion.weights.lora_names import canonical, is_of_text, split_key, text_names

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.landings import Landing
    from weft.nodes.diffusion.weights.lora_formats import LoraPatch
    from weft.nodes.diffusion.weights.patched import Patch, PatchedNetwork
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

UNET = "unet"


@dataclass(frozen=True, eq=False)
class Lora:
    """A LoRA file: its tensors by layer and role, mapped from the file, and the keys that no format knows.

    source: the path and the marks of the file: equal for the same content, as far as the file system tells.
    """

    path: Path
    source: Hashable
    layers: Mapping[str, Mapping[str, Tensor]]
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class LoraReport:
    """What became of a LoRA's layers.

    matched: parameters of the model and text encoders that are patched, by layer, as "unet.conv_in.weight"; where a
        layer changes weight and bias, the weight.
    unmatched: layers and biases that no network here has, and keys that no format knows: their part is lost.
    misfits: layers that a network here has, but of another shape, and why: their part is lost too, as in ComfyUI.
    inert: layers that ComfyUI takes and leaves without effect, and so does this, and why.
    left_out: layers for the text encoders where only a model was given, or for the model where only CLIP was.
    """

    matched: Mapping[str, str]
    unmatched: tuple[str, ...]
    misfits: Mapping[str, str]
    inert: Mapping[str, str]
    left_out: tuple[str, ...]

    def said(self, name: str) -> Iterator[str]:
        """What is to be told of it, in words; name: of the file."""
        for what, reasons in (("left out", self.misfits), ("no effect of", self.inert)):
            if reasons:
                more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
                yield f"{name}: {what} {_counted(reasons, 'layer')}: {next(iter(reasons.values()))}{more}"
        if self.unmatched:
            yield f"{name}: {_counted(self.unmatched, 'key')} of no layer in this model: {_named(self.unmatched)}"
        if self.left_out and not self.matched:
            yield f"{name} has nothing for what it was put on, but {_named(self.left_out)}"


def _counted(things: Sized, what: str) -> str:
    return f"{len(things)} {what}{'s' if len(things) > 1 else ''}"


def _named(keys: Iterable[str]) -> str:
    """The first of several keys, in the order of the alphabet."""
    first = sorted(keys)
    return ", ".join(first[:3]) + (", ..." if len(first) > 3 else "")


def load_lora(path: Path) -> Lora:
    """Open a LoRA file; its numbers are read when they are needed.

    Raises:
        CheckpointError: the file cannot be read, or no key of it is a LoRA's.
    """
    from weft.nodes.diffusion.weights.weightfile import read_tensors

    path = Path(path).resolve()
    # Before the numbers: those of a file that changes meanwhile are never taken for the new file's.
    marks = _marks(path)
    return _lora(path, (str(path), *marks), read_tensors(path))


def lora_of(tensors: Mapping[str, Tensor]) -> Lora:
    """A LoRA that no file holds, by the keys that one would have.

    Raises:
        CheckpointError: no key is a LoRA's.
    """
    digest = hashlib.blake2b(digest_size=16)
    for key, tensor in sorted(tensors.items()):
        digest.update(f"{key} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return _lora(Path("LORA_MODEL"), ("LORA_MODEL", digest.digest()), tensors)


def _lora(path: Path, source: Hashable, tensors: Mapping[str, Tensor]) -> Lora:
    layers: dict[str, dict[str, Tensor]] = {}
    unknown = []
    for key, tensor in tensors.items():
        layer_and_role = split_key(key)
        if layer_and_role is None:
            unknown.append(key)
        else:
            layer, role = layer_and_role
            layers.setdefault(layer, {})[role] = tensor
    if not layers:
        shown = ", ".join(map(repr, unknown[:3])) or "none at all"
        raise CheckpointError(f"{path.name!r} is no LoRA: of its {len(unknown)} keys none is a LoRA's, but {shown}")
    return Lora(path, source, layers, tuple(unknown))


def _marks(path: Path) -> tuple[int, ...]:
    """What tells a file from what it was; nothing for one that is not there."""
    if not path.is_file():
        return ()
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def apply_lora(
    model: ModelPatcher | None, clip: Clip | None, lora: Lora, strength_model: float, strength_clip: float
) -> tuple[ModelPatcher | None, Clip | None, LoraReport]:
    """Put a LoRA on a model, on its text encoders or on both, behind the patches they have.

    The arguments are not changed; a strength of 0 patches nothing. A layer that does not fit is left out and reported;
    one that has the model read more than it did (Kind.wider) makes it one that does.

    Raises:
        PatchError: none of its layers for what was given fits, or the model cannot read what one of them reads.
    """
    targets: dict[str, list[tuple[str, Target]]] = {}
    for name, network, target in _targets(model, clip):
        targets.setdefault(name, []).append((network, target))
    given = model
    if model is not None:
        model = model.clone()
        _widen(model, lora, targets)
    networks = {encoder.name: encoder.network for encoder in (clip.encoders if clip is not None else ())}
    networks |= {} if model is None else {UNET: model.network}
    patches: dict[str, dict[str, Patch]] = {}
    matched: dict[str, str] = {}
    misfits: dict[str, str] = {}
    inert: dict[str, str] = {}
    unmatched: list[str] = list(lora.unknown)
    left_out: list[str] = []
    for layer, tensors in lora.layers.items():
        found = targets.get(canonical(layer))
        if found is None:
            (left_out if (clip if is_of_text(layer) else model) is None else unmatched).append(layer)
            continue
        for leaf, part in _by_parameter(tensors).items():
            if not hasattr(found[0][1].owner, leaf) or getattr(found[0][1].owner, leaf) is None:
                unmatched.extend(f"{layer}.{role}" for role in part)
                continue
            for network, target in found:
                name = f"{target.path}.{leaf}"
                try:
                    patch = target.patch(layer, leaf, part, lora.source, networks[network])
                except PatchError as error:
                    (inert if isinstance(error, Inert) else misfits)[layer] = str(error)
                    continue
                patches.setdefault(network, {})[name] = patch
                matched.setdefault(layer, f"{network}.{name}")
    report = LoraReport(matched, tuple(unmatched), misfits, inert, tuple(left_out))
    if not matched and not inert and len(left_out) < len(lora.layers):
        raise PatchError(_nothing_fits(lora, report))
    of_model = patches.pop(UNET, {})
    if model is not None and strength_model:
        model.add_patches(of_model, strength_model)
    elif given is not None:
        model = given.clone()
    if clip is not None:
        clip = clip.with_patches(patches, strength_clip)
    return model, clip, report


def _widen(model: ModelPatcher, lora: Lora, targets: Mapping[str, Sequence[tuple[str, Target]]]) -> None:
    """Have a model read what layers of a LoRA read beside what it does, where there are such models."""
    for layer, tensors in lora.layers.items():
        for network, target in targets.get(canonical(layer), ()):
            name = f"{target.path}.weight"
            if network != UNET or target.pieces:
                continue
            shape = model.network.shape_of(name)
            made = made_shape(_by_parameter(tensors).get("weight", {}), shape)
            if made is None or len(made) != 2 or made[0] != shape[0] or made[1] <= shape[1]:
                continue
            kind = model.kind.wider(name, made[1])
            if kind is not None:
                model.kind, model.network = kind, model.network.wider(name, made[1])


def _nothing_fits(lora: Lora, report: LoraReport) -> str:
    """Why a LoRA does nothing: the first layer of another shape, or else the first names that are none here."""
    of = f"of the {len(lora.layers)} layers of {lora.path.name!r} none fits (is it for another model?)"
    if report.misfits:
        return f"{of}: {next(iter(report.misfits.values()))}"
    names = sorted(report.unmatched)
    return f"{of}: its names are {', '.join(map(repr, names[:3]))}{', ...' if len(names) > 3 else ''}"


def _by_parameter(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """What a layer's tensors change, "weight" or "bias", and with which of them."""
    of_bias = {role: tensor for role, tensor in tensors.items() if role in OF_BIAS}
    of_weight = {role: tensor for role, tensor in tensors.items() if role not in OF_BIAS}
    if of_bias and not set(of_weight) - {*SCALARS}:
        return {"bias": of_bias}
    return {"weight": of_weight, **({"bias": of_bias} if of_bias else {})}


class Target(NamedTuple):
    """A module that may be changed, and its name in its network.

    pieces: where its layer has another form in LoRA files, or is one of several: landings of the file's weight, each
    with its module; at: of this one.
    """

    path: str
    owner: nn.Module
    pieces: tuple[tuple[Landing, nn.Module], ...] = ()
    at: int = 0

    def patch(
        self, layer: str, leaf: str, tensors: Mapping[str, Tensor], source: Hashable, network: PatchedNetwork
    ) -> Patch:
        """The patch that a layer's tensors spell for the weight or the bias, on a network. Raises PatchError."""
        if not self.pieces:
            identity, loaded = (source, layer, leaf), getattr(self.owner, leaf).shape
            shape = network.shape_of(f"{self.path}.{leaf}")
            if shape != loaded and made_shape(tensors, loaded) == loaded:
                return FirstColumns(build_patch(layer, tensors, identity, loaded), loaded[1])
            return build_patch(layer, tensors, identity, shape)
        shapes = [tuple(getattr(module, leaf).shape) for _, module in self.pieces]
        stored = torch.cat(
            [
                landing.back(torch.empty(shape, device="meta"))
                for (landing, _), shape in zip(self.pieces, shapes, strict=True)
            ]
        )
        whole = build_patch(layer, tensors, (source, layer, leaf), stored.shape)
        if len(self.pieces) > 1 and whole.dora is not None:
            raise PatchError(
                f"layer {layer!r} is a DoRA over {len(self.pieces)} layers at once, which is not supported"
            )
        return PiecePatch(whole, tuple(landing for landing, _ in self.pieces), tuple(shapes), self.at)


@dataclass(frozen=True, eq=False)
class PiecePatch:
    """A layer's patch on one of the parameters that its weight is stored for.

    landings, shapes: of all of them, in the order of the file; at: of this one.
    """

    whole: LoraPatch
    landings: tuple[Landing, ...]
    shapes: tuple[tuple[int, ...], ...]
    at: int

    @property
    def identity(self) -> Hashable:
        """See Patch."""
        return self.whole.identity, self.at

    @property
    def nbytes(self) -> int:
        """See Patch: the factors are shared by the pieces."""
        return self.whole.nbytes if self.at == 0 else 0

    @property
    def networks(self) -> tuple[()]:
        """See Patch: none."""
        return ()

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """See Patch. The others' rows do not matter to this one's."""
        pieces = [weight if place == self.at else weight.new_zeros(shape) for place, shape in enumerate(self.shapes)]
        stored = torch.cat([landing.back(piece) for landing, piece in zip(self.landings, pieces, strict=True)])
        return self.landings[self.at].change(self.whole.apply(stored, strength))


@dataclass(frozen=True, eq=False)
class FirstColumns:
    """A patch that is made for the first columns of a weight."""

    patch: Patch
    columns: int

    @property
    def identity(self) -> Hashable:
        """See Patch."""
        return "first", self.columns, self.patch.identity

    @property
    def nbytes(self) -> int:
        """See Patch."""
        return self.patch.nbytes

    @property
    def networks(self) -> tuple[PatchedNetwork, ...]:
        """See Patch."""
        return self.patch.networks

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """See Patch."""
        first = self.patch.apply(weight[:, : self.columns], strength)
        return torch.cat([first, weight[:, self.columns :]], dim=1)


def _targets(model: ModelPatcher | None, clip: Clip | None) -> Iterator[tuple[str, str, Target]]:
    """Every module with a weight under every name that a LoRA may give it: (the name, its network's name, it)."""
    if model is not None:
        modules = {target.path: target for target in _modules(model.network.base)}
        for place in model.kind.lora_names(modules):
            target = modules[place.module]
            if place.landings:
                owners = (modules[landing.target.rpartition(".")[0]].owner for landing in place.landings)
                target = target._replace(pieces=tuple(zip(place.landings, owners, strict=True)), at=place.at)
            yield place.name, UNET, target
    for index, encoder in enumerate(clip.encoders if clip is not None else ()):
        for target in _modules(encoder.network.base):
            for name in text_names(target.path, encoder.name, index):
                yield name, encoder.name, target


def _modules(network: nn.Module) -> Iterator[Target]:
    for path, module in network.named_modules():
        if isinstance(getattr(module, "weight", None), nn.Parameter):
            yield Target(path, module)
