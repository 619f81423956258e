"""Merges of two diffusion transformers, with a share for each of their blocks."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Each, node
from weft.nodes.core.model_merging import SPECIFIC, PartRatio, merged_parts
from weft.nodes.core.types import Model


def _parts(before: str, blocks: dict[str, int], last: str) -> tuple[str, ...]:
    """What the parameters of a network's parts begin with: those before its blocks, so many blocks, the last ones."""
    numbered = (f"{block}.{number}." for block, count in blocks.items() for number in range(count))
    return *before.split(), *numbered, last


_SD3 = "pos_embed. x_embedder. context_embedder. y_embedder. t_embedder."
_SD3_PARTS = _parts(_SD3, {"joint_blocks": 24}, "final_layer.")
_SD35_LARGE_PARTS = _parts(_SD3, {"joint_blocks": 38}, "final_layer.")
_FLUX_PARTS = _parts(
    "img_in. time_in. guidance_in vector_in. txt_in.", {"double_blocks": 19, "single_blocks": 38}, "final_layer."
)
_WAN_PARTS = _parts(
    "patch_embedding. time_embedding. time_projection. text_embedding. img_emb.", {"blocks": 40}, "head."
)
_QWEN_PARTS = _parts("pos_embeds. img_in. txt_norm. txt_in. time_text_embed.", {"transformer_blocks": 60}, "proj_out.")


@node(**SPECIFIC)
def ModelMergeSD3_2B(
    *, model1: Model, model2: Model, context: RunContext, **ratios: Annotated[PartRatio, Each(_SD3_PARTS)]
) -> Model:
    """Mix two diffusion models of Stable Diffusion 3 medium, with a share for each block of the network.

    Args:
        model1: The model that a share of 1 gives.
        model2: The model that a share of 0 gives.
    """
    return merged_parts(model1, model2, _SD3_PARTS, ratios, context)


@node(**SPECIFIC)
def ModelMergeSD35_Large(
    *, model1: Model, model2: Model, context: RunContext, **ratios: Annotated[PartRatio, Each(_SD35_LARGE_PARTS)]
) -> Model:
    """Mix two diffusion models of Stable Diffusion 3.5 large, with a share for each block of the network.

    Args:
        model1: The model that a share of 1 gives.
        model2: The model that a share of 0 gives.
    """
    return merged_parts(model1, model2, _SD35_LARGE_PARTS, ratios, context)


@node(**SPECIFIC)
def ModelMergeFlux1(
    *, model1: Model, model2: Model, context: RunContext, **ratios: Annotated[PartRatio, Each(_FLUX_PARTS)]
) -> Model:
    """Mix two diffusion models of FLUX.1, with a share for each block of the network.

    Args:
        model1: The model that a share of 1 gives.
        model2: The model that a share of 0 gives.
    """
    return merged_parts(model1, model2, _FLUX_PARTS, ratios, context)


@node(**SPECIFIC)
def ModelMergeWAN2_1(
    *, model1: Model, model2: Model, context: RunContext, **ratios: Annotated[PartRatio, Each(_WAN_PARTS)]
) -> Model:
    """Mix two diffusion models of Wan, with a share for each block of the network.

    The model of 1.3B has 30 blocks, that of 14B 40; those of image-to-video have img_emb, too.

    Args:
        model1: The model that a share of 1 gives.
        model2: The model that a share of 0 gives.
    """
    return merged_parts(model1, model2, _WAN_PARTS, ratios, context)


@node(**SPECIFIC)
def ModelMergeQwenImage(
    *, model1: Model, model2: Model, context: RunContext, **ratios: Annotated[PartRatio, Each(_QWEN_PARTS)]
) -> Model:
    """Mix two diffusion models of Qwen-Image, with a share for each block of the network.

    Args:
        model1: The model that a share of 1 gives.
        model2: The model that a share of 0 gives.
    """
    return merged_parts(model1, model2, _QWEN_PARTS, ratios, context)
