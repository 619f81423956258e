"""`weft render`: the formats, what is drawn, where it goes; with a run, the pictures that came of it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import weft
from weft.cli import main
from weft.engine.drawing.mermaid import mermaid
from weft.engine.drawing.page import page
from weft.engine.drawing.scene import Area, DrawnLink, DrawnNode, DrawnSlot, DrawnWidget, Form, Scene

WORKFLOW = Path(__file__).resolve().parents[2] / "workflows" / "txt2img.json"
PICTURES: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 96, "height": 64, "batch_size": 2, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "blue"}},
    "3": {"class_type": "ImageScale", "inputs": {"image": ["1", 0], "upscale_method": "area", "width": 32, "height": 32,
                                                 "crop": "disabled"}},
    "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def images(file: Path) -> list[str]:
    """The node ids of the pictures in a drawing."""
    found = []
    for each in ET.parse(file).iter():
        if each.get("data-id"):
            found += [str(each.get("data-id")) for inner in each.iter() if inner.tag.endswith("}image")]
    return found


def test_the_ending_says_the_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.svg", "b.png", "c.html", "d.md"):
        assert main(["render", str(WORKFLOW), "-o", name]) == 0
        assert capsys.readouterr() == (f"{name}\n", "")
    assert ET.parse("a.svg").getroot().tag.endswith("svg")
    assert Path("c.html").read_text().startswith("<!DOCTYPE html>")
    assert "```mermaid\nflowchart LR\n" in Path("d.md").read_text()
    width, height = re.findall(r' (?:width|height)="(\d+)"', Path("a.svg").read_text())[:2]
    with Image.open("b.png") as picture:
        assert picture.size == (int(width), int(height))
        assert len(picture.convert("RGB").getcolors(1 << 20) or ()) > 50  # letters are drawn, not only boxes


def test_a_png_has_the_scale_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = []
    for scale in ("0.5", "1"):
        assert main(["render", str(WORKFLOW), "-o", "a.png", "--scale", scale]) == 0
        with Image.open("a.png") as picture:
            sizes.append(picture.size)
    assert sizes[1][0] == pytest.approx(2 * sizes[0][0], abs=1)
    assert main(["render", str(WORKFLOW), "-o", "b.png", "--scale", "19"]) == 2
    assert re.search(r"pixels \(at most [\d.]+ draws this workflow\)", capsys.readouterr().err)
    assert not Path("b.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "where to, and in which format?"),
        (["-o", "a.pgn"], "did you mean 'png'?"),
        (["--format", "gif"], "--format gif: expected svg, png, html, md"),
        (["--format", "svg", "--json"], "the drawing goes into a file"),
        (["-o", "a.svg", "--scale", "2"], "--scale is about png"),
        (["-o", "a.png", "--auto"], "--auto leaves it to the reader"),
        (["-o", "a.svg", "--all-pictures"], "--all-pictures needs --run"),
        (["-o", "no/a.svg"], "cannot write no/a.svg: No such file or directory"),
        (["-o", "a.svg", "--set", "5.stepz=3"], "stepz"),
    ],
)
def test_bad_arguments_get_a_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(WORKFLOW), *arguments]) == 2
    told = capsys.readouterr()
    assert said in told.out + told.err and not list(Path().iterdir())


def test_on_stdout_is_the_drawing_alone(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["render", str(WORKFLOW), "--format", "svg", "--light"]) == 0
    text = capfdbinary.readouterr().out
    ET.fromstring(text)
    assert b"#eeeeee" in text
    assert main(["render", str(WORKFLOW), "-o", "-", "--format", "png"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"\x89PNG")


def test_json_says_what_was_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(WORKFLOW), "-o", "a.svg", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"status": "done", "file": "a.svg", "format": "svg", "nodes": 8, "links": 9, "notes": []}


def test_what_is_changed_is_drawn_so_in_the_workflows_own_places(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(WORKFLOW), "-o", "a.svg"]) == 0
    assert main(["render", str(WORKFLOW), "-o", "b.svg", "--set", "KSampler.steps=33", "--seed", "99"]) == 0
    before, after = Path("a.svg").read_text().splitlines(), Path("b.svg").read_text().splitlines()
    assert len(before) == len(after)
    (changed,) = [line for old, line in zip(before, after, strict=True) if old != line]
    assert ">33</text>" in changed and ">99</text>" in changed


def test_a_prompt_has_only_what_is_sent() -> None:
    assert main(["render", str(WORKFLOW), "-o", "a.svg", "--prompt"]) == 0
    assert sum(each.get("data-id") is not None for each in ET.parse("a.svg").iter()) == 7  # the note is gone
    assert main(["render", str(WORKFLOW), "-o", "a.svg", "--only", "positive"]) == 0
    nodes = [each.get("data-id") for each in ET.parse("a.svg").iter() if each.get("data-id")]
    assert sorted(map(str, nodes)) == ["1", "2"]


def test_pictures_of_a_run_stand_in_their_nodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("w.json").write_text(json.dumps(PICTURES))
    shared = ["--run", "--no-cache", "--output", "out", "--quiet"]
    assert main(["render", "w.json", "-o", "a.svg", *shared]) == 0
    told = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert told == ["blue_00001_.png", "blue_00002_.png", "a.svg"]
    assert images(Path("a.svg")) == ["2", "2", "4", "4"]
    assert main(["render", "w.json", "-o", "b.svg", "--all-pictures", *shared]) == 0
    assert images(Path("b.svg")) == ["1", "1", "2", "2", "3", "3", "4", "4"]


def test_a_node_that_fails_is_marked_and_the_exit_code_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    Path("input").mkdir()
    Path("input/bad.png").write_bytes(b"no picture")
    broken = {**PICTURES, "5": {"class_type": "LoadImage", "inputs": {"image": "bad.png"}},
              "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "x"}}}  # fmt: skip
    Path("w.json").write_text(json.dumps(broken))
    assert main(["render", "w.json", "-o", "a.svg", "--run", "--no-cache", "--quiet"]) == 1
    (failed,) = [each for each in ET.parse("a.svg").iter() if "is-failed" in each.get("class", "").split()][:1]
    assert failed.get("data-id") == "5"


def test_from_python() -> None:
    drawn = weft.render(
        WORKFLOW, "html", {"5.cfg": 8.5}, theme="light", marks={"5": "changed", ("5", "cfg"): ("added", "x")}
    )
    assert b">8.5</text>" in drawn and b"<title>txt2img.json</title>" in drawn and b"is-changed" in drawn
    assert weft.render(WORKFLOW, "png", scale=0.2).startswith(b"\x89PNG")
    prompt = weft.render(json.dumps(PICTURES), as_prompt=True)
    assert prompt == weft.render(PICTURES) and b"EmptyImage" in prompt
    for bad, said in (
        ({"to": "gif"}, "to='gif'"),
        ({"theme": "lite"}, "light"),
        ({"marks": {"5": "chnged"}}, "'changed'"),
    ):
        with pytest.raises(weft.WeftError, match=said):
            weft.render(WORKFLOW, **bad)


# The page and the flowchart


def test_a_page_asks_for_nothing_outside(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render", str(WORKFLOW), "-o", "a.html"]) == 0
    text = Path("a.html").read_text()
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in text and " src=" not in text and "@import" not in text
    for name in ("fit", "in", "out", "find", "tip"):
        assert f'id="{name}"' in text


def test_a_page_of_five_hundred_nodes_is_small() -> None:
    widgets = tuple(DrawnWidget(f"value_{number}", "0.123456") for number in range(4))
    slots = tuple(
        DrawnSlot(name, kind) for name, kind in (("model", "MODEL"), ("latent", "LATENT"), ("positive", "CONDITIONING"))
    )
    nodes = {
        str(n): DrawnNode(
            (str(n),), f"KSampler {n}", "KSampler", Area(n % 25 * 300, n // 25 * 300, 210, 200), slots, slots, widgets
        )
        for n in range(500)
    }
    links = tuple(DrawnLink(str(n), 0, str(n + 1), 0, "MODEL") for n in range(499))
    assert len(page(Scene(nodes, links)).encode()) < 400_000


def test_a_flowchart_escapes_whatever_a_text_holds() -> None:
    bad = '"]; end %% `x` <b>&amp; #35; --> | {{ 漢 \n 😀'
    node = DrawnNode(("a:1",), bad, "X", outputs=(DrawnSlot("", "MODEL"),), widgets=(DrawnWidget("text", bad),))
    other = DrawnNode(("a_1",), "note", "", inputs=(DrawnSlot("m", "MODEL"),), form=Form.BOX)
    text = mermaid(Scene({"a:1": node, "a_1": other}, (DrawnLink("a:1", 0, "a_1", 0, bad),)))
    assert text.splitlines()[0] == "flowchart LR"
    labels = re.findall(r'"([^"]*)"', text)
    assert len(labels) == 3 and text.count('"') == 6
    assert not set("".join(labels).replace("<br/>", "")) & set("<>&`{}[]|%\n")
    assert "n_" not in text and "na_1[" in text and "na_1_2[" in text


def test_a_flowchart_that_mermaid_would_not_draw_gets_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    clip = {"1": {"class_type": "CLIPLoader", "inputs": {}}}
    texts = {str(n): {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 0], "text": "x"}} for n in range(2, 503)}
    Path("w.json").write_text(json.dumps(clip | texts))
    assert main(["render", "w.json", "-o", "a.md"]) == 0
    assert "maxEdges" in capsys.readouterr().err
