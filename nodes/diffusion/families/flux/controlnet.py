"""ControlNets of FLUX.1: diffusers' FluxControlNetModel, in its names as InstantX and Shakker Labs publish them, or in
XLabs' own, which read pixels (github.com/XLabs-AI/x-flux, Apache-2.0)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.families.flux.denoiser import GUIDANCE
from weft.nodes.diffusion.families.flux.keymap import AXES, HEAD, landings, trunk_sizes
from weft.nodes.diffusion.families.flux.kind import SCALE, SHIFT
from weft.nodes.diffusion.families.patches import packed
from weft.nodes.diffusion.families.transformer_control import TransformerControlKind, seen_as_rows, spread
from weft.nodes.diffusion.quiet import QUIET
from weft.nodes.diffusion.weights.landings import Landing, Shapes
from weft.nodes.diffusion.weights.networks import build

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes

# What a file of them has, and of other families' none.
EMBEDDER, GUIDED = "controlnet_x_embedder.weight", "guidance_embedder"
_TABLE = "controlnet_mode_embedder.weight"  # of the kinds of pictures, which a union has
_HINT = "input_hint_block"  # of those that read pixels
_READS_PIXELS = {"conditioning_embedding_channels": 16, "patch_size": 2}
MODES = 7
"""How many kinds of pictures the published unions know."""
AUTO = "auto"
# ComfyUI's names for the kinds of pictures, by their places in the table of the published union ControlNets.
TASKS = {"canny/lineart/anime_lineart/mlsd": 0, "tile": 1, "depth": 2, "openpose": 4}


@dataclass(frozen=True)
class FluxControlKind(TransformerControlKind):
    """See ControlKind. mode: the place of the kind of picture, for a union; None where it is told none."""

    mode: int | None = None

    name = "flux"
    title = "FLUX.1"
    steers = "FluxTransformer2DModel"

    @property
    def tasks(self) -> tuple[str, ...]:
        """See ControlKind."""
        modes = self.net["num_mode"]
        return () if modes is None else (AUTO, *(name for name, place in TASKS.items() if place < modes))

    def for_task(self, name: str) -> FluxControlKind:
        """See ControlKind."""
        if name not in self.tasks:
            raise DiffusionError(f"this union ControlNet knows no {name!r}; it knows {', '.join(self.tasks)}")
        return replace(self, mode=TASKS.get(name))

    def module(self) -> nn.Module:
        """See TransformerControlKind."""
        return build("ControlNet", _controlnet, self.net)

    def read(self, module: nn.Module, hint: Tensor) -> tuple[Tensor, ...]:
        """See ControlKind."""
        return (seen_as_rows((hint - SHIFT) * SCALE),)

    def rows(
        self,
        net: Any,
        steered: Any,
        sample: Tensor,
        timestep: Tensor,
        context: Tensor,
        added: Mapping[str, Tensor],
        seen: Tensor,
        strength: float,
    ) -> list[Tensor | None]:
        """See TransformerControlKind: behind the blocks of two streams, then behind those of one."""
        height, width = (side // 2 for side in sample.shape[-2:])
        places = torch.zeros(height, width, 3, device=sample.device)
        places[..., 1] = torch.arange(height, device=sample.device)[:, None]
        places[..., 2] = torch.arange(width, device=sample.device)[None]
        guidance = None
        if net.config.guidance_embeds:
            guidance = added.get("guidance", torch.full((1,), GUIDANCE, device=sample.device))
        mode = None if self.mode is None else torch.full((len(sample), 1), self.mode, device=sample.device)
        doubles, singles = (net if self.mode is not None or not net.union else _untold(net))(
            hidden_states=packed(sample),
            controlnet_cond=seen,
            controlnet_mode=mode,
            conditioning_scale=strength,
            encoder_hidden_states=context,
            pooled_projections=added["pooled"],
            timestep=timestep,
            img_ids=places.reshape(-1, 3),
            txt_ids=torch.zeros(context.shape[1], 3, device=sample.device),
            guidance=guidance,
            return_dict=False,
        )
        config = steered.config
        behind = self.behind(doubles, config.num_layers) if doubles else [None] * config.num_layers
        return [*behind, *(self.behind(singles, config.num_single_layers) if singles else ())]

    def behind(self, parts: Sequence[Tensor], blocks: int) -> list[Tensor | None]:
        """What is added behind each of so many blocks."""
        return spread(parts, blocks)


@dataclass(frozen=True)
class XlabsControlKind(FluxControlKind):
    """See ControlKind: of XLabs. It reads pixels, and what it gives is added behind the blocks of two streams in turn.

    original: whether the file has the names of XLabs, those of Black Forest Labs' FLUX, and not diffusers'.
    """

    original: bool = True

    encoded: ClassVar[bool] = False
    hint_multiple: ClassVar[int] = 16

    def landings(self, module: nn.Module) -> Mapping[str, tuple[Landing, ...]]:
        """See TransformerControlKind."""
        if not self.original:
            return super().landings(module)
        names = {name for name, _ in module.named_parameters()}
        found = {key: places for key, places in landings(self.net).items() if places[0].target in names}
        own = names - {place.target for places in found.values() for place in places}
        return {**found, **{_xlabs(name): (Landing(name),) for name in own}}

    def read(self, module: nn.Module, hint: Tensor) -> tuple[Tensor, ...]:
        """See ControlKind: pixels of -1..1."""
        return (hint * 2.0 - 1.0,)

    def behind(self, parts: Sequence[Tensor], blocks: int) -> list[Tensor | None]:
        """See FluxControlKind."""
        return [parts[number % len(parts)] for number in range(blocks)]


# Of XLabs' files: the layers of convolution that read the picture, each the second in its row.
_CONVOLUTIONS = ("conv_in", *(f"blocks.{number}" for number in range(6)), "conv_out")


def _xlabs(name: str) -> str:
    """XLabs' name of a parameter that FLUX has not."""
    layer, _, leaf = name.rpartition(".")
    start, _, inner = layer.partition(".")
    if start == _HINT:
        return f"{_HINT}.{2 * _CONVOLUTIONS.index(inner)}.{leaf}"
    return f"pos_embed_input.{leaf}" if layer == "controlnet_x_embedder" else name


def recognise_controlnet(shapes: FileShapes) -> FluxControlKind | None:
    """See Family."""
    found = Shapes(shapes)
    if found.any(f"{_HINT}.") and found.any("double_blocks.") and found.any("controlnet_blocks."):
        return XlabsControlKind({**trunk_sizes(found), **_READS_PIXELS, "num_single_layers": 0, "num_mode": None})
    if EMBEDDER not in found or "context_embedder.weight" not in found:
        return None
    width, patched = found.of(EMBEDDER, 2)
    if patched != 64:
        raise CheckpointError(
            f"a ControlNet for FLUX that reads {patched} numbers a patch, which Weft does not run yet"
        )
    net = {
        "in_channels": patched,
        "num_layers": len(found.indices(r"transformer_blocks\.(\d+)\.")),
        "num_single_layers": len(found.indices(r"single_transformer_blocks\.(\d+)\.")),
        "attention_head_dim": HEAD,
        "num_attention_heads": width // HEAD,
        "joint_attention_dim": found.of("context_embedder.weight", 2)[1],
        "pooled_projection_dim": found.of("time_text_embed.text_embedder.linear_1.weight", 2)[1],
        "guidance_embeds": found.any(f"time_text_embed.{GUIDED}."),
        "axes_dims_rope": list(AXES),
        "num_mode": found.of(_TABLE, 2)[0] if _TABLE in found else None,
    }
    if found.any(f"{_HINT}."):
        return XlabsControlKind({**net, **_READS_PIXELS}, original=False)
    return FluxControlKind(net)


def _controlnet(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import FluxControlNetModel

    # diffusers does not say what its constructors take; this one warns of a name that it uses itself.
    with QUIET:
        return cast("Callable[..., nn.Module]", FluxControlNetModel)(**config)


def _untold(net: nn.Module) -> nn.Module:
    """A union that is told no kind of picture: a copy that shares every weight."""
    plain = type(net).__new__(type(net))
    plain.__dict__ = {**net.__dict__, "union": False}
    return plain
