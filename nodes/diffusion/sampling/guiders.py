"""A model and the way to steer it, GUIDER, and guidance with three sides."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.interop.guider import GuidanceGuider
from weft.nodes.diffusion.sampling.conditions import Condition, SamplingRun, resolve_sides
from weft.nodes.diffusion.sampling.guidance import Evaluation, GuidedNetwork
from weft.nodes.diffusion.sampling.patches.guidance import perpendicular
from weft.nodes.diffusion.sampling.samplers.interface import GuidedDenoiser

if TYPE_CHECKING:
    from weft.nodes.diffusion.sampling.guidance import Guidance
    from weft.nodes.diffusion.weights.patcher import ModelPatcher


@dataclass(frozen=True, eq=False)
class Guider:
    """A GUIDER: a model and the way to steer it."""

    model: ModelPatcher
    guidance: Guidance

    @property
    def model_patcher(self) -> ModelPatcher:
        """The model, by the name that packs know."""
        return self.model

    def sample(self, *args: Any, **options: Any) -> Tensor:
        """As packs call it: see interop.guider.BaseGuider.sample."""
        return GuidanceGuider(self.model, self.guidance).sample(*args, **options)

    @property
    def memory_parts(self) -> Iterator[tuple[Hashable, int]]:
        """As PatchedNetwork.memory_parts: the model, and the tensors of the conditionings."""
        yield from self.model.memory_parts
        stack: list[Any] = [getattr(self.guidance, name) for name in getattr(self.guidance, "__dataclass_fields__", ())]
        while stack:
            item = stack.pop()
            if isinstance(item, Tensor):
                yield id(item), item.nbytes
            elif isinstance(item, Mapping):
                stack.extend(item.values())
            elif isinstance(item, list | tuple):
                stack.extend(item)


@dataclass(frozen=True, eq=False)
class DualCFG:
    """Guidance by two prompts at two scales: Brooks et al. 2023, "InstructPix2Pix", equation 3.

    regular: negative + (cond2 - negative) * scale_cond2 + (cond1 - cond2) * scale_conds.
    nested: the prediction guided from cond2 to cond1 takes the place of the positive one against the negative.
    """

    cond1: Sequence[Any]
    cond2: Sequence[Any]
    negative: Sequence[Any]
    scale_conds: float
    scale_cond2: float
    style: str = "regular"

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise DiffusionError(f"unknown style {self.style!r} of dual guidance; there are {', '.join(STYLES)}")

    def bind(self, run: SamplingRun) -> GuidedDenoiser:
        """See Guidance."""
        sides = {"positive": self.cond1, "middle": self.cond2, "negative": self.negative}
        return _DualDenoiser(GuidedNetwork(run), resolve_sides(sides, run), self)


class _DualDenoiser:
    """A GuidedDenoiser; sides: the conditions of cond1, cond2 and the negative."""

    def __init__(self, network: GuidedNetwork, sides: list[list[Condition]], scales: DualCFG) -> None:
        self.sampling = network.sampling
        self._network = network
        self._sides = sides
        self._scales = scales

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """See GuidedDenoiser."""
        return self.with_uncond(x, sigma)[0]

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """See GuidedDenoiser. The unguided one is cond2's where the style is nested, as in ComfyUI."""
        evaluation = self._network.evaluation(x, sigma)
        return STYLES[self._scales.style](evaluation, self._sides, evaluation.predict(self._sides), self._scales)


def _regular(
    evaluation: Evaluation, sides: list[list[Condition]], predictions: list[Tensor], scales: DualCFG
) -> tuple[Tensor, Tensor]:
    (_, cond2, negative), (out_1, out_2, out_n) = sides, predictions
    denoised, uncond = evaluation.guide(cond2, negative, out_2, out_n, scales.scale_cond2)
    return denoised + (out_1 - out_2) * scales.scale_conds, uncond


def _nested(
    evaluation: Evaluation, sides: list[list[Condition]], predictions: list[Tensor], scales: DualCFG
) -> tuple[Tensor, Tensor]:
    (cond1, cond2, _), (out_1, out_2, out_n) = sides, predictions
    inner, uncond = evaluation.guide(cond1, cond2, out_1, out_2, scales.scale_conds)
    return out_n + (inner - out_n) * scales.scale_cond2, uncond


STYLES: Mapping[str, Callable[..., tuple[Tensor, Tensor]]] = {"regular": _regular, "nested": _nested}


@dataclass(frozen=True, eq=False)
class PerpNegCFG:
    """Armandpour et al. 2023, "Perp-Neg": of the negative only what is perpendicular to the positive counts."""

    positive: Sequence[Any]
    negative: Sequence[Any]
    empty: Sequence[Any]
    scale: float
    neg_scale: float

    def bind(self, run: SamplingRun) -> GuidedDenoiser:
        """See Guidance."""
        sides = {"positive": self.positive, "negative": self.negative, "empty": self.empty}
        return _PerpNegDenoiser(GuidedNetwork(run), resolve_sides(sides, run), self)


class _PerpNegDenoiser:
    """A GuidedDenoiser; sides: the conditions of the positive, the negative and the empty prompt."""

    def __init__(self, network: GuidedNetwork, sides: list[list[Condition]], scales: PerpNegCFG) -> None:
        self.sampling = network.sampling
        self._network = network
        self._sides = sides
        self._scales = scales

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """See GuidedDenoiser."""
        return self.with_uncond(x, sigma)[0]

    def with_uncond(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """See GuidedDenoiser."""
        positive, negative, empty = self._sides
        evaluation = self._network.evaluation(x, sigma)
        cond, uncond, nocond = evaluation.predict([positive, negative, empty])
        denoised = perpendicular(cond, uncond, nocond, self._scales.neg_scale, self._scales.scale)
        denoised = evaluation.finish(
            denoised,
            self._scales.scale,
            cond=positive,
            uncond=negative,
            empty_cond=empty,
            cond_denoised=cond,
            uncond_denoised=uncond,
            empty_cond_denoised=nocond,
        )
        return denoised, uncond
