"""Weights multiplied by numbers, chosen by the names of the layers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from weft.nodes.diffusion.text.clip import Clip
    from weft.nodes.diffusion.weights.patched import PatchedNetwork
    from weft.nodes.diffusion.weights.patcher import ModelPatcher

Factor = Callable[[str], float]
"""What a parameter is multiplied with, by its name in its network."""

_TIME = "temporal_transformer_blocks."


@dataclass(frozen=True)
class ScalePatch:
    """weight * (1 + (factor - 1) * strength)."""

    factor: float

    @property
    def identity(self) -> Hashable:
        """See Patch."""
        return "scale", self.factor

    @property
    def nbytes(self) -> int:
        """See Patch."""
        return 0

    @property
    def networks(self) -> tuple[PatchedNetwork, ...]:
        """See Patch."""
        return ()

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """See Patch."""
        return weight * (1.0 + (self.factor - 1.0) * strength)


def of_attention(layer: str, *, q: float, k: float, v: float, out: float) -> Factor:
    """Of a transformer's attention, "attn1" or "attn2": each projection, weight and bias."""
    return _by_layer({f"{layer}.to_q": q, f"{layer}.to_k": k, f"{layer}.to_v": v, f"{layer}.to_out.0": out})


def of_text_attention(*, q: float, k: float, v: float, out: float) -> Factor:
    """Of a text encoder's attention: each projection, weight and bias."""
    return _by_layer({"self_attn.q_proj": q, "self_attn.k_proj": k, "self_attn.v_proj": v, "self_attn.out_proj": out})


def of_frames(factors: Mapping[str, tuple[float, float]]) -> Factor:
    """Of attention's output: by layer the factor within a frame and the one across frames."""
    within = _by_layer({f"{layer}.to_out.0": structural for layer, (structural, _) in factors.items()})
    across = _by_layer({f"{layer}.to_out.0": temporal for layer, (_, temporal) in factors.items()})
    return lambda name: (across if _TIME in name else within)(name)


def scaled_model(model: ModelPatcher, factor: Factor) -> ModelPatcher:
    """The model with its weights multiplied."""
    clone = model.clone()
    clone.add_patches(_patches(model.network, factor))
    return clone


def scaled_clip(clip: Clip, factor: Factor) -> Clip:
    """The text encoders with their weights multiplied."""
    return clip.with_patches({encoder.name: _patches(encoder.network, factor) for encoder in clip.encoders}, 1.0)


def _patches(network: PatchedNetwork, factor: Factor) -> dict[str, ScalePatch]:
    return {name: ScalePatch(factor(name)) for name in network.parameter_names if factor(name) != 1.0}


def _by_layer(factors: Mapping[str, float]) -> Factor:
    """The factor of the layer that a name ends with, before `.weight` or `.bias`; 1 for others."""

    def factor(name: str) -> float:
        layer = f".{name.rpartition('.')[0]}"
        return next((value for end, value in factors.items() if layer.endswith(f".{end}")), 1.0)

    return factor
