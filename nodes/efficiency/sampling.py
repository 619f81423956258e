"""What a sampler of the family does, as a graph of core nodes: sample, then its scripts, then decode.

The order is that of efficiency.md section 3. Nothing here holds a tensor: everything is a link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from weft.engine.links import Link
from weft.engine.schema.expansion import GraphBuilder
from weft.nodes.efficiency.errors import BadScript
from weft.nodes.efficiency.values import HighResFix, NoiseScript, Script, TiledUpscale

TILE = 320
"""Side in pixels of the tiles of `true (tiled)`."""

CORE_UPSCALERS = ("nearest-exact", "bilinear", "area", "bicubic", "bislerp")
# The picture of a sampler that decodes nothing comes from a node, since faces make no tensors.
NO_PICTURE = "weft.NoPicture"


@dataclass(frozen=True)
class Refiner:
    """What SDXL's refiner samples with."""

    model: Link
    positive: Link
    negative: Link


@dataclass(frozen=True)
class Sampling:
    """One sampling with all its settings: a plain run of a sampler, or one cell of a plot.

    `kind` is regular (`denoise`), advanced (`add_noise`, `start`, `end`, `leftover`) or sdxl (`start`, `refine`, and a
    `refiner` if there is one). `where` begins the titles of the nodes: the cell of a plot.
    """

    kind: str
    model: Link
    positive: Link
    negative: Link
    latent: Link
    vae: Link | None
    seed: int
    steps: int
    cfg: float
    sampler_name: str
    scheduler: str
    decode: str
    script: Script
    denoise: float = 1.0
    add_noise: str = "enable"
    start: int = 0
    end: int = 10_000
    leftover: str = "disable"
    refine: int = -1
    refiner: Refiner | None = None
    where: str = ""

    @property
    def decodes(self) -> bool:
        """Whether the result is decoded: `output only` is, without being shown."""
        return self.decode != "false" and self.vae is not None

    @property
    def tiled(self) -> bool:
        """Whether the VAE works tile by tile."""
        return "tiled" in self.decode

    def title(self, what: str) -> str:
        """The title of a node of this sampling."""
        return f"{self.where}: {what}" if self.where else what


@dataclass
class Result:
    """Where a sampling stands: its latent, the picture of it where there is one, and what is shown in its place."""

    latent: Link
    image: Link | None = None
    instead: Link | None = None


def add_sampling(graph: GraphBuilder, sampling: Sampling) -> Result:
    """Sample, run the scripts, decode. The image is None where nothing was decoded.

    Raises BadScript for a script that needs a VAE where there is none.
    """
    result = Result(_FIRST[sampling.kind](graph, sampling))
    hires, tile = sampling.script.hiresfix, sampling.script.tile
    if hires is not None and hires.iterations > 0 and hires.upscale_by > 0:
        _hires(graph, sampling, hires, result)
    if tile is not None:
        _tile(graph, sampling, tile, result)
    if result.instead is not None:
        result.image = result.instead
    elif result.image is None and sampling.decodes:
        result.image = _decode(graph, sampling, result.latent, "decode")
    return result


def _regular(graph: GraphBuilder, s: Sampling) -> Link:
    return _ksampler(graph, s, s.model, s.positive, s.latent, s.seed, s.steps, s.denoise, "sample")


def _advanced(graph: GraphBuilder, s: Sampling) -> Link:
    return _stretch(graph, s, s.latent, "sample", s.add_noise, s.start, s.end, s.leftover)


def _sdxl(graph: GraphBuilder, s: Sampling) -> Link:
    """The base up to `refine`, the refiner from there; without a refiner, or at the end, the base alone to the end."""
    if s.refiner is None or not 0 <= s.refine < s.steps:
        return _stretch(graph, s, s.latent, "base", "enable", s.start, s.steps, "enable")
    base = _stretch(graph, s, s.latent, "base", "enable", s.start, s.refine, "enable")
    return _stretch(graph, s, base, "refiner", "disable", s.refine, s.steps, "disable", s.refiner)


_FIRST = {"regular": _regular, "advanced": _advanced, "sdxl": _sdxl}


def _ksampler(
    graph: GraphBuilder,
    s: Sampling,
    model: Link,
    positive: Link,
    latent: Link,
    seed: int,
    steps: int,
    denoise: float,
    what: str,
) -> Link:
    """A KSampler with the noise of the noise script; with denoise 0 there is nothing to do."""
    if denoise == 0:
        return latent
    noise = _noise(s.script.noise)
    return graph.add(
        "weft.NoiseKSampler" if noise else "KSampler",
        title=s.title(what),
        model=model,
        seed=seed,
        steps=steps,
        cfg=s.cfg,
        sampler_name=s.sampler_name,
        scheduler=s.scheduler,
        positive=positive,
        negative=s.negative,
        latent_image=latent,
        denoise=denoise,
        **noise,
    )[0]


def _stretch(
    graph: GraphBuilder,
    s: Sampling,
    latent: Link,
    what: str,
    add_noise: str,
    start: int,
    end: int,
    leftover: str,
    with_: Refiner | None = None,
) -> Link:
    """A KSampler (Advanced) with the noise of the noise script."""
    noise = _noise(s.script.noise)
    return graph.add(
        "weft.NoiseKSamplerAdvanced" if noise else "KSamplerAdvanced",
        title=s.title(what),
        model=with_.model if with_ else s.model,
        add_noise=add_noise,
        noise_seed=s.seed,
        steps=s.steps,
        cfg=s.cfg,
        sampler_name=s.sampler_name,
        scheduler=s.scheduler,
        positive=with_.positive if with_ else s.positive,
        negative=with_.negative if with_ else s.negative,
        latent_image=latent,
        start_at_step=start,
        end_at_step=end,
        return_with_leftover_noise=leftover,
        **noise,
    )[0]


def _noise(noise: NoiseScript | None) -> dict[str, Any]:
    """The inputs of a sampler with noise of its own; none where the script changes nothing."""
    if noise is None or (noise.rng_source == "cpu" and not noise.add_seed_noise):
        return {}
    given: dict[str, Any] = {"rng_source": noise.rng_source, "add_seed_noise": noise.add_seed_noise}
    # A seed that is not used must not tell two samplings apart.
    return given | ({"variation_seed": noise.seed, "weight": noise.weight} if noise.add_seed_noise else {})


# HighRes-Fix


def _hires(graph: GraphBuilder, s: Sampling, fix: HighResFix, result: Result) -> None:
    if fix.upscale_type != "latent" or fix.control_net is not None:
        _check_vae(s, "HighRes-Fix Script")
    if fix.upscale_type == "pixel":
        # The latent stays that of the first pass, and is not sampled again: the original's meaning.
        image = _decode(graph, s, result.latent, "decode")
        result.image = _enlarged(graph, s, fix, image)
        return
    model = graph.add("CheckpointLoaderSimple", ckpt_name=fix.checkpoint)[0] if fix.checkpoint else s.model
    positive = s.positive
    if fix.control_net is not None:
        # What a preprocessor would make of it is not to be had: the picture itself guides.
        hint = _decode(graph, s, result.latent, "decode")
        positive = _controlled(graph, s, fix.control_net, hint, fix.strength)
        result.instead = hint if fix.preprocessor_images else None
    seed = s.seed if fix.seed is None else fix.seed
    latent = result.latent
    for number in range(1, fix.iterations + 1):
        if fix.upscale_type == "both":
            image = _enlarged(graph, s, fix, _decode(graph, s, latent, "decode"))
            latent = _encode(graph, s, image)
        elif fix.latent_upscaler in CORE_UPSCALERS:
            method, factor = fix.latent_upscaler, fix.upscale_by
            latent = graph.add("LatentUpscaleBy", samples=latent, upscale_method=method, scale_by=factor)[0]
        else:
            upscaler, factor = fix.latent_upscaler, fix.upscale_by
            latent = graph.add("weft.LatentUpscaleWithModel", samples=latent, upscaler=upscaler, scale_by=factor)[0]
        what = "hires pass" if fix.iterations == 1 else f"hires pass {number} of {fix.iterations}"
        latent = _ksampler(graph, s, model, positive, latent, seed, fix.steps, fix.denoise, what)
    result.latent = latent


def _enlarged(graph: GraphBuilder, s: Sampling, fix: HighResFix, image: Link) -> Link:
    """The picture enlarged by the upscaling model, then brought to `upscale_by` times its own size."""
    loader = graph.add("UpscaleModelLoader", model_name=fix.pixel_upscaler)
    title = s.title("upscale")
    large = graph.add("ImageUpscaleWithModel", title=title, upscale_model=loader[0], image=image)
    return graph.add("weft.ResizeTo", image=large[0], original=image, scale_by=fix.upscale_by)[0]


def _controlled(graph: GraphBuilder, s: Sampling, control_net: str, image: Link, strength: float) -> Link:
    loader = graph.add("ControlNetLoader", control_net_name=control_net)
    applied = graph.add(
        "ControlNetApply", conditioning=s.positive, control_net=loader[0], image=image, strength=strength
    )
    return applied[0]


# Tiled Upscaler


def _tile(graph: GraphBuilder, s: Sampling, tile: TiledUpscale, result: Result) -> None:
    _check_vae(s, "Tiled Upscaler Script")
    image = result.image or _decode(graph, s, result.latent, "decode")
    large = graph.add("ImageScaleBy", image=image, upscale_method="nearest-exact", scale_by=tile.upscale_by)[0]
    latent = _encode(graph, s, large)
    positive = s.positive
    if tile.control_net is not None:
        positive = _controlled(graph, s, tile.control_net, large, tile.strength)
    result.image = None
    result.latent = latent
    if tile.denoise == 0:
        return
    result.latent = graph.add(
        "weft.TiledKSampler",
        title=s.title("tiled pass"),
        model=s.model,
        seed=tile.seed,
        tile_size=tile.tile_size,
        strategy=tile.strategy,
        steps=tile.steps,
        cfg=s.cfg,
        sampler_name=s.sampler_name,
        scheduler=s.scheduler,
        positive=positive,
        negative=s.negative,
        latent_image=latent,
        denoise=tile.denoise,
        **_noise(s.script.noise),
    )[0]


# The VAE


def _decode(graph: GraphBuilder, s: Sampling, latent: Link, what: str) -> Link:
    if s.tiled:
        return graph.add("VAEDecodeTiled", title=s.title(what), samples=latent, vae=s.vae, **_tiles())[0]
    return graph.add("VAEDecode", title=s.title(what), samples=latent, vae=s.vae)[0]


def _encode(graph: GraphBuilder, s: Sampling, image: Link) -> Link:
    if s.tiled:
        return graph.add("VAEEncodeTiled", title=s.title("encode"), pixels=image, vae=s.vae, **_tiles())[0]
    return graph.add("VAEEncode", title=s.title("encode"), pixels=image, vae=s.vae)[0]


def _tiles() -> dict[str, Any]:
    return {"tile_size": TILE, "overlap": 64, "temporal_size": 64, "temporal_overlap": 8}


def _check_vae(s: Sampling, script: str) -> None:
    if s.vae is None:
        raise BadScript(f"the {script} works on pictures, and there is no VAE", hint="connect optional_vae")
