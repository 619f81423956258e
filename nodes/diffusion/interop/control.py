"""CONTROL_NET by ComfyUI's names: a copy that packs give its picture, and put on a conditioning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.interop.weights import not_carried

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.conditions import SamplingRun


class GivenControl:
    """A control as packs make one; its methods change it, so it is copied first.

    net: the CONTROL_NET. make: a Control's class. cond_hint_original: the picture, [B,3,H,W] in 0..1.
    timestep_percent_range: shares of the way from noise to image.
    """

    def __init__(self, net: Any, make: Callable[..., Any]) -> None:
        self.net = net
        self.cond_hint_original: Tensor | None = None
        self.strength = 1.0
        self.timestep_percent_range = (0.0, 1.0)
        self.previous_controlnet: Any = None
        self.vae: Any = None
        self._make = make
        self._made: tuple[tuple[Any, ...], Any] | None = None

    def copy(self) -> GivenControl:
        """Another one with all that this has, but for what acts before it."""
        copied = GivenControl(self.net, self._make)
        copied.cond_hint_original = self.cond_hint_original
        copied.strength, copied.timestep_percent_range = self.strength, self.timestep_percent_range
        copied.vae = self.vae
        return copied

    def set_cond_hint(
        self,
        cond_hint: Tensor,
        strength: float = 1.0,
        timestep_percent_range: Sequence[float] = (0.0, 1.0),
        vae: Any = None,
        extra_concat: Sequence[Any] = (),
    ) -> GivenControl:
        """Steer by a picture, this much, from one share of the way to another. vae: the VAE socket that encodes it."""
        if len(extra_concat):
            raise not_carried("a ControlNet's extra_concat")
        self.cond_hint_original, self.strength, self.vae = cond_hint, float(strength), vae
        start, end = timestep_percent_range
        self.timestep_percent_range = (float(start), float(end))
        return self

    def set_previous_controlnet(self, controlnet: Any) -> GivenControl:
        """Have another one act as well."""
        self.previous_controlnet = controlnet
        return self

    def set_extra_arg(self, argument: str, value: Any = None) -> None:
        """No network here has one: raises DiffusionError."""
        raise not_carried(f"a ControlNet's extra argument {argument!r}")

    def get_models(self) -> list[Any]:
        """None that would have to be loaded by hand."""
        return []

    def cleanup(self) -> None:
        """Nothing: what a run needs, it makes anew."""

    @property
    def control(self) -> Any:
        """It as a Control, made anew where it was changed."""
        if self.cond_hint_original is None:
            raise DiffusionError("this ControlNet has no picture: set_cond_hint gives it one")
        previous = getattr(self.previous_controlnet, "control", self.previous_controlnet)
        told = (self.cond_hint_original, self.strength, *self.timestep_percent_range, previous, self.vae)
        if self._made is None or not all(map(_same, self._made[0], told)):
            hint = self.cond_hint_original.movedim(1, -1)
            self._made = told, self._make(self.net, hint, *told[1:])
        return self._made[1]

    @property
    def chain(self) -> tuple[Any, ...]:
        """See Control."""
        found: tuple[Any, ...] = self.control.chain
        return found

    def bind(self, run: SamplingRun) -> Any:
        """See Control."""
        return self.control.bind(run)


def _same(a: Any, b: Any) -> bool:
    return a is b or (isinstance(a, float) and a == b)


class ControlNetNames:
    """ComfyUI's names of a CONTROL_NET; sampling.control.ControlNet has what they stand for."""

    def given(self) -> GivenControl:
        """It without a picture, as packs make one of it."""
        raise NotImplementedError

    def copy(self) -> GivenControl:
        """One to be given a picture."""
        return self.given()

    def set_cond_hint(self, *args: Any, **options: Any) -> GivenControl:
        """See GivenControl; it leaves this as it is."""
        return self.given().set_cond_hint(*args, **options)
