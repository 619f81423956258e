"""What stands in for models and pictures that are not there, and how a workflow becomes a small one: `--stand-ins`.

See weft.engine.standins. Nothing here imports torch before a model is to be made.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weft.engine.folders import IMAGE_SUFFIXES, INPUT, SHIPPED, Folders
from weft.engine.links import Link
from weft.engine.schema.node import NodeSchema
from weft.engine.schema.sockets import MATCH_TYPE, Boolean, Float, Int
from weft.engine.standins import Nodes, StandIn
from weft.nodes.diffusion.families import release_meant, release_title

BASE = SHIPPED / "checkpoints" / "weft-tiny.safetensors"
_SHIPPED = {
    "checkpoints": (BASE, "the small model that comes with Weft"),
    "loras": (SHIPPED / "loras" / "weft-pixel.safetensors", "the LoRA that comes with Weft"),
    "embeddings": (SHIPPED / "embeddings" / "weft-white.safetensors", "the embedding that comes with Weft"),
}
"""What stands in for files of SD 1.x, of which Weft has its own."""
_DENOISERS = ("checkpoints", "diffusion_models")
_UNSAID = "sd1"
"""What `release_meant` gives for a name that says nothing."""
_LOTUS = "lotus"
"""The release of models that look at a picture for another one of the same workflow."""
_SD_VAE = re.compile(r"vae[-_]ft[-_]|kl[-_]?f8", re.IGNORECASE)
"""In the names of VAEs of Stable Diffusion, whatever else a workflow has."""
_NOUNS = {
    "checkpoints": "a small checkpoint", "diffusion_models": "a small UNet", "vae": "a small VAE",
    "text_encoders": "a small text encoder", "loras": "a small LoRA", "controlnet": "a small ControlNet",
    "embeddings": "an embedding", "clip_vision": "a small vision model",
    "style_models": "a small style model", "model_patches": "a small model patch",
}  # fmt: skip

SIDE, FULL_SIDE, STEPS, FRAMES, TOKENS = 128, 512, 4, 5, 16
"""The longer side of a small workflow's pictures, that of a drawn one at full size, the most steps, frames, tokens."""
_LATENT_SIDE, _PIXELS = 64, 8
_SIZES = re.compile(r"(.*_)?(width|height|x|y|left|top|right|bottom|tile_size|overlap|feathering|padding|crop_[wh])")
_CUTS = ("steps", "start_at_step", "end_at_step", "start_step", "end_step", "last_step", "step", "refine_at_step")
_END = 1000
"""A step from here on is no step: it says `to the end`."""


@dataclass(frozen=True)
class SmallModels:
    """See Maker: models of one release, and drawn pictures. unsaid: that of a model whose name does not tell."""

    release: str
    full: bool
    unsaid: str = _UNSAID

    def make(self, kind: str, name: str) -> StandIn | None:
        """See Maker."""
        if kind == INPUT:
            return self._input(name)
        if kind == "upscale_models":
            from safetensors.torch import save

            from weft.nodes.diffusion.values.upscale_models import small_upscaler

            factor = re.search(r"(?<!\d)([1248])[xX]|[xX]([1248])(?!\d)", name)
            scale = int(next(filter(None, factor.groups()))) if factor else 4
            return StandIn(save(small_upscaler(scale)), f"an upscaler that repeats pixels, x{scale},")
        if not release_meant(name):
            return None
        release = self._release(kind, name)
        if release == "sd1" and kind in _SHIPPED:
            return StandIn(*_SHIPPED[kind])
        from weft.nodes.diffusion.families import small_file

        tensors = small_file(kind, name, release, BASE)
        if tensors is None:
            return None
        from safetensors.torch import save

        plain = {key: value.contiguous() for key, value in tensors.items()}
        return StandIn(save(plain), f"{_NOUNS[kind]} for {release_title(release)}")

    def _release(self, kind: str, name: str) -> str:
        """What a stand-in is of: what its name says of a model, and otherwise what the models are of."""
        meant = release_meant(name)
        if meant == _LOTUS:
            return meant
        if kind not in _DENOISERS:
            return _UNSAID if kind == "vae" and _SD_VAE.search(name) else self.release
        return self.unsaid if meant == _UNSAID else meant

    def _input(self, name: str) -> StandIn | None:
        side, ending = FULL_SIDE if self.full else SIDE, name.lower().rpartition(".")[2]
        if f".{ending}" in IMAGE_SUFFIXES:
            return StandIn(_drawn(name, side), "a drawn picture")
        if ending in ("mp4", "webm", "mov", "mkv", "avi", "m4v"):
            return StandIn(_video(name, side), f"a drawn video of {FRAMES} frames")
        if ending in ("wav", "mp3", "flac", "ogg", "opus", "m4a", "aac"):
            return StandIn(_sound(), "a tone of one second")
        if ending == "latent":
            return StandIn(_latent(side), "an empty latent")
        return None


class BuiltinStandIns:
    """See weft.engine.standins.StandIns."""

    def maker(self, named: Sequence[tuple[str, str]], folders: Folders, *, full: bool) -> SmallModels:
        """See StandIns: all models are of the release that the workflow's own are of, by what they are called."""
        releases = [release_meant(name) for kind, name in named if kind in _DENOISERS]
        # Beside others Lotus is their helper.
        releases = [each for each in releases if each != _LOTUS] or releases
        release = next(filter(None, releases), _UNSAID)
        if {*releases} <= {"", _UNSAID}:
            # Their encoders and VAEs may be called by their family where the models have names of their own.
            beside = [release_meant(name) for kind, name in named if kind in ("text_encoders", "vae")]
            release = next((each for each in beside if each not in ("", _UNSAID)), release)
        return SmallModels(release, full, _UNSAID if {*releases} - {"", _UNSAID} else release)

    def smaller(self, nodes: Nodes) -> tuple[Mapping[tuple[str, str], Any], Sequence[str]]:
        """See StandIns: sizes by one factor, steps by a map that keeps their order, frames to a few."""
        numbers = list(_numbers(nodes))
        sizes = [each for each in numbers if _SIZES.fullmatch(each.role)]
        sides = [each.value for each in sizes if re.search(r"width|height", each.role)]
        factor = SIDE / max([SIDE, *sides])
        cuts = _steps([each.value for each in numbers if each.role in _CUTS])
        changes: dict[tuple[str, str], Any] = {}
        for each in numbers:
            if (small := _smaller(each, factor, cuts)) != each.value:
                changes.setdefault(each.place, small)
        said = []
        if factor < 1:
            said.append(f"sides of {max(sides)} are {SIDE}")
        if (most := max(cuts, default=0)) > cuts.get(most, 0):
            said.append(f"{most} steps are {cuts[most]}")
        note = f"the workflow is made small: {', '.join(said)}; --full keeps them"
        return changes, [note] if changes and said else []


STAND_INS = BuiltinStandIns()


@dataclass(frozen=True)
class _Number:
    """A number in a workflow: where it stands, what it is, by the input that takes it, and that input."""

    place: tuple[str, str]
    role: str
    value: Any
    socket: Int | Float
    latent: bool


def _numbers(nodes: Nodes) -> Iterator[_Number]:
    """The numbers of all widgets; that of a node which does nothing but give one is what the input is that takes it.

    Sides are also found where they are computed of one number.
    """
    for node_id, (schema, inputs) in nodes.items():
        latent = any(out.io_type == "LATENT" for out in schema.outputs) and not any(
            type(value) is Link for value in inputs.values()
        )
        for name, spec in schema.given(inputs).items():
            value, socket = inputs.get(name), spec.socket
            if not isinstance(socket, Int | Float):
                continue
            role, places = name.rpartition(".")[2], [(node_id, name)]
            if type(value) is Link:
                places = [*_given(nodes, value, 4 if _SIZES.fullmatch(role) else 0)]
            for place in places:
                value = nodes[place[0]][1].get(place[1])
                if type(value) in (int, float):
                    yield _Number(place, role, value, socket, latent)


def _given(nodes: Nodes, link: Link, through: int, deep: int = 8) -> Iterator[tuple[str, str]]:
    """The nodes and inputs where the numbers are given of which a link brings one.

    Also through nodes that choose among several, and through so many that compute one of another: half a side that is
    made smaller is half of it still.
    """
    source = nodes.get(link.node_id)
    if source is None or not deep:
        return
    schema, inputs = source
    held = _held(schema, inputs)
    if held is not None:
        yield link.node_id, held
        return
    declared = schema.given(inputs)
    chosen = [name for name, value in inputs.items() if type(value) is Link and name in declared]
    links = [inputs[name] for name in chosen if not isinstance(declared[name].socket, Boolean)]
    made = {str(out.io_type) for out in schema.outputs}
    if made <= {"*", MATCH_TYPE}:
        for each in links:
            yield from _given(nodes, each, through, deep - 1)
    elif through and made <= {"INT", "FLOAT", "BOOLEAN"} and len(links) == 1:
        yield from _given(nodes, links[0], through - 1, deep - 1)


def _held(schema: NodeSchema, inputs: Mapping[str, Any]) -> str | None:
    """The input of a node that has one number, and nothing that is linked."""
    numbers = [name for name, spec in schema.given(inputs).items() if isinstance(spec.socket, Int | Float)]
    return numbers[0] if len(numbers) == 1 and type(inputs.get(numbers[0])) in (int, float) else None


def _steps(values: Sequence[Any]) -> dict[int, int]:
    """What becomes of numbers of steps: fewer, and what came before another still does."""
    known = sorted({value for value in values if type(value) is int and 0 < value < _END})
    factor = min(1.0, STEPS / max(known, default=STEPS))
    fewer = {0: 0}
    for value in known:
        fewer[value] = min(value, max(round(value * factor), max(fewer.values()) + 1))
    return fewer


def _smaller(number: _Number, factor: float, cuts: Mapping[int, int]) -> Any:
    role, value = number.role, number.value
    if role in _CUTS:
        return cuts.get(value, value)
    if role == "max_length":
        return min(value, TOKENS)
    if role == "megapixels":
        return max(number.socket.options.get("min", 0.01), value * factor**2)
    options = number.socket.options
    if role in ("length", "frames", "num_frames", "video_frames"):
        least, step = options.get("min", 0), options.get("step", 1)
        return min(value, least + max(0, math.ceil((FRAMES - least) / step)) * step)
    # A size is a whole number of pixels: what takes fractions is a factor, as scale_x.
    if not _SIZES.fullmatch(role) or type(value) is not int or isinstance(number.socket, Float) or factor == 1:
        return value
    multiple = _LATENT_SIDE if number.latent else _PIXELS
    least = multiple if re.search(r"width|height", role) and value else 0
    small = max(least, round(value * factor / multiple) * multiple, options.get("min", 0))
    return min(value, small)


def _drawn(name: str, side: int) -> bytes:
    """A PNG, the same for one name: a disc on a gradient, transparent in its middle, so that its mask is one."""
    import io

    from PIL import Image, ImageDraw

    seed = hashlib.blake2b(name.encode(errors="backslashreplace"), digest_size=9).digest()
    ends = Image.new("RGB", (2, 2))
    ends.putdata([tuple(seed[:3]), tuple(seed[3:6]), tuple(seed[6:9]), tuple(255 - each for each in seed[:3])])
    picture = ends.resize((side, side), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    box = (side // 4, side // 4, 3 * side // 4, 3 * side // 4)
    draw.ellipse(box, fill=tuple(255 - each for each in seed[3:6]))
    alpha = Image.new("L", (side, side), 255)
    ImageDraw.Draw(alpha).ellipse((3 * side // 8, 3 * side // 8, 5 * side // 8, 5 * side // 8), fill=0)
    picture.putalpha(alpha)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def _video(name: str, side: int) -> bytes:
    """An MP4 whose picture moves to the right, by a pixel a frame."""
    import io
    from fractions import Fraction

    import numpy
    import torch
    from PIL import Image

    from weft.nodes.diffusion.values.video import VideoComponents, VideoFromComponents

    with Image.open(io.BytesIO(_drawn(name, side))) as picture:
        still = torch.from_numpy(numpy.asarray(picture.convert("RGB"), dtype=numpy.float32) / 255)
    frames = torch.stack([still.roll(frame, dims=1) for frame in range(FRAMES)])
    stream = io.BytesIO()
    VideoFromComponents(VideoComponents(frames, Fraction(8))).save_to(stream)
    return stream.getvalue()


def _sound() -> bytes:
    import io

    import torch

    from weft.nodes.diffusion.values.audio import write_audio

    rate = 16_000
    wave = 0.1 * torch.sin(torch.arange(rate) * (2 * torch.pi * 440 / rate))
    stream = io.BytesIO()
    write_audio(stream, {"waveform": wave[None, None], "sample_rate": rate}, "flac")
    return stream.getvalue()


def _latent(side: int) -> bytes:
    import torch

    from weft.nodes.diffusion.values.latentfile import latent_bytes

    return latent_bytes(torch.zeros(1, 4, side // _PIXELS, side // _PIXELS), {})
