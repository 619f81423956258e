"""Small files of Z-Image with random weights: structure is all that they have of the real ones."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from weft.nodes.diffusion.families.flux.tiny import vae
from weft.nodes.diffusion.families.sd.tiny import random_weights, shapes_of
from weft.nodes.diffusion.families.text_tiny import qwen
from weft.nodes.diffusion.families.zimage.fun import MASKED, FunKind
from weft.nodes.diffusion.families.zimage.keymap import AXES, HEAD, LENGTHS
from weft.nodes.diffusion.families.zimage.kind import CHANNELS, ZImageKind

_TEXT_WIDTH = 8


def sizes() -> dict[str, Any]:
    """Keyword arguments of a small ZImageTransformer2DModel."""
    return {
        "in_channels": 16,
        "dim": 2 * HEAD,
        "n_layers": 1,
        "n_refiner_layers": 1,
        "n_heads": 2,
        "n_kv_heads": 2,
        "cap_feat_dim": _TEXT_WIDTH,
        "axes_dims": list(AXES),
        "axes_lens": list(LENGTHS),
    }


def small_file(kind: str, name: str = "") -> dict[str, Tensor] | None:
    """See Family."""
    part = ZImageKind(sizes()).model_part()
    match kind:
        case "diffusion_models":
            return random_weights(shapes_of(part, ""))
        case "checkpoints":
            return random_weights(shapes_of(part))
        case "vae":
            return vae()
        case "text_encoders":
            return qwen(_TEXT_WIDTH, normed=True)
        case "model_patches":
            newer = re.search(r"2[-_.]?[01]", name) is not None
            of_patch = {"width": 2 * HEAD, "channels": MASKED if newer else CHANNELS, "blocks": 1, "refiners": 1}
            patch = FunKind(of_patch, "control_noise_refiner" if newer else None)
            return random_weights(shapes_of(patch.part(), ""), seed=3)
        case "loras":
            layers = {
                f"diffusion_model.{key.removesuffix('.weight')}": shape
                for key, shape in shapes_of(part, "").items()
                if key.endswith((".attention.qkv.weight", ".attention.out.weight"))
            }
            down = {f"{layer}.lora_down.weight": (4, shape[1]) for layer, shape in layers.items()}
            up = {f"{layer}.lora_up.weight": (shape[0], 4) for layer, shape in layers.items()}
            return random_weights({**down, **up}, seed=1)
    return None
