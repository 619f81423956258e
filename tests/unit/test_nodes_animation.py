"""Animated pictures: every pixel and every frame's time are in the file, and so is the workflow."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageSequence

import weft
from weft.engine.errors import Interrupted
from weft.engine.formats.embedded import read
from weft.nodes.core.animation import SaveAnimatedPNG, SaveAnimatedWEBP

PROMPT = {"1": {"class_type": "Möwe", "inputs": {"seed": 2**60 + 1}}}
WORKFLOW = {"nodes": [], "links": [], "version": 0.4}
FRAMES = torch.rand(3, 6, 8, 3, generator=torch.Generator().manual_seed(0))

WEBP = {"lossless": True, "quality": 80, "method": "default"}
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    ".webp": (SaveAnimatedWEBP, WEBP),
    ".png": (SaveAnimatedPNG, {"compress_level": 4}),
}


@pytest.fixture
def save(make_context: Any) -> Any:
    def write(suffix: str, images: torch.Tensor = FRAMES, **options: Any) -> Path:
        function, usual = KINDS[suffix]
        context = make_context(making={"sampling": "comfy"})
        given = {"filename_prefix": "moving/%width%x%height%", "fps": 8.0, **usual, **options}
        shown = function(
            images=images, **given, prompt=PROMPT, extra_pnginfo={"workflow": WORKFLOW, "mood": "Ä"}, context=context
        )
        (path,) = context.files
        name, kind = path.name, "output"
        assert shown == {"images": [{"filename": name, "subfolder": "moving", "type": kind}], "animated": [True]}
        return Path(path)

    return write


def frames(path: Path) -> tuple[torch.Tensor, list[int]]:
    """The pixels [B,H,W,C] and the milliseconds of each frame."""
    with Image.open(path) as picture:
        shown = [(frame.convert("RGB"), frame.info["duration"]) for frame in ImageSequence.Iterator(picture)]
    pixels = [torch.frombuffer(bytearray(frame.tobytes()), dtype=torch.uint8).reshape(6, 8, 3) for frame, _ in shown]
    return torch.stack(pixels), [round(milliseconds) for _, milliseconds in shown]


@pytest.mark.parametrize("suffix", KINDS)
def test_every_pixel_and_every_frame(suffix: str, save: Any) -> None:
    path = save(suffix)
    assert path.name == f"8x6_00001_{suffix}"
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    pixels, durations = frames(path)
    assert torch.equal(pixels, (FRAMES * 255).to(torch.uint8))
    assert durations == [125, 125, 125]
    with Image.open(path) as picture:
        assert picture.info["loop"] == 0, "for ever"
    assert save(suffix).name == f"8x6_00002_{suffix}"


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("count", [1, 3])
def test_the_workflow_is_read_back(suffix: str, count: int, save: Any) -> None:
    found = read(save(suffix, FRAMES[:count]))
    assert (found.prompt, found.workflow) == (PROMPT, WORKFLOW)


def test_a_png_keeps_the_texts_behind_its_first_frame(save: Any) -> None:
    data, position, kinds, texts = save(".png").read_bytes(), 8, [], {}
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        kinds.append(kind.decode())
        if kind == b"comf":
            name, _, text = data[position + 8 : position + 8 + length].partition(b"\0")
            texts[name.decode()] = json.loads(text)
        position += 12 + length
    assert kinds.index("IDAT") < kinds.index("comf")
    assert texts == {"prompt": PROMPT, "workflow": WORKFLOW, "mood": "Ä", "weft": texts["weft"]}
    assert texts["weft"]["sampling"] == "comfy"


def test_a_webp_keeps_the_texts_in_its_exif(save: Any) -> None:
    with Image.open(save(".webp")) as picture:
        exif = picture.getexif()
    assert json.loads(exif[0x0110].removeprefix("prompt:")) == PROMPT
    assert json.loads(exif[0x010F].removeprefix("workflow:")) == WORKFLOW
    assert json.loads(exif[0x010E].removeprefix("mood:")) == "Ä"
    assert json.loads(exif[0x010D].removeprefix("weft:"))["sampling"] == "comfy"


def test_a_webp_can_be_smaller_and_worse(save: Any) -> None:
    fine, coarse = (save(".webp", lossless=False, quality=quality) for quality in (100, 1))
    original = (FRAMES * 255).to(torch.uint8).float()

    def error(path: Path) -> float:
        return (frames(path)[0].float() - original).abs().mean().item()

    assert 0 < error(fine) < error(coarse)
    assert fine.stat().st_size > coarse.stat().st_size


@pytest.mark.parametrize(("suffix", "fps", "milliseconds"), [(".webp", 0.01, 100_000), (".png", 0.016, 62_500)])
def test_slow(suffix: str, fps: float, milliseconds: int, save: Any) -> None:
    assert frames(save(suffix, fps=fps))[1] == [milliseconds] * 3


def test_slower_than_a_png_can_say(save: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"fps is 0.01: expected at least 0.0153, since a frame .* 65535 ms at most"):
        save(".png", fps=0.01)
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("suffix", KINDS)
def test_a_cancelled_run_leaves_nothing(suffix: str, make_context: Any, tmp_path: Path) -> None:
    function, options = KINDS[suffix]
    context = make_context()
    context.cancel()
    with pytest.raises(Interrupted):
        function(images=FRAMES, filename_prefix="x", fps=6.0, **options, prompt={}, extra_pnginfo={}, context=context)
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("class_type", ["SaveAnimatedWEBP", "SaveAnimatedPNG"])
def test_what_it_wrote_runs(class_type: str, tmp_path: Path) -> None:
    """A picture of colours made by a workflow: the file that it wrote makes the same file."""
    size = {"width": 8, "height": 6, "batch_size": 2}
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {**size, "color": 0xFF8000}},
        "2": {"class_type": "EmptyImage", "inputs": {**size, "color": 0x0080FF}},
        "3": {"class_type": "ImageBatch", "inputs": {"image1": ["1", 0], "image2": ["2", 0]}},
        "4": {"class_type": "ImageFromBatch", "inputs": {"image": ["3", 0], "batch_index": 1, "length": 2}},
        "5": {
            "class_type": class_type,
            "inputs": {"images": ["4", 0], "filename_prefix": "x", "fps": 6.0}
            | KINDS["." + class_type.removeprefix("SaveAnimated").lower()][1],
        },
    }
    (first,) = weft.run(prompt, output=tmp_path / "a").files
    (second,) = weft.run(first, output=tmp_path / "b").files
    assert frames(first)[0][:, 0, 0].tolist() == [[255, 128, 0], [0, 128, 255]]
    assert Path(first).read_bytes() == Path(second).read_bytes()
