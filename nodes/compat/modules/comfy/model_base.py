"""`comfy.model_base`: what `model.model` is an instance of, told by what its file is."""

from __future__ import annotations

from weft.nodes.diffusion.interop.base_model import BaseModel, ModelType

__all__ = ["BaseModel", "ModelType"]


class _OfKind(type):
    """Whose instances are the models of some kinds."""

    kinds: tuple[str, ...] = ()

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, BaseModel) and instance.kind.name in cls.kinds


class SDXL(BaseModel, metaclass=_OfKind):
    """Stable Diffusion XL."""

    kinds = ("sdxl",)


class SDXLRefiner(BaseModel, metaclass=_OfKind):
    """Its refiner."""

    kinds = ("sdxl_refiner",)


class Flux(BaseModel, metaclass=_OfKind):
    """FLUX."""

    kinds = ("flux",)


class SD3(BaseModel, metaclass=_OfKind):
    """Stable Diffusion 3."""

    kinds = ("sd3",)


class WAN21(BaseModel, metaclass=_OfKind):
    """Wan 2.1 and 2.2."""

    kinds = ("wan",)


class QwenImage(BaseModel, metaclass=_OfKind):
    """Qwen-Image."""

    kinds = ("qwen",)


class SD21UNCLIP(BaseModel, metaclass=_OfKind):
    """Stable Diffusion 2.1 unCLIP: of no model here."""


class SVD_img2vid(BaseModel, metaclass=_OfKind):
    """Stable Video Diffusion: of no model here."""


class SDXL_instructpix2pix(BaseModel, metaclass=_OfKind):
    """Stable Diffusion XL that edits: of no model here."""


class SD15_instructpix2pix(BaseModel, metaclass=_OfKind):
    """Stable Diffusion 1.x that edits: of no model here."""


class StableCascade_C(BaseModel, metaclass=_OfKind):
    """Stable Cascade: of no model here."""


class StableCascade_B(BaseModel, metaclass=_OfKind):
    """Stable Cascade: of no model here."""


class HunyuanVideo(BaseModel, metaclass=_OfKind):
    """HunyuanVideo: of no model here."""


class LTXV(BaseModel, metaclass=_OfKind):
    """LTX-Video: of no model here."""


class HunyuanDiT(BaseModel, metaclass=_OfKind):
    """Hunyuan-DiT: of no model here."""


class PixArt(BaseModel, metaclass=_OfKind):
    """PixArt: of no model here."""


class AuraFlow(BaseModel, metaclass=_OfKind):
    """AuraFlow: of no model here."""


class Lumina2(BaseModel, metaclass=_OfKind):
    """Lumina Image 2: of no model here."""


class Chroma(BaseModel, metaclass=_OfKind):
    """Chroma: of no model here."""
