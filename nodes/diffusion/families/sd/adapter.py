"""T2I adapters (Mou et al. 2023): networks that read a picture alone, once, and add to a UNet's levels on the way down.

Published by TencentARC: for SD 1.x (full and light) and for XL; diffusers' T2IAdapter in its names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.sd.controlnet import SDControlKind
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.networks import Part, build

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import Denoiser, FileShapes

FULL, FULL_XL, LIGHT = "full_adapter", "full_adapter_xl", "light_adapter"
_PREFIX = "adapter."
# The input blocks whose results the features are added to, of UNets with two residual blocks a level.
_LAYERS = 2
_BLOCKS = {FULL: (2, 5, 8, 11), LIGHT: (2, 5, 8, 11), FULL_XL: (3, 5, 8)}
_INPUTS = {FULL: 12, LIGHT: 12, FULL_XL: 9}
# Pixels of a side that are one element of the first feature map, by the channels that it is read with.
_FACTORS = {64: 8, 192: 8, 256: 16, 768: 16}


@dataclass(frozen=True)
class T2IKind(SDControlKind):
    """See ControlKind. net: keyword arguments of diffusers' T2IAdapter."""

    @property
    def encoded(self) -> bool:
        """See ControlKind."""
        return False

    @property
    def hint_multiple(self) -> int:
        """See ControlKind."""
        return int(self.net["downscale_factor"])

    def part(self) -> Part:
        """See ControlKind."""
        module = build("T2I adapter", _adapter, self.net)
        names = [name for name, _ in module.named_parameters()]
        return Part("T2I adapter", self.prefix, module, {self._stored(name): (Landing(name),) for name in names})

    def opened(self, module: nn.Module) -> nn.Module:
        """See ControlKind."""
        net: Any = module
        for block in net.adapter.body:
            if block.downsample is not None:
                block.downsample = Halve()
        return module

    def check_fit(self, module: nn.Module, denoiser: Denoiser) -> None:
        """See ControlKind."""
        wanted = self._levels()
        config: Any = getattr(denoiser.network, "config", None)
        levels = getattr(config, "block_out_channels", None)
        if levels is not None and (list(levels), config.layers_per_block) == (wanted, _LAYERS):
            return
        release = "XL" if self.net["adapter_type"] == FULL_XL else "1.x or 2.x"
        got = "is of another family" if levels is None else f"has levels of {list(levels)}"
        raise DiffusionError(
            f"its T2I adapter is for a Stable Diffusion {release} model with levels of {wanted}; this model {got}"
        )

    def read(self, module: nn.Module, hint: Tensor) -> tuple[Tensor, ...]:
        """See ControlKind."""
        if self.net["in_channels"] == 1:
            hint = hint.mean(dim=1, keepdim=True)
        return tuple(module(hint))

    def run(
        self,
        module: nn.Module,
        sample: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor] | None,
        read: Sequence[Tensor],
        strength: float,
    ) -> list[Tensor | None]:
        """See ControlKind."""
        kind, batch = self.net["adapter_type"], sample.shape[0]
        features = [(feature * strength).expand(batch, -1, -1, -1) for feature in read]
        inputs: list[Tensor | None] = [None] * _INPUTS[kind]
        for block, feature in zip(_BLOCKS[kind], features, strict=False):
            inputs[block] = feature
        # XL's last feature is of the middle, which has no level of its own.
        middle = features[-1] if kind == FULL_XL else None
        return [*[None] * len(inputs), middle, *inputs]

    def _levels(self) -> list[int]:
        levels = list(self.net["channels"])
        return {FULL: levels, FULL_XL: levels[:-1], LIGHT: [*levels, *levels[-1:]]}[self.net["adapter_type"]]

    def _stored(self, name: str) -> str:
        """The name that the file has for a parameter, without the prefix."""
        name = name.removeprefix(_PREFIX)
        if self.of_diffusers:
            return name
        if self.net["adapter_type"] == LIGHT:
            return name.replace(".resnets.", ".body.")
        # Two residual blocks a level, in one row.
        name = re.sub(r"^body\.(\d+)\.resnets\.(\d+)", lambda m: f"body.{2 * int(m[1]) + int(m[2])}", name)
        return re.sub(r"^body\.(\d+)\.in_conv", lambda m: f"body.{2 * int(m[1])}.in_conv", name)


class Halve(nn.Module):
    """Means of 2x2; an odd side begins with half a square, as the UNet's own levels and ComfyUI's adapters do."""

    def forward(self, x: Tensor) -> Tensor:
        """[N,C,h,w] -> [N,C,ceil(h/2),ceil(w/2)]"""
        return nn.functional.avg_pool2d(x, 2, padding=(x.shape[-2] % 2, x.shape[-1] % 2))


def recognise_adapter(shapes: FileShapes) -> T2IKind | None:
    """What the T2I adapter with these tensors is; None for another file.

    Raises:
        CheckpointError: it is of a variant that is not supported.
    """
    prefix = _PREFIX if Shapes(shapes, _PREFIX) else ""
    found = Shapes(shapes, prefix)
    of_diffusers = found.any("body.0.resnets.0.block1.")
    light = found.any("body.0.in_conv.") and "conv_in.weight" not in found
    if not (of_diffusers or found.any("body.0.body.0.block1." if light else "body.0.block1.")):
        return None
    convolved = [key for key in found if re.search(r"\.(skep|down_opt|downsample)\.", key)]
    if convolved:
        raise CheckpointError(f"this T2I adapter has layers of a kind that is not supported: {convolved[0]!r}")
    _, channels, *_ = found.of("body.0.in_conv.weight" if light else "conv_in.weight", 4)
    factor = _FACTORS.get(channels)
    levels = _widths(found, light, of_diffusers)
    if factor is None or len(levels) != 4 or (light and (factor != 8 or levels[2] != levels[3])):
        got = f"it reads {channels} channels, and has levels of {levels}"
        raise CheckpointError(f"this T2I adapter is of no known family: {got}")
    blocks = len(found.indices(r"body\.0\.(?:resnets|body)\.(\d+)\.")) or _LAYERS
    xl = factor == 16
    net = {
        "in_channels": channels // factor**2,
        "channels": levels[:3] if light else levels,
        "num_res_blocks": blocks,
        "downscale_factor": factor,
        "adapter_type": LIGHT if light else FULL_XL if xl else FULL,
    }
    return T2IKind("sdxl" if xl else "sd1", net, prefix, of_diffusers, is_difference=False)


def _widths(found: Shapes, light: bool, of_diffusers: bool) -> list[int]:
    """Channels of each feature."""
    last, step = ("body.{}.out_conv.weight", 1) if light else ("body.{}.resnets.0.block2.weight", 1)
    if not light and not of_diffusers:
        last, step = "body.{}.block2.weight", _LAYERS
    blocks = found.indices(r"body\.(\d+)\.")[::step]
    return [found.of(last.format(block), 4)[0] for block in blocks]


def _adapter(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import T2IAdapter

    # diffusers does not say what its constructors take.
    return cast("Callable[..., nn.Module]", T2IAdapter)(**config)
