"""`comfy.sd1_clip`: what `clip.cond_stage_model` of Stable Diffusion 1.x is an instance of."""

from __future__ import annotations

from weft.nodes.diffusion.interop.clip import CondStage
from weft.nodes.diffusion.text.prompt_weights import parse_weights


class OfEncoders(type):
    """Whose instances are text encoders of these names."""

    encoders: tuple[str, ...] = ()

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, CondStage) and instance.names == cls.encoders


class SD1ClipModel(CondStage, metaclass=OfEncoders):
    """clip_l, alone."""

    encoders = ("clip_l",)


SDClipModel = SD1ClipModel


def token_weights(string: str, current_weight: float) -> list[tuple[str, float]]:
    """A prompt's segments and their weights, times a weight."""
    return [(text, weight * current_weight) for text, weight in parse_weights(string)]


def escape_important(text: str) -> str:
    """A prompt whose escaped brackets are marked, so that no weight is read in them."""
    return text.replace("\\)", "\0\1").replace("\\(", "\0\2")


def unescape_important(text: str) -> str:
    """The inverse, without the escapes."""
    return text.replace("\0\1", ")").replace("\0\2", "(")
