"""ControlNets of Qwen-Image, as InstantX publishes them: diffusers' QwenImageControlNetModel, in its names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.families.patches import packed
from weft.nodes.diffusion.families.qwen.keymap import AXES, HEAD
from weft.nodes.diffusion.families.qwen.kind import QwenImageKind
from weft.nodes.diffusion.families.qwen.rope import centred
from weft.nodes.diffusion.families.references import PatchGrid, places
from weft.nodes.diffusion.families.transformer_control import TransformerControlKind, seen_as_rows, spread
from weft.nodes.diffusion.weights.landings import Shapes
from weft.nodes.diffusion.weights.networks import build

if TYPE_CHECKING:
    from weft.nodes.diffusion.families.protocol import FileShapes

EMBEDDER, TEXT = "controlnet_x_embedder.weight", "txt_norm.weight"


@dataclass(frozen=True)
class QwenControlKind(TransformerControlKind):
    """See ControlKind."""

    name = "qwen_image"
    title = "Qwen-Image"
    steers = "QwenImageTransformer2DModel"

    def module(self) -> nn.Module:
        """See TransformerControlKind."""
        return build("ControlNet", _controlnet, self.net)

    def read(self, module: nn.Module, hint: Tensor) -> tuple[Tensor, ...]:
        """See ControlKind."""
        scaled = QwenImageKind({}).latent_format.to_network(hint[:, :, None])
        return (seen_as_rows(scaled[:, :, 0]),)

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
        height, width = (side // 2 for side in sample.shape[-2:])
        parts = net(
            hidden_states=packed(sample[:, :, 0]),
            controlnet_cond=seen,
            conditioning_scale=strength,
            encoder_hidden_states=context,
            timestep=timestep,
            # As of the model: told places (rope.py).
            img_shapes=places(PatchGrid(height, width), centred=True).to(sample.device),
            return_dict=False,
        )
        return spread(parts, steered.config.num_layers)


def recognise_controlnet(shapes: FileShapes) -> QwenControlKind | None:
    """See Family."""
    found = Shapes(shapes)
    if EMBEDDER not in found or TEXT not in found:
        return None
    width, patched = found.of(EMBEDDER, 2)
    if patched != 64:
        raise CheckpointError(
            f"a ControlNet for Qwen-Image for inpainting ({patched} numbers a patch), which Weft does not run yet"
        )
    return QwenControlKind(
        {
            "in_channels": patched,
            "num_layers": len(found.indices(r"transformer_blocks\.(\d+)\.")),
            "attention_head_dim": HEAD,
            "num_attention_heads": width // HEAD,
            "joint_attention_dim": found.of(TEXT, 1)[0],
            "axes_dims_rope": AXES,
        }
    )


def _controlnet(config: Mapping[str, Any]) -> nn.Module:
    from diffusers import QwenImageControlNetModel

    module: Any = cast("Callable[..., nn.Module]", QwenImageControlNetModel)(**config)
    # As of the model that it steers: its tables of angles are in no file.
    with torch.device("cpu"):
        module.pos_embed = centred(config["axes_dims_rope"])
    return cast("nn.Module", module)
