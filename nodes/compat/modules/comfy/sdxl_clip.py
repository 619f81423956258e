"""`comfy.sdxl_clip`: what `clip.cond_stage_model` of Stable Diffusion XL is an instance of."""

from __future__ import annotations

from weft.nodes.compat.modules.comfy.sd1_clip import OfEncoders
from weft.nodes.diffusion.interop.clip import CondStage


class SDXLClipModel(CondStage, metaclass=OfEncoders):
    """clip_l and clip_g."""

    encoders = ("clip_l", "clip_g")


class SDXLRefinerClipModel(CondStage, metaclass=OfEncoders):
    """clip_g, alone."""

    encoders = ("clip_g",)


SDXLClipG = SDXLRefinerClipModel
