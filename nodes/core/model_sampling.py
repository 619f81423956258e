"""How a model's noise levels are counted and its output is read."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Boolean, Combo, Float
from weft.nodes.core.types import Model

MODULE = "comfy_extras.nodes_model_advanced"
CATEGORY = "advanced/model"


@node(category=CATEGORY, python_module=MODULE)
def ModelSamplingDiscrete(
    *,
    model: Model,
    sampling: Annotated[str, Combo(("eps", "v_prediction", "lcm", "x0", "img_to_img"))],
    zsnr: Annotated[bool, Boolean(default=False)],
) -> Model:
    """Say what a model was trained to give, where its file does not: for v-prediction and LCM models.

    Args:
        model: The diffusion model.
        sampling: What its output is: the noise, v, the noise of a consistency model, the picture, or the picture from
            an input that is not scaled.
        zsnr: The model was trained until nothing but noise was left.
    """
    from weft.nodes.diffusion.sampling.patches.sampling import discrete

    return discrete(model, sampling, zsnr)


@node(category=CATEGORY, python_module=MODULE)
def ModelSamplingContinuousEDM(
    *,
    model: Model,
    sampling: Annotated[
        str,
        Combo(
            ("v_prediction", "edm", "edm_playground_v2.5", "eps", "cosmos_rflow"),
            unsupported={"cosmos_rflow": "it is for NVIDIA's Cosmos"},
        ),
    ],
    sigma_max: Annotated[float, Float(default=120.0, min=0.0, max=1000.0, step=0.001, round=False)],
    sigma_min: Annotated[float, Float(default=0.002, min=0.0, max=1000.0, step=0.001, round=False)],
) -> Model:
    """Say that a model was trained at any noise level between two, and what it gives: for EDM and CosXL models.

    Args:
        model: The diffusion model.
        sampling: What its output is; edm_playground_v2.5 also reads latents as Playground v2.5 does.
        sigma_max: The highest noise level.
        sigma_min: The lowest; above 0.
    """
    from weft.nodes.diffusion.sampling.patches.sampling import continuous

    return continuous(model, sampling, sigma_max, sigma_min)
