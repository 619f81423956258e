"""Other ways to combine the positive and the negative prediction, put on a model."""

from __future__ import annotations

from typing import Annotated

from weft.engine.schema.authoring import Output, Tooltip, node
from weft.engine.schema.sockets import Float, Int, String
from weft.nodes.core.types import Model

PatchedModel = Annotated[Model, Output("patched_model")]

_GUIDANCE = "advanced/guidance"
_VIDEO = "sampling/video_models"
_VIDEO_MODULE = "comfy_extras.nodes_video_model"
_SLG = "comfy_extras.nodes_slg"

DoubleLayers = Annotated[
    str,
    String(default="7, 8, 9", multiline=False),
    Tooltip("Numbers of the blocks that are left out, of those that text and picture have each their own weights in."),
]
SingleLayers = Annotated[
    str, String(default="7, 8, 9", multiline=False), Tooltip("Numbers of those left out whose weights they share.")
]
SkipScale = Annotated[float, Float(default=3.0, min=0.0, max=10.0, step=0.1), Tooltip("How strongly to steer.")]
START = Tooltip("Where it begins, as a share of the way from noise to image.")
END = Tooltip("Where it ends.")
SkipStart = Annotated[float, Float(default=0.01, min=0.0, max=1.0, step=0.001), START]
SkipEnd = Annotated[float, Float(default=0.15, min=0.0, max=1.0, step=0.001), END]
LeastCfg = Annotated[float, Float(default=1.0, min=0.0, max=100.0, step=0.5, round=0.01)]


@node(category=_GUIDANCE, python_module="comfy_extras.nodes_cfg", experimental=True)
def CFGNorm(
    *, model: Model, strength: Annotated[float, Float(default=1.0, min=0.0, max=100.0, step=0.01)]
) -> PatchedModel:
    """Let guidance nowhere make the prediction stronger than the positive one: against burnt colours.

    Args:
        strength: What the result is multiplied with.
    """
    from weft.nodes.diffusion.sampling.patches.cfg import CFGNorm, after_cfg

    return after_cfg(model, CFGNorm(strength))


@node(category=_GUIDANCE, python_module="comfy_extras.nodes_cfg")
def CFGZeroStar(*, model: Model) -> PatchedModel:
    """Scale the negative prediction so that it fits the positive one best, then guide: CFG-Zero*."""
    from weft.nodes.diffusion.sampling.patches.cfg import CFGZeroStar, after_cfg

    return after_cfg(model, CFGZeroStar())


@node(category="advanced/model", python_module="comfy_extras.nodes_lumina2")
def RenormCFG(
    *,
    model: Model,
    cfg_trunc: Annotated[float, Float(default=100.0, min=0.0, max=100.0, step=0.01)],
    renorm_cfg: Annotated[float, Float(default=1.0, min=0.0, max=100.0, step=0.01)],
) -> Model:
    """The guidance of Lumina-Image 2.0: of limited strength, and none above a noise level.

    Args:
        cfg_trunc: The noise level below which the negative side acts.
        renorm_cfg: How many times as strong as the positive prediction the guided one may be; 0 for any.
    """
    from weft.nodes.diffusion.sampling.patches.cfg import RenormCFG, as_cfg

    return as_cfg(model, RenormCFG(cfg_trunc, renorm_cfg))


@node(display_name="Tangential Damping CFG", category=_GUIDANCE, python_module="comfy_extras.nodes_tcfg")
def TCFG(*, model: Model) -> PatchedModel:
    """Take from the negative direction what leads away from the main direction of both prompts: TCFG."""
    from weft.nodes.diffusion.sampling.patches.cfg import TangentialDamping, before_cfg

    return before_cfg(model, TangentialDamping())


@node(
    display_name="Adaptive Projected Guidance",
    category="sampling/custom_sampling",
    python_module="comfy_extras.nodes_apg",
)
def APG(
    *,
    model: Model,
    eta: Annotated[float, Float(default=1.0, min=-10.0, max=10.0, step=0.01)],
    norm_threshold: Annotated[float, Float(default=5.0, min=0.0, max=50.0, step=0.1)],
    momentum: Annotated[float, Float(default=0.0, min=-5.0, max=1.0, step=0.01)],
) -> Model:
    """Guide strongly without burning colours: limit what guidance adds, and weigh what only makes it stronger.

    Args:
        eta: The weight of what points the way of the positive prediction; 1 as in plain guidance.
        norm_threshold: The longest that guidance may be; 0 for any.
        momentum: How much of the guidance of earlier steps is added; 0 for none, negative to push away from it.
    """
    from weft.nodes.diffusion.sampling.patches.cfg import ProjectedGuidance, SteadiedGuidance, before_cfg

    if momentum == 0.0:
        return before_cfg(model, ProjectedGuidance(eta, norm_threshold))
    return before_cfg(model, SteadiedGuidance(eta, norm_threshold, momentum))


@node(
    display_name="Mahiro is so cute that she deserves a better guidance function!! (。・ω・。)",
    category="_for_testing",
    python_module="comfy_extras.nodes_mahiro",
    experimental=True,
)
def Mahiro(*, model: Model) -> PatchedModel:
    """Follow the direction of the positive prompt more, and its difference to the negative one less."""
    from weft.nodes.diffusion.sampling.patches.cfg import Mahiro, after_cfg

    return after_cfg(model, Mahiro())


@node(category="_for_testing", python_module="comfy_extras.nodes_fresca", experimental=True)
def FreSca(
    *,
    model: Model,
    scale_low: Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01)],
    scale_high: Annotated[float, Float(default=1.25, min=0.0, max=10.0, step=0.01)],
    freq_cutoff: Annotated[int, Int(default=20, min=1, max=10_000, step=1)],
) -> Model:
    """Scale what guidance adds by frequency: its coarse forms and its fine ones each by a factor of their own.

    Args:
        scale_low: Factor of the low frequencies.
        scale_high: Factor of the high frequencies.
        freq_cutoff: How many entries of the spectrum around its centre are low, on either side.
    """
    from weft.nodes.diffusion.sampling.patches.cfg import ScaledFrequencies, before_cfg

    return before_cfg(model, ScaledFrequencies(scale_low, scale_high, freq_cutoff))


@node(class_type="Epsilon Scaling", category="model_patches/unet", python_module="comfy_extras.nodes_eps")
def EpsilonScaling(
    *,
    model: Model,
    scaling_factor: Annotated[float, Float(default=1.005, min=0.5, max=1.5, step=0.001, display="number")],
) -> Model:
    """Divide the predicted noise, against errors that add up over the steps: 1.005 sharpens a little.

    Args:
        scaling_factor: What it is divided by.
    """
    from weft.nodes.diffusion.sampling.patches.cfg import EpsilonScaling, after_cfg

    return after_cfg(model, EpsilonScaling(scaling_factor))


@node(category=_VIDEO, python_module=_VIDEO_MODULE)
def VideoLinearCFGGuidance(*, model: Model, min_cfg: LeastCfg) -> Model:
    """Guide the frames of a video more and more: from a scale of its own at the first to the sampler's at the last.

    Args:
        min_cfg: The scale of the first frame.
    """
    from weft.nodes.diffusion.sampling.patches.cfg import RampedGuidance, as_cfg

    return as_cfg(model, RampedGuidance(min_cfg, up_and_down=False))


@node(category=_VIDEO, python_module=_VIDEO_MODULE)
def VideoTriangleCFGGuidance(*, model: Model, min_cfg: LeastCfg) -> Model:
    """Guide the frames in the middle of a video with the sampler's scale, and less towards both ends.

    Args:
        min_cfg: The scale of the first and of the last frame.
    """
    from weft.nodes.diffusion.sampling.patches.cfg import RampedGuidance, as_cfg

    return as_cfg(model, RampedGuidance(min_cfg, up_and_down=True))


@node(category=_GUIDANCE, python_module="comfy_extras.nodes_sd3", experimental=True)
def SkipLayerGuidanceSD3(
    *,
    model: Model,
    layers: DoubleLayers,
    scale: SkipScale,
    start_percent: SkipStart,
    end_percent: SkipEnd,
) -> Model:
    """Steer a Stable Diffusion 3 away from what it makes without some of its blocks. Costs half as much again.

    Args:
        layers: Numbers of the blocks that are left out.
    """
    from weft.nodes.diffusion.sampling.patches.layers import skip_layers

    return skip_layers(
        model, double=layers, single="", scale=scale, start_percent=start_percent, end_percent=end_percent
    )


@node(category=_GUIDANCE, python_module=_SLG, experimental=True)
def SkipLayerGuidanceDiT(
    *,
    model: Model,
    double_layers: DoubleLayers,
    single_layers: SingleLayers,
    scale: SkipScale,
    start_percent: SkipStart,
    end_percent: SkipEnd,
    rescaling_scale: Annotated[float, Float(default=0.0, min=0.0, max=10.0, step=0.01)],
) -> Model:
    """Steer a transformer away from what it makes without some of its blocks. Costs half as much again.

    Args:
        rescaling_scale: The share to which the result is brought to the contrast of the positive prediction.
    """
    from weft.nodes.diffusion.sampling.patches.layers import skip_layers

    return skip_layers(
        model,
        double=double_layers,
        single=single_layers,
        scale=scale,
        start_percent=start_percent,
        end_percent=end_percent,
        rescaling=rescaling_scale,
    )


@node(category=_GUIDANCE, python_module=_SLG, experimental=True)
def SkipLayerGuidanceDiTSimple(
    *,
    model: Model,
    double_layers: DoubleLayers,
    single_layers: SingleLayers,
    start_percent: Annotated[float, Float(default=0.0, min=0.0, max=1.0, step=0.001), START],
    end_percent: Annotated[float, Float(default=1.0, min=0.0, max=1.0, step=0.001), END],
) -> Model:
    """Make the negative prediction of a transformer without some of its blocks."""
    from weft.nodes.diffusion.sampling.patches.layers import skip_layers_of_negative

    return skip_layers_of_negative(
        model, double=double_layers, single=single_layers, start_percent=start_percent, end_percent=end_percent
    )
