"""`comfy.model_sampling`: noise levels, and what a network's output means."""

from __future__ import annotations

from weft.nodes.diffusion.interop.process import (
    CONST,
    EDM,
    EPS,
    IMG_TO_IMG,
    V_PREDICTION,
    X0,
    ModelSamplingContinuousEDM,
    ModelSamplingDiscrete,
    ModelSamplingDiscreteFlow,
    ModelSamplingFlux,
    flux_time_shift,
    time_snr_shift,
)

__all__ = [
    "CONST",
    "EDM",
    "EPS",
    "IMG_TO_IMG",
    "V_PREDICTION",
    "X0",
    "ModelSamplingContinuousEDM",
    "ModelSamplingDiscrete",
    "ModelSamplingDiscreteFlow",
    "ModelSamplingFlux",
    "flux_time_shift",
    "time_snr_shift",
]
