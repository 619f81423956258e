"""The values that pass between the nodes of the family: immutable, and described rather than loaded.

What a node must refer to without holding it (a control net, a picture, a text encoder) is a Link: the node and slot of
the workflow that give it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from weft.engine.links import Link
from weft.engine.schema.sockets import Socket
from weft.nodes.core.types import Clip, Conditioning, Model


class LoraUse(NamedTuple):
    """A LoRA file and its strengths. In the axes of a LoRA plot, what the other axis decides is None."""

    name: str | None
    model_strength: float | None
    clip_strength: float | None


LoraStack = tuple[LoraUse, ...]


class ControlNetUse(NamedTuple):
    """A control net and the picture that it follows, by where they come from; its share of the schedule, 0 to 1."""

    control_net: Link
    image: Link
    strength: float
    start_percent: float
    end_percent: float


ControlNetStack = tuple[ControlNetUse, ...]


class XY(NamedTuple):
    """One axis of a plot: the name of its type (`Steps`, `CFG Scale`, `Positive Prompt S/R`, ...) and its values.

    A value is a number, a text, or a tuple: Sampler (name, scheduler or None), Checkpoint and Refiner (name, clip skip
    or None, VAE or None), Prompt S/R (search, replacement or None), LoRA* a LoraStack, ControlNet* a ControlNetStack.
    """

    kind: str
    values: tuple[Any, ...]


NOTHING = XY("Nothing", ("",))
"""The axis of a plot that has only the other one."""


@dataclass(frozen=True)
class Dependencies:
    """What a loader was given, for the axes of a plot that load or encode anew.

    `clip` is the loader's CLIP output, after clip skip; None for the SDXL loader, whose tuple has it. `ascore` is
    (positive, negative). `vae_name` may be `Baked VAE`, `refiner_name` `None`.
    """

    vae_name: str
    ckpt_name: str
    clip: Link | None
    clip_skip: int
    refiner_name: str
    refiner_clip_skip: int | None
    positive: str
    negative: str
    token_normalization: str
    weight_interpretation: str
    ascore: tuple[float, float] | None
    width: int
    height: int
    loras: LoraStack
    control_nets: ControlNetStack


@dataclass(frozen=True)
class NoiseScript:
    """`rng_source` is cpu, gpu or nv; with `add_seed_noise`, `weight` of the noise comes from `seed`."""

    rng_source: str
    cfg_denoiser: bool
    add_seed_noise: bool
    seed: int
    weight: float


@dataclass(frozen=True)
class HighResFix:
    """`checkpoint` None keeps the sampler's model; `seed` None keeps its seed; `control_net` None uses none."""

    upscale_type: str
    checkpoint: str | None
    latent_upscaler: str
    pixel_upscaler: str
    upscale_by: float
    seed: int | None
    steps: int
    denoise: float
    iterations: int
    control_net: str | None
    strength: float
    preprocessor: str
    preprocessor_images: bool


@dataclass(frozen=True)
class TiledUpscale:
    """`strategy` is random, random strict, padded or simple; `control_net` is a file, None uses none."""

    upscale_by: float
    tile_size: int
    strategy: str
    steps: int
    seed: int
    denoise: float
    control_net: str | None
    strength: float


@dataclass(frozen=True)
class XYPlot:
    """The plot of every value of `x` against every value of `y`, the axes as they are shown (flipped already).

    `label_orientation` is that of the Y labels: Horizontal or Vertical.
    """

    x: XY
    y: XY
    spacing: int
    label_orientation: str
    cache_models: bool
    plot_as_output: bool
    dependencies: Dependencies | None


@dataclass(frozen=True)
class Script:
    """What a sampler does beside sampling. A script node makes a copy with its part added (dataclasses.replace)."""

    noise: NoiseScript | None = None
    hiresfix: HighResFix | None = None
    tile: TiledUpscale | None = None
    xyplot: XYPlot | None = None


class SdxlTuple(NamedTuple):
    """What SDXL samples with, the objects themselves: base and refiner. Without a refiner its four are None."""

    base_model: Model
    base_clip: Clip
    base_positive: Conditioning
    base_negative: Conditioning
    refiner_model: Model | None
    refiner_clip: Clip | None
    refiner_positive: Conditioning | None
    refiner_negative: Conditioning | None


LoraStackValue = Annotated[LoraStack, Socket("LORA_STACK")]
ControlNetStackValue = Annotated[ControlNetStack, Socket("CONTROL_NET_STACK")]
ScriptValue = Annotated[Script, Socket("SCRIPT")]
XYValue = Annotated[XY, Socket("XY")]
DependenciesValue = Annotated[Dependencies, Socket("DEPENDENCIES")]
SdxlTupleValue = Annotated[SdxlTuple, Socket("SDXL_TUPLE")]
