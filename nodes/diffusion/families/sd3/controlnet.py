"""ControlNets of Stable Diffusion 3: diffusers' SD3ControlNetModel, in its names (InstantX) or Stability AI's (3.5).

Those in diffusers' names have text and positions of their own, are told no vector of the prompt, and see a latent that
is scaled and not moved; those of Stability AI borrow the model's positions and read no text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families.patches import wrapped
from weft.nodes.diffusion.families.sd3.keymap import HEAD, PATCH, TABLE_OF_NETWORK
from weft.nodes.diffusion.families.sd3.kind import MIDDLE, SCALE
from weft.nodes.diffusion.families.transformer_control import TransformerControlKind
from weft.nodes.diffusion.weights.landings import Landing, Shapes, fused
from weft.nodes.diffusion.weights.networks import build

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes

EMBEDDER = "pos_embed_input.proj.weight"
# Keyword arguments of one that borrows the model's positions and reads no text.
ALONE: Mapping[str, Any] = {
    "joint_attention_dim": None,
    "use_pos_embed": False,
    "pos_embed_type": None,
    "pos_embed_max_size": None,
}
_FUSED = "transformer_blocks.0.attn.qkv.weight"
# Stability AI's names in a block -> diffusers'.
_NAMES = {
    "attn.proj": "attn.to_out.0",
    "mlp.fc1": "ff.net.0.proj",
    "mlp.fc2": "ff.net.2",
    "adaLN_modulation.1": "norm1.linear",
}


@dataclass(frozen=True)
class SD3ControlKind(TransformerControlKind):
    """See ControlKind. original: whether the file has Stability AI's names."""

    original: bool = False

    name = "sd3"
    title = "Stable Diffusion 3"
    steers = "SD3Transformer2DModel"

    def module(self) -> nn.Module:
        """See TransformerControlKind."""
        return build("ControlNet", _controlnet, self.net)

    def landings(self, module: nn.Module) -> Mapping[str, tuple[Landing, ...]]:
        """See TransformerControlKind."""
        plain = super().landings(module)
        if not self.original:
            return plain
        width = self.net["num_attention_heads"] * self.net["attention_head_dim"]
        found = {key: to for key, to in plain.items() if not key.startswith("transformer_blocks.")}
        for number in range(self.net["num_layers"]):
            block = f"transformer_blocks.{number}"
            for leaf in ("weight", "bias"):
                parts = {f"{block}.attn.to_{name}.{leaf}": width for name in "qkv"}
                found[f"{block}.attn.qkv.{leaf}"] = fused(parts)
                found |= {f"{block}.{old}.{leaf}": (Landing(f"{block}.{new}.{leaf}"),) for old, new in _NAMES.items()}
        return found

    def read(self, module: nn.Module, hint: Tensor) -> tuple[Tensor, ...]:
        """See ControlKind."""
        middle = MIDDLE if self.original else 0.0
        return (wrapped((hint - middle) * SCALE, PATCH),)

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
        """See TransformerControlKind."""
        parts = net(
            hidden_states=steered.pos_embed(sample.to(next(steered.parameters()))) if self.original else sample,
            controlnet_cond=seen,
            conditioning_scale=strength,
            encoder_hidden_states=None if self.original else context,
            pooled_projections=added["pooled"] if self.original else torch.zeros_like(added["pooled"]),
            timestep=timestep,
            return_dict=False,
        )[0]
        blocks = steered.config.num_layers
        # diffusers shares them out by fractions here.
        return [parts[int(number / (blocks / len(parts)))] for number in range(blocks)]


def recognise_controlnet(shapes: FileShapes) -> SD3ControlKind | None:
    """See Family."""
    found = Shapes(shapes)
    if EMBEDDER not in found:
        return None
    width, channels, *_ = found.of(EMBEDDER, 4)
    if channels != 16:
        raise CheckpointError(f"a ControlNet for Stable Diffusion 3 that reads {channels} channels: expected 16")
    original = _FUSED in found
    sizes = {
        "in_channels": channels,
        "num_layers": len(found.indices(r"transformer_blocks\.(\d+)\.")),
        "attention_head_dim": HEAD,
        "num_attention_heads": width // HEAD,
        "caption_projection_dim": width,
        "pooled_projection_dim": found.of("time_text_embed.text_embedder.linear_1.weight", 2)[1],
    }
    own: dict[str, Any]
    if original:
        own = dict(ALONE)
    else:
        normed = "transformer_blocks.0.attn.norm_q.weight" in found
        own = {
            "joint_attention_dim": found.of("context_embedder.weight", 2)[1],
            "pos_embed_max_size": round(found.of(TABLE_OF_NETWORK, 3)[1] ** 0.5),
            "qk_norm": "rms_norm" if normed else None,
            "dual_attention_layers": tuple(found.indices(r"transformer_blocks\.(\d+)\.attn2\.")),
        }
    return SD3ControlKind({**sizes, **own}, original=original)


def _controlnet(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import SD3ControlNetModel

    # diffusers does not say what its constructors take.
    module: Any = cast("Callable[..., nn.Module]", SD3ControlNetModel)(**config)
    if module.pos_embed is not None:
        # The file brings the table of positions, as it brings weights.
        table = module.pos_embed.pos_embed
        del module.pos_embed.pos_embed
        module.pos_embed.pos_embed = nn.Parameter(table, requires_grad=False)
    return cast("nn.Module", module)
