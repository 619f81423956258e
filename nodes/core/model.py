"""What is put on a model beside its weights: other guidance, other feature maps, cheaper attention, noise levels."""

from __future__ import annotations

from typing import Annotated

from weft.engine.context import RunContext
from weft.engine.schema.authoring import Tooltip, node
from weft.engine.schema.sockets import Boolean, Combo, Float, Int
from weft.nodes.core.types import Conditioning, Model

UNET = "model_patches/unet"
TESTING = "_for_testing"
FREE_LUNCH = "comfy_extras.nodes_freelunch"

ResizeMethod = Annotated[str, Combo(("bicubic", "nearest-exact", "bilinear", "area", "bislerp"), multiselect=False)]

ADVANCED_MODULE = "comfy_extras.nodes_model_advanced"
ADVANCED = "advanced/model"

DEBUG = "advanced/debug/model"
_EASY_CACHE = "comfy_extras.nodes_easycache"

ReuseThreshold = Annotated[
    float,
    Float(default=0.2, min=0.0, max=3.0, step=0.01),
    Tooltip("How much the prediction may have changed, by estimate, since it was last computed; higher is faster."),
]
ReuseStart = Annotated[
    float,
    Float(default=0.15, min=0.0, max=1.0, step=0.01),
    Tooltip("Where on the way from noise to image this begins."),
]
ReuseEnd = Annotated[float, Float(default=0.95, min=0.0, max=1.0, step=0.01), Tooltip("Where it ends.")]
Verbose = Annotated[bool, Boolean(default=False), Tooltip("Without effect: nothing is logged.")]


@node(category="advanced/model", python_module="comfy_extras.nodes_model_advanced")
def RescaleCFG(*, model: Model, multiplier: Annotated[float, Float(default=0.7, min=0.0, max=1.0, step=0.01)]) -> Model:
    """Keep high guidance from overexposing: bring the guided prediction to the contrast of the positive one.

    Args:
        multiplier: The share of the rescaled prediction; 0 changes nothing.
    """
    from weft.nodes.diffusion.sampling.patches.guidance import rescale_cfg

    return rescale_cfg(model, multiplier)


@node(category=UNET, python_module=FREE_LUNCH)
def FreeU(
    *,
    model: Model,
    b1: Annotated[float, Float(default=1.1, min=0.0, max=10.0, step=0.01)],
    b2: Annotated[float, Float(default=1.2, min=0.0, max=10.0, step=0.01)],
    s1: Annotated[float, Float(default=0.9, min=0.0, max=10.0, step=0.01)],
    s2: Annotated[float, Float(default=0.2, min=0.0, max=10.0, step=0.01)],
) -> Model:
    """Weigh the decoder's own features more and the low frequencies of its shortcuts less.

    Args:
        b1: Factor of the features in the innermost blocks.
        b2: Factor of the features in the blocks around them.
        s1: Factor of the shortcuts' low frequencies in the innermost blocks.
        s2: Factor of the shortcuts' low frequencies in the blocks around them.
    """
    from weft.nodes.diffusion.sampling.patches.blocks import free_u

    return free_u(model, b1, b2, s1, s2)


@node(category=UNET, python_module=FREE_LUNCH)
def FreeU_V2(
    *,
    model: Model,
    b1: Annotated[float, Float(default=1.3, min=0.0, max=10.0, step=0.01)],
    b2: Annotated[float, Float(default=1.4, min=0.0, max=10.0, step=0.01)],
    s1: Annotated[float, Float(default=0.9, min=0.0, max=10.0, step=0.01)],
    s2: Annotated[float, Float(default=0.2, min=0.0, max=10.0, step=0.01)],
) -> Model:
    """FreeU whose factors follow the features: strong where they are strong.

    Args:
        b1: Largest factor of the features in the innermost blocks.
        b2: Largest factor of the features in the blocks around them.
        s1: Factor of the shortcuts' low frequencies in the innermost blocks.
        s2: Factor of the shortcuts' low frequencies in the blocks around them.
    """
    from weft.nodes.diffusion.sampling.patches.blocks import free_u_v2

    return free_u_v2(model, b1, b2, s1, s2)


@node(
    display_name="PatchModelAddDownscale (Kohya Deep Shrink)",
    category=UNET,
    python_module="comfy_extras.nodes_model_downscale",
)
def PatchModelAddDownscale(
    *,
    model: Model,
    block_number: Annotated[int, Int(default=3, min=1, max=32, step=1)],
    downscale_factor: Annotated[float, Float(default=2.0, min=0.1, max=9.0, step=0.001)],
    start_percent: Annotated[float, Float(default=0.0, min=0.0, max=1.0, step=0.001)],
    end_percent: Annotated[float, Float(default=0.35, min=0.0, max=1.0, step=0.001)],
    downscale_after_skip: Annotated[bool, Boolean(default=True)],
    downscale_method: ResizeMethod,
    upscale_method: ResizeMethod,
) -> Model:
    """Let the inner blocks of the network see a smaller picture at first: against doubled subjects at large sizes.

    Args:
        block_number: The input block whose features are made smaller.
        downscale_factor: How many times smaller they are made.
        start_percent: Where in the run this begins, as a share of the way from noise to image.
        end_percent: Where it ends.
        downscale_after_skip: Let the shortcut of the block keep its size.
        downscale_method: How the features are made smaller.
        upscale_method: How they are brought back to the size of the next shortcut.
    """
    from weft.nodes.diffusion.sampling.patches.blocks import deep_shrink

    return deep_shrink(
        model,
        block_number,
        downscale_factor,
        start_percent,
        end_percent,
        downscale_after_skip,
        downscale_method,
        upscale_method,
    )


@node(
    display_name="Self-Attention Guidance",
    category=TESTING,
    python_module="comfy_extras.nodes_sag",
    experimental=True,
)
def SelfAttentionGuidance(
    *,
    model: Model,
    scale: Annotated[float, Float(default=0.5, min=-2.0, max=5.0, step=0.01)],
    blur_sigma: Annotated[float, Float(default=2.0, min=0.0, max=10.0, step=0.1)],
) -> Model:
    """Steer away from what the model makes of a picture blurred where it attends to most. Costs half as much again.

    Args:
        scale: How strongly to steer.
        blur_sigma: How far to blur, in latent pixels.
    """
    from weft.nodes.diffusion.sampling.patches.guidance import self_attention_guidance

    return self_attention_guidance(model, scale, blur_sigma)


@node(category=UNET, python_module="comfy_extras.nodes_pag")
def PerturbedAttentionGuidance(
    *, model: Model, scale: Annotated[float, Float(default=3.0, min=0.0, max=100.0, step=0.01, round=0.01)]
) -> Model:
    """Steer away from what the model gives with its innermost self attention switched off. Costs half as much again.

    Args:
        scale: How strongly to steer; 0 does not.
    """
    from weft.nodes.diffusion.sampling.patches.guidance import perturbed_attention_guidance

    return perturbed_attention_guidance(model, scale)


@node(
    display_name="Perp-Neg (DEPRECATED by PerpNegGuider)",
    category=TESTING,
    python_module="comfy_extras.nodes_perpneg",
    deprecated=True,
    experimental=True,
)
def PerpNeg(
    *,
    model: Model,
    empty_conditioning: Conditioning,
    neg_scale: Annotated[float, Float(default=1.0, min=0.0, max=100.0, step=0.01)],
) -> Model:
    """Let of the negative prompt only what the positive does not share count.

    Args:
        empty_conditioning: An empty prompt, from which both directions are measured.
        neg_scale: How strongly the negative prompt steers beside the positive one.
    """
    from weft.nodes.diffusion.sampling.patches.guidance import perp_neg

    return perp_neg(model, empty_conditioning, neg_scale)


@node(category=UNET, python_module="comfy_extras.nodes_tomesd", version=2)
def TomePatchModel(*, model: Model, ratio: Annotated[float, Float(default=0.3, min=0.0, max=1.0, step=0.01)]) -> Model:
    """Merge tokens that are alike before the costliest self attention: faster, and a little different.

    Args:
        ratio: The share of tokens that is merged into others.
    """
    from weft.nodes.diffusion.sampling.patches.attention import merge_tokens

    return merge_tokens(model, ratio)


@node(category=UNET, python_module="comfy_extras.nodes_hypertile", version=2)
def HyperTile(
    *,
    model: Model,
    tile_size: Annotated[int, Int(default=256, min=1, max=2048)],
    swap_size: Annotated[int, Int(default=2, min=1, max=128)],
    max_depth: Annotated[int, Int(default=0, min=0, max=10)],
    scale_depth: Annotated[bool, Boolean(default=False)],
) -> Model:
    """Let self attention see a tile of the picture at a time: faster at large sizes, and a little different.

    Args:
        tile_size: The smallest side of a tile, in pixels.
        swap_size: How many tilings are chosen from.
        max_depth: How many more resolutions than the outermost are tiled.
        scale_depth: Make tiles larger at inner resolutions.
    """
    from weft.nodes.diffusion.sampling.patches.attention import hyper_tile

    return hyper_tile(model, tile_size, swap_size, max_depth, scale_depth)


@node(
    display_name="Differential Diffusion",
    category=TESTING,
    python_module="comfy_extras.nodes_differential_diffusion",
    experimental=True,
    version=2,
)
def DifferentialDiffusion(
    *, model: Model, strength: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.01)] = 1.0
) -> Model:
    """Let a grey noise mask say from which step on each pixel may change, not how much.

    Args:
        strength: 1 thresholds the mask at each step, less mixes in the mask as it is; 0 counts as 1.
    """
    from weft.nodes.diffusion.sampling.patches.mask import differential_diffusion

    return differential_diffusion(model, strength)


@node(category=ADVANCED, python_module=ADVANCED_MODULE)
def ModelSamplingDiscrete(
    *,
    model: Model,
    sampling: Annotated[str, Combo(("eps", "v_prediction", "lcm", "x0", "img_to_img"))],
    zsnr: Annotated[bool, Boolean(default=False)],
) -> Model:
    """Say what a model was trained to give, where its file does not: for v-prediction and LCM models.

    Args:
        sampling: What its output is: the noise, v, the noise of a consistency model, the picture, or the picture from
            an input that is not scaled.
        zsnr: The model was trained until nothing but noise was left.
    """
    from weft.nodes.diffusion.sampling.patches.sampling import discrete

    return discrete(model, sampling, zsnr)


@node(category=ADVANCED, python_module=ADVANCED_MODULE)
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
        sampling: What its output is; edm_playground_v2.5 also reads latents as Playground v2.5 does.
        sigma_max: The highest noise level.
        sigma_min: The lowest; above 0.
    """
    from weft.nodes.diffusion.sampling.patches.sampling import continuous

    return continuous(model, sampling, sigma_max, sigma_min)


@node(category=ADVANCED, python_module=ADVANCED_MODULE)
def ModelSamplingContinuousV(
    *,
    model: Model,
    sampling: Annotated[str, Combo(("v_prediction",))],
    sigma_max: Annotated[float, Float(default=500.0, min=0.0, max=1000.0, step=0.001, round=False)],
    sigma_min: Annotated[float, Float(default=0.03, min=0.0, max=1000.0, step=0.001, round=False)],
) -> Model:
    """Say that a model was trained to give v at any noise level between two, and to be told the angle between signal
    and noise: Stable Audio's time.

    Args:
        sampling: What its output is.
        sigma_max: The highest noise level.
        sigma_min: The lowest; above 0.
    """
    from weft.nodes.diffusion.sampling.patches.sampling import angular

    return angular(model, sigma_max, sigma_min)


@node(category=DEBUG, python_module=ADVANCED_MODULE)
def ModelComputeDtype(*, model: Model, dtype: Annotated[str, Combo(("default", "fp32", "fp16", "bf16"))]) -> Model:
    """Choose the number format that a model computes in. The weights in it stand beside those that were loaded.

    Args:
        dtype: The format; default is the one that the model has.
    """
    from weft.nodes.diffusion.weights.memory import resolve_dtype

    if dtype == "default":
        return model
    names = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
    clone, memory = model.clone(), model.network.memory
    device = next(model.network.base.parameters()).device if memory is None else memory.device
    clone.network = model.network.in_format(resolve_dtype(names[dtype], device))
    return clone


@node(category=DEBUG, python_module=_EASY_CACHE, experimental=True)
def EasyCache(
    *,
    model: Model,
    reuse_threshold: ReuseThreshold,
    start_percent: ReuseStart,
    end_percent: ReuseEnd,
    verbose: Verbose,
) -> Model:
    """Leave the network out where its last output, carried on, is near enough: faster, and a little different."""
    from weft.nodes.diffusion.sampling.patches.reuse import reuse_predictions

    return reuse_predictions(model, reuse_threshold, start_percent, end_percent, of_network=True)


@node(category=DEBUG, python_module=_EASY_CACHE, experimental=True)
def LazyCache(
    *,
    model: Model,
    reuse_threshold: ReuseThreshold,
    start_percent: ReuseStart,
    end_percent: ReuseEnd,
    verbose: Verbose,
) -> Model:
    """EasyCache by the latent and what is predicted of it, instead of what the network reads and gives."""
    from weft.nodes.diffusion.sampling.patches.reuse import reuse_predictions

    return reuse_predictions(model, reuse_threshold, start_percent, end_percent, of_network=False)


@node(category=TESTING, python_module="comfy_extras.nodes_torch_compile", experimental=True)
def TorchCompileModel(
    *,
    model: Model,
    backend: Annotated[str, Combo(("inductor", "cudagraphs"), multiselect=False)],
    context: RunContext,
) -> Model:
    """Let a model pass as it is: a compiled one would be faster and give the same picture.

    Args:
        backend: What would compile it.
    """
    context.warn(f"models are not compiled here: without {backend} the picture is the same, and takes longer")
    return model
