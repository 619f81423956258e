"""`comfy.sampler_helpers`: conditionings, masks and models as samplers take them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from weft.nodes.diffusion.interop.guider import opened
from weft.nodes.diffusion.values.masks import noise_mask_for


def prepare_mask(noise_mask: Tensor, shape: Sequence[int], device: Any) -> Tensor:
    """A noise mask at the size and batch of a latent: [B,C,h,w]."""
    mask = noise_mask_for(noise_mask, torch.empty(tuple(shape), device="cpu"))
    return mask.expand(-1, shape[1], *mask.shape[2:]).to(device)


def convert_cond(cond: Sequence[Any] | None) -> list[dict[str, Any]]:
    """A conditioning as dicts, the tensor under "cross_attn"."""
    converted = []
    for entry in cond or ():
        tensor, options = entry
        converted.append({**options, "cross_attn": tensor, "model_conds": {}, "uuid": uuid.uuid4()})
    return converted


def get_models_from_cond(cond: Iterable[Mapping[str, Any]], model_type: str) -> list[Any]:
    """What stands under a name in the entries."""
    return [each[model_type] for each in cond if each.get(model_type) is not None]


def get_additional_models(conds: Mapping[str, Any], dtype: Any = None) -> tuple[list[Any], int]:
    """None that had to be loaded by hand: networks beside the model come when they are asked for."""
    return [], 0


def cleanup_additional_models(models: Iterable[Any]) -> None:
    """Nothing is to be given back."""


def prepare_sampling(
    model: Any,
    noise_shape: Sequence[int],
    conds: Mapping[str, Any],
    model_options: Mapping[str, Any] | None = None,
    **_: Any,
) -> tuple[Any, Mapping[str, Any], list[ExitStack]]:
    """(the network of a MODEL, which predicts; the conditionings as they are; what cleanup_models closes)."""
    held = ExitStack()
    options = model.model_options if model_options is None else model_options
    return opened(model, held, noise_shape, options=options), conds, [held]


def cleanup_models(conds: Any, models: Iterable[Any]) -> None:
    """Let go of what prepare_sampling has opened."""
    for held in models:
        if isinstance(held, ExitStack):
            held.close()
