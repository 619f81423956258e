"""`comfy.lora`: the layers of a LoRA by the keys of the weights that they change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from weft.nodes.diffusion.interop.base_model import BaseModel
from weft.nodes.diffusion.interop.clip import CondStage
from weft.nodes.diffusion.interop.lora import clip_layers, layers_of, model_layers
from weft.nodes.diffusion.interop.weights import LayerPatch


def model_lora_keys_unet(model: BaseModel, key_map: dict[str, str] | None = None) -> dict[str, str]:
    """A layer's name in a LoRA -> the key of the weight, for `model.model`; added to key_map."""
    found = {} if key_map is None else key_map
    found.update(model_layers(model.current_patcher))
    return found


def model_lora_keys_clip(model: CondStage, key_map: dict[str, str] | None = None) -> dict[str, str]:
    """The same for `clip.cond_stage_model`."""
    found = {} if key_map is None else key_map
    found.update(clip_layers(model.clip_model))
    return found


def load_lora(
    lora: Mapping[str, Tensor], to_load: Mapping[str, str], log_missing: bool = True
) -> dict[str, LayerPatch]:
    """key -> patch, for add_patches, of the layers that to_load names."""
    layers = layers_of(lora)
    return {to_load[name]: LayerPatch(name, layers[name]) for name in layers if name in to_load}


def calculate_weight(*_: Any, **__: Any) -> Tensor:
    """Raises: weights are patched when a network is asked for, never by hand."""
    from weft.nodes.diffusion.interop.weights import not_carried

    raise not_carried("comfy.lora.calculate_weight")
