"""Fun ControlNets of Z-Image, as Alibaba PAI publishes them (VideoX-Fun, Apache 2.0): model patches beside its blocks.

A part of the model's blocks again, which walk the picture's rows beside the model's, and give what is added behind some
of them. Three forms, told by the file:

- 1.0: blocks that refine the picture's rows by themselves, then 6 beside the model's, every fifth of 30.
- 2.0: the 15 blocks beside the model's also go once over the rows that are not refined yet, with what the first ones
  give added behind the model's refiners. The file's own refiners are not trained: without `before_proj`, or with zeros.
- 2.1: refiners that do that, and as many blocks as there are, 15 or 3, in even steps.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families.patches import wrapped
from weft.nodes.diffusion.families.zimage.glance import FUN_REFINER, read_fun
from weft.nodes.diffusion.families.zimage.keymap import HEAD, landings
from weft.nodes.diffusion.families.zimage.kind import CHANNELS, LATENT_SCALE, LATENT_SHIFT
from weft.nodes.diffusion.weights.landings import Landing
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.model_patches import Sights
    from weft.nodes.diffusion.families.protocol import FileShapes, Read

MASKED = 2 * CHANNELS + 1
"""Channels that it sees where it reads a mask: the picture, what is kept, the picture that is painted in."""
_EMBEDDER = "2-1"
_TWO = 15
"""How many blocks files of 2.0 have."""


@dataclass(frozen=True)
class FunKind:
    """See SightKind. sizes: of glance.read_fun. refines: where the file's own refiners are, diffusers' name for it.

    fused: whether it stores queries, keys and values in one, as the model's files do.
    """

    sizes: Mapping[str, int]
    refines: str | None
    fused: bool = False
    prefix: str = ""

    name = "z_image"
    title = "a Fun ControlNet for Z-Image"
    applied_by = "ZImageFunControlnet"
    UNUSED: ClassVar[Mapping[str, str]] = {r".*control_noise_refiner\..*": "not trained: nothing reads them"}

    @property
    def ignored(self) -> Mapping[str, str]:
        """See PatchKind."""
        return self.UNUSED if self.refines == "control_layers" else {}

    def part(self) -> Part:
        """See PatchKind."""
        module = build("model patch", self._module, self.sizes)
        names = [name for name, _ in module.named_parameters()]
        plain = {name: (Landing(name),) for name in names}
        stored = landings(names, self.sizes["width"]) if self.fused else plain
        return Part("patch", self.prefix, module, stored, large=True)

    def _module(self, sizes: Mapping[str, int]) -> nn.Module:
        from diffusers import ZImageControlNetModel

        heads = sizes["width"] // HEAD
        make = cast("Any", ZImageControlNetModel)
        module: nn.Module = make(
            control_layers_places=list(range(sizes["blocks"])),
            control_in_dim=sizes["channels"],
            add_control_noise_refiner=self.refines,
            dim=sizes["width"],
            n_refiner_layers=sizes["refiners"],
            n_heads=heads,
            n_kv_heads=heads,
        )
        return module

    def check_fit(self, module: nn.Module, network: nn.Module) -> None:
        """See PatchKind."""
        config = cast("Any", network).config
        width, blocks = self.sizes["width"], self.sizes["blocks"]
        if config.dim != width or config.n_layers < blocks:
            raise DiffusionError(
                f"this model patch is {self.title} {width} wide, of {blocks} blocks; this model is {config.dim} wide, "
                f"of {config.n_layers}"
            )

    def check_shown(self, *, picture: bool, mask: bool, painted: bool) -> None:
        """See SightKind."""
        if (mask or painted) and self.sizes["channels"] == CHANNELS:
            raise DiffusionError(f"this model patch is {self.title} (1.0) that reads no mask: expected none")
        if painted and not mask:
            raise DiffusionError("a picture to paint in is read with a mask of what to paint: connect one")
        if not picture and not painted:
            raise DiffusionError(f"this model patch is {self.title}, which needs a picture to see: connect an image")

    def seen(self, module: nn.Module, shown: Sights) -> Tensor:
        """See SightKind: rows [B,n,C]. A picture to paint in is grey where something is painted."""
        mask, painted = shown.mask, shown.painted
        if painted is not None and mask is not None:
            painted = torch.where((mask < 0.5)[..., None], painted, 0.5)
        encoded = [None if each is None else _latent(shown.encode(each)) for each in (shown.picture, painted)]
        like = next(each for each in encoded if each is not None)
        control, inside = (torch.zeros_like(like) if each is None else each for each in encoded)
        if self.sizes["channels"] != CHANNELS:
            kept = torch.zeros_like(like[:, :1])
            if mask is not None:
                kept = nn.functional.interpolate(1 - mask[:, None], size=like.shape[-2:]).to(like)
            count = max(map(len, (control, kept, inside)))
            control = torch.cat([each.expand(count, -1, -1, -1) for each in (control, kept, inside)], dim=1)
        embed = cast("Any", module).control_all_x_embedder[_EMBEDDER]
        rows: Tensor = embed(_rows(wrapped(control, 2)).to(embed.weight))
        return rows

    def joined(self, module: nn.Module, network: nn.Module, seen: Tensor, strength: float) -> nn.Module:
        """See SightKind."""
        model, view = cast("Any", network), copy.copy(network)
        walk, step = FunWalk(module, self.refines, seen, model.x_pad_token), len(model.layers) // self.sizes["blocks"]
        refiners = (RefinedBlock(block, number, walk, strength) for number, block in enumerate(model.noise_refiner))
        layers = (
            WalkedBlock(block, number // step, walk, strength)
            if number % step == 0 and number // step < self.sizes["blocks"]
            else block
            for number, block in enumerate(model.layers)
        )
        view._modules = {**network._modules, "noise_refiner": nn.ModuleList(refiners), "layers": nn.ModuleList(layers)}
        return view


class FunWalk:
    """The ControlNet's rows in one call of the network that it steers: they go on as that one's blocks do.

    refines: see FunKind. seen: [N,n,C]. padding: [1,C], of the rows that fill up the model's.
    """

    def __init__(self, net: Any, refines: str | None, seen: Tensor, padding: Tensor) -> None:
        self._net = net
        self._refines = refines
        self._rows = seen
        self._padding = padding
        self._behind: list[Tensor] = []

    def refine(self, rows: Tensor, told: Sequence[Any]) -> None:
        """Go before the model's refiners, whose rows are these."""
        count = rows.shape[1] - self._rows.shape[1]
        padding = self._padding.to(self._rows).expand(len(self._rows), count, -1)
        self._rows = torch.cat([self._rows, padding], dim=1)
        if self._refines is None:
            for block in self._net.control_noise_refiner:
                self._rows = block(self._rows, *self._cast(told))
            return
        for number, block in enumerate(getattr(self._net, self._refines)):
            self._behind.append(self._passed(block, number, rows, told))

    def behind_refiner(self, number: int) -> Tensor | None:
        """What is added behind one of the model's refiners."""
        return self._behind[number] if number < len(self._behind) else None

    def beside(self, number: int, rows: Tensor, told: Sequence[Any]) -> Tensor:
        """What is added behind the model's block beside which this one of the ControlNet's goes. rows: before it."""
        if number == 0:
            # The prompt's rows stand behind the picture's.
            self._rows = torch.cat([self._rows, rows[:, self._rows.shape[1] :].to(self._rows)], dim=1)
        return self._passed(self._net.control_layers[number], number, rows, told)

    def _passed(self, block: Any, number: int, rows: Tensor, told: Sequence[Any]) -> Tensor:
        """Go through a block; what it gives to the model."""
        # All but the first take what the blocks before gave in front of their rows, and hand it on: it is kept here.
        own = self._rows if number == 0 else self._rows[None]
        given, self._rows = block(own, rows.to(self._rows), *self._cast(told)).unbind()
        return cast("Tensor", given)

    def _cast(self, told: Sequence[Any]) -> tuple[Any, ...]:
        mask, angles, times = told[:3]
        return mask, angles, times.to(self._rows)


class RefinedBlock(nn.Module):
    """One of the model's refiners, called as that is, with what the ControlNet adds behind it."""

    def __init__(self, block: nn.Module, number: int, walk: FunWalk, strength: float) -> None:
        super().__init__()
        self.block = block
        self.number = number
        self.walk = walk
        self.strength = strength

    def forward(self, rows: Tensor, *told: Any) -> Tensor:
        """[N,n,C] -> [N,n,C]. told: mask, angles, times, as the block is."""
        if self.number == 0:
            self.walk.refine(rows, told)
        made: Tensor = self.block(rows, *told)
        added = self.walk.behind_refiner(self.number)
        return made if added is None else made + added.to(made) * self.strength


class WalkedBlock(nn.Module):
    """A block of the model, called as that is, with what the ControlNet's block beside it adds behind it."""

    def __init__(self, block: nn.Module, number: int, walk: FunWalk, strength: float) -> None:
        super().__init__()
        self.block = block
        self.number = number
        self.walk = walk
        self.strength = strength

    def forward(self, rows: Tensor, *told: Any) -> Tensor:
        """As RefinedBlock's."""
        added = self.walk.beside(self.number, rows, told)
        made: Tensor = self.block(rows, *told)
        return made + added.to(made) * self.strength


def recognise_patch(shapes: FileShapes, read: Read | None = None) -> FunKind | None:
    """See Family."""
    found = read_fun(shapes)
    if found is None:
        return None
    prefix, sizes = found
    fused = any(key.endswith(".attention.qkv.weight") for key in shapes)
    key = prefix + FUN_REFINER
    if key in shapes:
        trained = read is None or bool(read(key).float().any())
        return FunKind(sizes, "control_noise_refiner" if trained else "control_layers", fused, prefix)
    return FunKind(sizes, "control_layers" if sizes["blocks"] == _TWO else None, fused, prefix)


def _latent(encoded: Tensor) -> Tensor:
    """A latent as the network takes it."""
    return (encoded - LATENT_SHIFT) * LATENT_SCALE


def _rows(latents: Tensor) -> Tensor:
    """[B,C,h,w] -> [B, h/2 * w/2, 4*C], as the model's rows: row and column in a patch, then channel."""
    count, channels, height, width = latents.shape
    cut = latents.reshape(count, channels, height // 2, 2, width // 2, 2)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(count, height * width // 4, 4 * channels)
