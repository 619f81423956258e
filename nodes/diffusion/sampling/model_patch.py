"""The MODEL_PATCH between nodes: a network that steps into another one (families.model_patches); loaded, and put on."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError, Warn, python_warning
from weft.nodes.diffusion.families import FAMILIES, recognise_patch
from weft.nodes.diffusion.families.model_patches import NETWORK, PatchKind, SightKind, Sights
from weft.nodes.diffusion.sampling.model_options import model_patches
from weft.nodes.diffusion.values.masks import as_masks
from weft.nodes.diffusion.values.pixels import check_images, resize, to_batch
from weft.nodes.diffusion.weights.networks import check, fill, in_file, memory_of
from weft.nodes.diffusion.weights.patched import PatchedNetwork
from weft.nodes.diffusion.weights.quantised import widened
from weft.nodes.diffusion.weights.weightfile import Weights, opened

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import Family
    from weft.nodes.diffusion.sampling.conditions import SamplingRun
    from weft.nodes.diffusion.values.vae import Vae
    from weft.nodes.diffusion.weights.memory import DeviceMemory
    from weft.nodes.diffusion.weights.patcher import ModelPatcher


@dataclass(frozen=True, eq=False)
class ModelPatch:
    """The MODEL_PATCH socket: a model patch as loaded. kind: what its file is."""

    network: PatchedNetwork
    kind: PatchKind

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts."""
        return self.network.memory_parts

    def check_fit(self, model: ModelPatcher) -> None:
        """Raise DiffusionError where it was made for models of another family or size."""
        if model.kind.name != self.kind.name or NETWORK not in model.places.patched:
            raise DiffusionError(f"this model patch is {self.kind.title}; the model is {model.kind.title}")
        self.kind.check_fit(self.network.base, model.network.base)


def load_model_patch(
    path: Path | Weights,
    *,
    device: torch.device | DeviceMemory,
    dtype: torch.dtype,
    warn: Warn = python_warning,
    families: Sequence[Family] = FAMILIES,
) -> ModelPatch:
    """Open a model patch.

    Raises:
        CheckpointError: none of a known kind, or one that is not whole.
    """
    with in_file(path, warn) as tell:
        file = widened(opened(path))
        kind = recognise_patch(file.shapes, file.tensor, families=families)
        part = kind.part()
        check([part], file.shapes, tell, kind.ignored)
        fill(file, [part], {part.name: dtype})
    return ModelPatch(PatchedNetwork(part.module, memory_of(device)), kind)


@runtime_checkable
class HeldPatch(Protocol):
    """A NetworkPatch with a network of its own; its memory counts as its `memory_parts` say (model_options)."""

    def hold(self, run: SamplingRun) -> None:
        """Keep its network on the device until a run ends, and do what is done once, before the first step."""


@dataclass(frozen=True, eq=False)
class SightPatch:
    """See NetworkPatch: a model patch that sees pictures, on one model.

    picture, mask, painted: as Sights has them, of any size. pixels: of a picture along an element of a latent, of
    `channels`.
    """

    patch: ModelPatch
    kind: SightKind
    strength: float
    vae: Vae
    picture: Tensor | None
    mask: Tensor | None
    painted: Tensor | None
    pixels: int
    channels: int
    # What it saw, by the latent's size: the same in every step and stage.
    _seen: dict[Hashable, Tensor] = field(default_factory=dict, repr=False)

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """What it keeps in memory, by what others may share."""
        for shown in (self.picture, self.mask, self.painted):
            if shown is not None:
                yield id(shown), shown.nbytes
        yield id(self._seen), sum(each.nbytes for each in self._seen.values())
        yield from self.patch.memory_parts
        yield from self.vae.network.memory_parts

    def hold(self, run: SamplingRun) -> None:
        """See HeldPatch."""
        network = self.patch.network
        module = network.module()
        if network.memory is not None:
            run.held.enter_context(network.memory.on_device(module))
        self._look(module, run.device, *run.shape[-2:])

    def __call__(self, network: nn.Module, sample: Tensor, options: Mapping[str, Any]) -> nn.Module:
        """See NetworkPatch."""
        if sample.dim() == 5 and sample.shape[2] != 1:
            frames = sample.shape[2]
            raise DiffusionError(f"{self.kind.title} steers one picture, the latent has {frames} of them: expected 1")
        module = self.patch.network.base
        seen, items = self._look(module, sample.device, *sample.shape[-2:]), sample.shape[0]
        sides = len(options.get("cond_or_uncond") or (0,))
        if seen.shape[0] > 1:
            seen = to_batch(seen, items // sides).repeat(sides, *[1] * (seen.dim() - 1))
        return self.kind.joined(module, network, to_batch(seen, items), self.strength)

    def _look(self, module: nn.Module, device: torch.device, height: int, width: int) -> Tensor:
        """What it sees in the pictures for a latent of this size; once."""
        key = height, width, device
        if key not in self._seen:
            high, wide = height * self.pixels, width * self.pixels
            mask = _resized(None if self.mask is None else self.mask[..., None], high, wide)
            picture, painted = (_resized(each, high, wide) for each in (self.picture, self.painted))
            shown = Sights(picture, None if mask is None else mask[..., 0], painted, self._encode)
            self._seen[key] = self.kind.seen(module, shown).to(device)
        return self._seen[key]

    def _encode(self, pictures: Tensor) -> Tensor:
        # One by one: a VAE of videos takes a batch for one.
        latents = torch.cat([self.vae.encode(each[None]) for each in pictures])
        latents = latents[:, :, 0] if latents.dim() == 5 else latents
        if latents.shape[1] != self.channels:
            got = f"its VAE gives latents of {latents.shape[1]} channels, {self.kind.title} sees {self.channels}"
            raise DiffusionError(f"{got}: connect the VAE of the model")
        return latents


def _resized(picture: Tensor | None, height: int, width: int) -> Tensor | None:
    if picture is None:
        return None
    return resize(picture.movedim(-1, 1), width, height, "bilinear", "center").movedim(1, -1)


def with_sight(
    model: ModelPatcher,
    patch: ModelPatch,
    vae: Vae,
    strength: float,
    *,
    picture: Tensor | None = None,
    mask: Tensor | None = None,
    painted: Tensor | None = None,
) -> ModelPatcher:
    """The model with a patch that sees pictures; itself at strength 0. Arguments as Sights's, of any size.

    Raises:
        DiffusionError: a patch for another model, one that sees no pictures, or not such as there are.
    """
    kind = patch.kind
    if not isinstance(kind, SightKind):
        raise DiffusionError(f"this model patch is {kind.title}, which {kind.applied_by} puts on a model")
    patch.check_fit(model)
    kind.check_shown(picture=picture is not None, mask=mask is not None, painted=painted is not None)
    pictures = [each for each in (picture, painted) if each is not None]
    check_images(*pictures)
    mask = None if mask is None else as_masks(mask).float()
    counts = [len(each) for each in (*pictures, mask) if each is not None]
    if len({*counts} - {1}) > 1:
        got = " and ".join(map(str, counts))
        raise DiffusionError(f"{got} pictures and masks go together: expected one, or as many")
    if strength == 0:
        return model
    form, clone = model.latent_format, model.clone()
    picture, painted = (None if each is None else each[..., :3] for each in (picture, painted))
    put = SightPatch(patch, kind, strength, vae, picture, mask, painted, form.pixels, form.channels)
    clone.set_model_patch(put, NETWORK)
    return clone


def hold_patches(run: SamplingRun) -> None:
    """Keep the networks of the model patches on a run's model on the device until it ends."""
    for patch in model_patches(run.options):
        if isinstance(patch, HeldPatch):
            patch.hold(run)
