"""Nodes for videos and sounds: run by the engine, and what they wrote is run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import weft
from weft.engine.errors import Interrupted, NodeError
from weft.engine.formats.embedded import read

WORKFLOW = {"nodes": [], "links": [], "version": 0.4}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def film(width: int = 32, height: int = 16, count: int = 3) -> dict[str, Any]:
    """Grey pictures and a silence: 1 and 2; 3 is the video."""
    return {
        "1": node("EmptyImage", width=width, height=height, batch_size=count, color=0x808080),
        "2": node("EmptyAudio", duration=0.5, sample_rate=8000, channels=1),
        "3": node("CreateVideo", images=["1", 0], fps=8.0, audio=["2", 0]),
    }


def run(prompt: Any, *targets: str, **options: Any) -> Any:
    return weft.run(prompt, targets=targets, device="cpu", **options)


PNG = {bits: {"format.bit_depth": bits, "format.input_color_space": "sRGB"} for bits in ("8-bit", "16-bit")}
EXR = {"format.bit_depth": "32-bit float", "format.input_color_space": "HDR"}
WRITERS = {
    "SaveVideo": (
        node("SaveVideo", video=["3", 0], filename_prefix="v/%width%", format="auto", codec="auto"),
        "v/32_00001_.mp4",
    ),
    "SaveWEBM": (
        node("SaveWEBM", images=["1", 0], filename_prefix="v/w", codec="vp9", fps=8.0, crf=32.0),
        "v/w_00001_.webm",
    ),
    "SaveImageAdvanced 8": (
        node("SaveImageAdvanced", images=["1", 0], filename_prefix="v/i", format="png", **PNG["8-bit"]),
        "v/i_00001_.png",
    ),
    "SaveImageAdvanced 16": (
        node("SaveImageAdvanced", images=["1", 0], filename_prefix="v/i", format="png", **PNG["16-bit"]),
        "v/i_00001_.png",
    ),
    "SaveImageAdvanced exr": (
        node("SaveImageAdvanced", images=["1", 0], filename_prefix="v/i", format="exr", **EXR),
        "v/i_00001_.exr",
    ),
    "SaveAudio": (node("SaveAudio", audio=["2", 0], filename_prefix="a/x"), "a/x_00001_.flac"),
    "SaveAudioMP3": (node("SaveAudioMP3", audio=["2", 0], filename_prefix="a/x", quality="V0"), "a/x_00001_.mp3"),
    "SaveAudioOpus": (node("SaveAudioOpus", audio=["2", 0], filename_prefix="a/x", quality="64k"), "a/x_00001_.opus"),
    "SaveAudioAdvanced": (
        node("SaveAudioAdvanced", audio=["2", 0], filename_prefix="a/x", format="opus", **{"format.quality": "96k"}),
        "a/x_00001_.opus",
    ),
}


@pytest.mark.parametrize("class_type", WRITERS)
def test_what_it_wrote_runs(class_type: str, tmp_path: Path) -> None:
    """The file carries the workflow that made it, and that makes the same file."""
    saver, name = WRITERS[class_type]
    prompt = film(count=1 if "Image" in class_type else 3) | {"9": saver}
    result = run(prompt, output=tmp_path / "a")
    (file,) = map(Path, result.files)
    assert file == tmp_path / "a" / name
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    found = read(file)
    assert found.prompt is not None
    assert found.prompt["9"]["inputs"] == saver["inputs"]
    assert found.made is not None
    shown = {"filename": file.name, "subfolder": name[0], "type": "output"}
    kind = "audio" if "Audio" in class_type else "images"
    assert result.ui["9"][kind] == [shown]
    (again,) = run(file, output=tmp_path / "b").files
    assert Path(again).read_bytes() == file.read_bytes()


def test_the_editors_workflow_is_carried(tmp_path: Path, make_context: Any) -> None:
    from fractions import Fraction

    from weft.nodes.core.video import SaveVideo
    from weft.nodes.diffusion.values.video import VideoComponents, VideoFromComponents

    context = make_context()
    video = VideoFromComponents(VideoComponents(torch.zeros(1, 16, 16, 3), Fraction(8)))
    SaveVideo(
        video=video,
        filename_prefix="x",
        format="mp4",
        codec="h264",
        prompt={"1": {}},
        extra_pnginfo={"workflow": WORKFLOW},
        context=context,
    )
    found = read(context.files[0])
    assert (found.prompt, found.workflow) == ({"1": {}}, WORKFLOW)


def test_a_video_is_read_and_taken_apart(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (file,) = run(film() | {"9": WRITERS["SaveVideo"][0]}, output=tmp_path / "out").files
    (tmp_path / "in" / "film.mp4").write_bytes(Path(file).read_bytes())
    prompt = {
        "1": node("LoadVideo", file="film.mp4"),
        "2": node("Video Slice", video=["1", 0], start_time=0.125, duration=0.25, strict_duration=True),
        "3": node("GetVideoComponents", video=["2", 0]),
        "4": node("LoadAudio", audio="film.mp4"),
    }
    result = run(prompt, "3", "4", input=tmp_path / "in")
    images, audio, fps = result["3"]
    assert images.shape == (2, 16, 32, 3)
    assert (images - 128 / 255).abs().max() < 0.02
    assert (audio["waveform"].shape[-1], audio["sample_rate"], fps) == (2000, 8000, 8.0)
    assert result["4"][0]["sample_rate"] == 8000


def test_each_sound_of_a_batch_is_a_file(tmp_path: Path, make_context: Any) -> None:
    from weft.nodes.core.audio import PreviewAudio, SaveAudio

    context = make_context()
    batch = {"waveform": torch.zeros(3, 1, 100), "sample_rate": 8000}
    SaveAudio(audio=batch, filename_prefix="s%batch_num%", prompt={}, extra_pnginfo={}, context=context)
    assert [file.name for file in context.files] == ["s0_00001_.flac", "s1_00002_.flac", "s2_00003_.flac"]
    shown = PreviewAudio(audio=batch, prompt={}, extra_pnginfo={}, context=make_context())
    assert [each["type"] for each in shown["audio"]] == ["temp"] * 3


def test_what_is_left_out_is_said(make_context: Any) -> None:
    from weft.nodes.core.video import CreateVideo

    context = make_context()
    CreateVideo(images=torch.zeros(1, 16, 16, 4), fps=8.0, context=context)
    assert list(context.said) == ["the pictures are transparent, and the video is not: their alpha channel is left out"]


FAILS = {
    "odd": (
        {"1": node("EmptyImage", width=15, height=16, batch_size=1, color=0), "9": WRITERS["SaveVideo"][0]},
        "pictures of 15x16 cannot be a video in H.264: width and height must be even",
    ),
    "no such stretch": (
        {"4": node("Video Slice", video=["3", 0], start_time=5.0, duration=1.0, strict_duration=False)}
        | {"9": node("SaveVideo", video=["4", 0], filename_prefix="x", format="auto", codec="auto")},
        "a video of 0.375 s has no stretch of 1.0 s from 5.0 s on: it must start inside",
    ),
    "no microphone": (
        {"2": node("RecordAudio", audio=""), "9": node("PreviewAudio", audio=["2", 0])},
        "there is no microphone here",
    ),
}


@pytest.mark.parametrize("name", FAILS)
def test_what_cannot_be_done_leaves_nothing(name: str, tmp_path: Path) -> None:
    changed, message = FAILS[name]
    with pytest.raises(NodeError, match=message):
        run(film() | changed, output=tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_video_without_a_sound_has_none_to_save(tmp_path: Path) -> None:
    silent = film() | {"3": node("CreateVideo", images=["1", 0], fps=8.0)}
    prompt = silent | {"4": node("GetVideoComponents", video=["3", 0]), "9": node("PreviewAudio", audio=["4", 1])}
    with pytest.raises(NodeError, match="there is no sound: .* such as a video without a sound track"):
        run(prompt, output=tmp_path)


def test_no_video_is_said_by_the_node_that_loads_it(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_text(json.dumps("text"))
    prompt = {"1": node("LoadVideo", file="x.mp4"), "2": node("GetVideoComponents", video=["1", 0])}
    with pytest.raises(NodeError, match=r"x.mp4 cannot be read as a video") as caught:
        run(prompt, "2", input=tmp_path)
    assert caught.value.node_id == "1"


def test_a_video_is_not_kept_on_a_disk_and_made_again(tmp_path: Path) -> None:
    """A cache on disk has no form for it; what is computed of it is kept."""
    prompt = film() | {"4": node("GetVideoComponents", video=["3", 0]), "9": WRITERS["SaveVideo"][0]}
    for _ in range(2):
        result = run(prompt, "4", "9", output=tmp_path / "out", cache=weft.DiskCache(tmp_path / "cache"))
        assert result["4"][0].shape == (3, 16, 32, 3)
        assert len(result.files) == 1


@pytest.mark.parametrize(("added", "left"), [(["auto"], 0), ([8, "sRGB", "none"], 0), (["h265"], 1)])
def test_widgets_of_newer_versions_are_told_of_where_they_mean_something(added: list[Any], left: int) -> None:
    save = {
        "nodes": [
            {
                "id": number,
                "type": class_type,
                "inputs": [{"name": name, "type": name.upper(), "link": link}],
                "outputs": [{"name": name, "type": "*", "links": [number + 1]}],
                "widgets_values": values,
            }
            for number, class_type, name, link, values in (
                (1, "EmptyImage", "image", None, [16, 16, 1, 0]),
                (2, "CreateVideo", "images", 2, [24, *added] if not left else [24]),
                (3, "SaveVideo", "video", 3, ["x", "auto", "auto", *added]),
            )
        ],
        "links": [[2, 1, 0, 2, 0, "IMAGE"], [3, 2, 0, 3, 0, "VIDEO"]],
        "version": 0.4,
    }
    made, notes = weft.Session().convert(save, "api")
    assert made["3"]["inputs"] == {"filename_prefix": "x", "format": "auto", "codec": "auto", "video": ["2", 0]}
    assert [note.code for note in notes] == ["values_left_out"] * left


def test_a_video_that_was_saved_is_passed_on(tmp_path: Path) -> None:
    """As newer versions of ComfyUI do; and what those give CreateVideo more is let be."""
    prompt = film() | {"9": WRITERS["SaveVideo"][0], "10": node("GetVideoComponents", video=["9", 0])}
    prompt["3"]["inputs"]["bit_depth"] = ["11", 0]
    prompt["11"] = node("PrimitiveInt", value=8)
    assert run(prompt, "10", output=tmp_path)["10"][2] == 8.0


def test_a_run_that_is_cancelled_while_it_writes_leaves_nothing(tmp_path: Path) -> None:
    token = weft.CancelToken()

    def watch(event: Any) -> None:
        if type(event).__name__ == "Progress" and event.value == 2:
            token.cancel("enough")

    for name in ("SaveVideo", "SaveWEBM"):
        with pytest.raises(Interrupted):
            run(film() | {"9": WRITERS[name][0]}, output=tmp_path, observers=[watch], cancel=token)
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
        token = weft.CancelToken()
