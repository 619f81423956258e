"""Scripts: what an Efficient sampler does beside sampling. Each node makes a description, and changes nothing.

A script node adds its part to the script that it is given; of two parts of a kind the last one counts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from weft.engine.context import RunContext
from weft.engine.schema.node import Seen
from weft.engine.schema.sockets import Boolean, Combo, Files, Float, Int
from weft.nodes.core.latent import LATENT_METHODS
from weft.nodes.core.types import Seed, weights
from weft.nodes.efficiency.errors import BadScript
from weft.nodes.efficiency.face import node
from weft.nodes.efficiency.latent_weights import LEARNED_UPSCALERS, UNSUPPORTED
from weft.nodes.efficiency.values import HighResFix, NoiseScript, Script, ScriptValue, TiledUpscale

CATEGORY = "Efficiency Nodes/Scripts"
SAME_CHECKPOINT = "(use same)"
# What stands for a choice that ComfyUI has only with the pack comfyui_controlnet_aux, as these workflows have it.
ABSENT = "_"
NO_PREPROCESSOR = (ABSENT, "none", "None")
STRATEGIES = ("random", "random strict", "padded", "simple", "none")

UpscaleBy = Annotated[float, Float(default=1.25, min=0.01, max=8.0, step=0.05)]
Strength = Annotated[float, Float(default=1.0, min=0.0, max=10.0, step=0.01)]
ControlNetFile = Annotated[str, weights("controlnet")]

Function = TypeVar("Function", bound=Callable[..., Any])


def _lenient(*names: str) -> Callable[[Function], Function]:
    """The named inputs may be left out, as those are that the others make meaningless: the function gets None."""

    def made(function: Function) -> Function:
        @functools.wraps(function)
        def called(**inputs: Any) -> Any:
            return function(**{**dict.fromkeys(names), **inputs})

        return called  # type: ignore[return-value]  # the same function, with fewer inputs asked for

    return made


def _unused_by_noise(constants: Mapping[str, Any]) -> Collection[str]:
    return _WITH_SEED_NOISE if constants.get("add_seed_noise") is False else ()


_WITH_SEED_NOISE = ("seed", "weight")


@node(class_type="Noise Control Script", category=CATEGORY, unused=_unused_by_noise)
@_lenient(*_WITH_SEED_NOISE)
def NoiseControlScript(
    *,
    rng_source: Annotated[str, Combo(("cpu", "gpu", "nv"))],
    cfg_denoiser: Annotated[bool, Boolean(default=False)],
    add_seed_noise: Annotated[bool, Boolean(default=False)],
    seed: Seed,
    weight: Annotated[float, Float(default=0.015, min=0.0, max=1.0, step=0.001)],
    script: ScriptValue | None = None,
    context: RunContext,
) -> ScriptValue:
    """Draw the noise that sampling starts from in another way. What samplers add on their way stays as it is.

    Args:
        rng_source: torch on the CPU, torch on the run's device, or the numbers of an NVIDIA GPU computed on the CPU.
        cfg_denoiser: Not supported; a warning says so.
        add_seed_noise: Mix noise of another seed in, for small variations.
        seed: That seed.
        weight: The share of that noise; the second item of a batch gets it once, the third twice, and so on.
        script: A script to add this to.
    """
    if cfg_denoiser:
        context.warn("cfg_denoiser is not supported: the script runs without it")
    control = NoiseScript(rng_source, cfg_denoiser, add_seed_noise, seed or 0, weight or 0.0)
    return replace(script or Script(), noise=control)


_OF_LATENTS = ("latent_upscaler",)
_OF_PIXELS = ("pixel_upscaler",)
_OF_SAMPLING = ("hires_ckpt_name", "use_same_seed", "seed", "hires_steps", "denoise", "use_controlnet")
_OF_CONTROL = ("control_net_name", "strength", "preprocessor", "preprocessor_imgs")
_OF_HIRES = (*_OF_LATENTS, *_OF_PIXELS, *_OF_SAMPLING, *_OF_CONTROL)


def _unused_by_hires(constants: Mapping[str, Any]) -> Collection[str]:
    if constants.get("iterations") == 0:
        return _OF_HIRES
    kind = constants.get("upscale_type")
    names = {
        "latent": {*_OF_PIXELS},
        "pixel": {*_OF_LATENTS, *_OF_SAMPLING, *_OF_CONTROL},
        "both": {*_OF_LATENTS},
    }.get(str(kind), set())
    if constants.get("use_same_seed") is True:
        names.add("seed")
    if constants.get("use_controlnet") in (False, ABSENT):
        names.update(_OF_CONTROL)
    return names


def _check_hires(seen: Seen) -> Iterator[tuple[str, str]]:
    """For `@node(check=...)`: a preprocessor that is not there."""
    constants = seen.constants
    preprocessor = constants.get("preprocessor", ABSENT)
    used = constants.get("use_controlnet") is True and "preprocessor" not in _unused_by_hires(constants)
    if used and preprocessor not in NO_PREPROCESSOR:
        yield "preprocessor", _no_preprocessor(preprocessor)


def _no_preprocessor(name: object) -> str:
    return (
        f"the preprocessor {name!r} belongs to comfyui_controlnet_aux and is not there: choose none, "
        "and prepare the picture before"
    )


@node(class_type="HighRes-Fix Script", category=CATEGORY, unused=_unused_by_hires, check=_check_hires)
@_lenient(*_OF_HIRES)
def HighResFixScript(
    *,
    upscale_type: Annotated[str, Combo(("latent", "pixel", "both"))],
    hires_ckpt_name: Annotated[str, weights("checkpoints", extra_choices=(SAME_CHECKPOINT,), default=SAME_CHECKPOINT)],
    latent_upscaler: Annotated[str, Combo((*LATENT_METHODS, *LEARNED_UPSCALERS), unsupported=UNSUPPORTED)],
    pixel_upscaler: Annotated[str, Files("upscale_models")],
    upscale_by: UpscaleBy,
    use_same_seed: Annotated[bool, Boolean(default=True)],
    seed: Seed,
    hires_steps: Annotated[int, Int(default=12, min=1, max=10_000)],
    denoise: Annotated[float, Float(default=0.56, min=0.0, max=1.0, step=0.01)],
    iterations: Annotated[int, Int(default=1, min=0, max=5)],
    use_controlnet: Annotated[Any, Combo((ABSENT, False, True))],
    control_net_name: ControlNetFile,
    strength: Strength,
    preprocessor: Annotated[str, Combo(None, default=ABSENT)],
    preprocessor_imgs: Annotated[bool, Boolean(default=False)],
    script: ScriptValue | None = None,
) -> ScriptValue:
    """After sampling, enlarge the result and sample it again.

    Args:
        upscale_type: latent enlarges the latent and samples it; pixel enlarges the picture and samples nothing, so the
            latent stays; both enlarges the picture, encodes it and samples that.
        hires_ckpt_name: The checkpoint to sample with; the LoRAs of the loader are not on it.
        latent_upscaler: How the latent is enlarged.
        pixel_upscaler: A file below the upscale_models folders, for pixel and both.
        upscale_by: The factor, each time.
        use_same_seed: Sample with the sampler's seed.
        seed: Another one.
        hires_steps: Steps of the second sampling.
        denoise: How much it changes.
        iterations: How often; 0 leaves the script out.
        use_controlnet: Steer the second sampling with the first picture.
        control_net_name: A file below the controlnet folders.
        strength: How much it steers.
        preprocessor: What makes the ControlNet's picture; only none is there: the picture itself.
        preprocessor_imgs: Give that picture out instead of the result.
        script: A script to add this to.
    """
    # As it is kept: what an unused input held must not tell two equal scripts apart.
    part = HighResFix(
        upscale_type=upscale_type,
        checkpoint=None if hires_ckpt_name in (None, SAME_CHECKPOINT) else hires_ckpt_name,
        latent_upscaler=latent_upscaler or "nearest-exact",
        pixel_upscaler=pixel_upscaler or "",
        upscale_by=upscale_by,
        seed=seed if use_same_seed is False else None,
        steps=hires_steps or 0,
        denoise=denoise or 0.0,
        iterations=iterations,
        control_net=control_net_name if use_controlnet is True else None,
        strength=strength if strength is not None else 1.0,
        preprocessor=preprocessor or ABSENT,
        preprocessor_images=bool(preprocessor_imgs),
    )
    if part.control_net is not None and part.preprocessor not in NO_PREPROCESSOR:
        raise BadScript(_no_preprocessor(part.preprocessor))
    return replace(script or Script(), hiresfix=part if iterations else None)


_OF_TILE_CONTROL = ("tile_controlnet", "strength")
_OF_TILES = ("upscale_by", "tile_size", "tiling_steps", "seed", "denoise", "use_controlnet", *_OF_TILE_CONTROL)


def _unused_by_tiles(constants: Mapping[str, Any]) -> Collection[str]:
    if constants.get("tiling_strategy") == "none":
        return _OF_TILES
    return _OF_TILE_CONTROL if constants.get("use_controlnet") is False else ()


@node(class_type="Tiled Upscaler Script", category=CATEGORY, unused=_unused_by_tiles)
@_lenient(*_OF_TILES)
def TiledUpscalerScript(
    *,
    upscale_by: UpscaleBy,
    tile_size: Annotated[int, Int(default=512, min=256, max=16384, step=64)],
    tiling_strategy: Annotated[str, Combo(STRATEGIES)],
    tiling_steps: Annotated[int, Int(default=30, min=1, max=10_000)],
    seed: Seed,
    denoise: Annotated[float, Float(default=0.4, min=0.0, max=1.0, step=0.01)],
    use_controlnet: Annotated[bool, Boolean(default=False)],
    tile_controlnet: ControlNetFile,
    strength: Strength,
    script: ScriptValue | None = None,
) -> ScriptValue | None:
    """After sampling, enlarge the picture and sample it again tile by tile, which takes the memory of one tile.

    Args:
        upscale_by: The factor.
        tile_size: Side of a tile in pixels.
        tiling_strategy: random and random strict move the grid at every step; padded samples the middle of tiles in
            their surroundings; simple has one grid; none leaves the script out.
        tiling_steps: Steps that each tile goes through.
        seed: Decides the noise, and where random tiles lie.
        denoise: How much the tiles change.
        use_controlnet: Steer the tiles with the enlarged picture.
        tile_controlnet: A file below the controlnet folders.
        strength: How much it steers.
        script: A script to add this to.
    """
    if tiling_strategy == "none":
        return script
    part = TiledUpscale(
        upscale_by=upscale_by,
        tile_size=tile_size,
        strategy=tiling_strategy,
        steps=tiling_steps,
        seed=seed,
        denoise=denoise,
        control_net=tile_controlnet if use_controlnet else None,
        strength=strength if strength is not None else 1.0,
    )
    return replace(script or Script(), tile=part)
