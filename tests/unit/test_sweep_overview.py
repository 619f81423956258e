"""What a sweep shows of itself: where cells stand on a sheet, the page, the animation."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from weft.cli import main
from weft.engine.sweeping.axes import Point, SweepAxis
from weft.engine.sweeping.layout import frames, sheets
from weft.engine.sweeping.pictures import SheetTile

PROMPT: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 40, "height": 30, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
}


def axis(name: str, *labels: str) -> SweepAxis:
    return SweepAxis(name, tuple(Point(label, {name: label}) for label in labels), {name: (name,)})


def tiles(axes: Sequence[SweepAxis]) -> dict[tuple[int, ...], SheetTile]:
    found: dict[tuple[int, ...], SheetTile] = {(): SheetTile()}
    for each in axes:
        found = {
            (*at, n): SheetTile(text=tile.text + point.label)
            for at, tile in found.items()
            for n, point in enumerate(each.points)
        }
    return found


def test_the_last_axis_stands_across_and_the_one_before_it_down() -> None:
    axes = [axis("5.mode", "x", "y"), axis("5.cfg", "1", "2.5"), axis("5.steps", "7", "8", "9")]
    ((first, second),) = sheets(axes, tiles(axes))
    assert (first.heading, second.heading) == ("x", "y")
    assert first.columns == ("steps 7", "steps 8", "steps 9")
    assert first.rows == ("cfg 1", "cfg 2.5")
    assert [[tile.text for tile in row] for row in second.tiles] == [["y17", "y18", "y19"], ["y2.57", "y2.58", "y2.59"]]


def test_a_single_axis_is_read_like_a_page() -> None:
    axes = [axis("5.mode", "x"), axis("5.steps", *map(str, range(21)))]
    ((block,),) = sheets(axes, tiles(axes))
    assert [len(row) for row in block.tiles] == [7, 7, 7]
    assert [tile.caption for tile in block.tiles[0]] == [f"steps {n}" for n in range(7)]
    assert not block.columns and not block.rows


def test_many_cells_take_several_sheets() -> None:
    axes = [axis("5.seed", *map(str, range(6_000)))]
    drawn = sheets(axes, tiles(axes))
    assert [sum(len(row) for row in block.tiles) for (block,) in drawn] == [2_500, 2_500, 1_000]
    axes = [axis("a.a", "1", "2", "3"), axis("a.b", *map(str, range(30))), axis("a.c", *map(str, range(40)))]
    assert [len(blocks) for blocks in sheets(axes, tiles(axes))] == [2, 1]


def test_a_frame_is_a_sheet_of_the_other_axes() -> None:
    axes = [axis("5.cfg", "1", "2"), axis("5.steps", "7", "8", "9")]
    drawn = frames(axes, 1, tiles(axes))
    assert [[tile.text for tile in block.tiles[0]] for (block,) in drawn] == [["17", "27"], ["18", "28"], ["19", "29"]]
    alone = [axis("5.steps", "7", "8")]
    assert [block.tiles for (block,) in frames(alone, 0, tiles(alone))] == [
        ((SheetTile(text="7"),),),
        ((SheetTile(text="8"),),),
    ]


def run(folder: Path, *arguments: str, code: int = 0) -> Path:
    (folder / "w.json").write_text(json.dumps(PROMPT))
    assert main(["sweep", "w.json", "--output", "out", "--quiet", *arguments]) == code
    return folder / "out"


def data_of(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="sweep">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_a_sheet_shows_each_cell_where_its_labels_say(sandbox: Path) -> None:
    out = run(sandbox, "--grid", "1.color=255,65280", "--grid", "1.width=20,40")
    with Image.open(out / "sheet.png") as sheet:
        colors = sheet.convert("RGB").getcolors(1 << 20)
        assert colors is not None
        # 20 and 40 pixels wide, 30 high: nothing is made larger or smaller.
        assert {color: count for count, color in colors if color in ((0, 0, 255), (0, 255, 0))} == {
            (0, 0, 255): 60 * 30,
            (0, 255, 0): 60 * 30,
        }


def test_large_pictures_are_made_smaller(sandbox: Path) -> None:
    out = run(sandbox, "--grid", "1.width=1024,16", "--set", "1.height=2048")
    with Image.open(out / "sheet.png") as sheet:
        assert 512 < sheet.height < 640
        assert 2 * 256 < sheet.width < 640


def test_a_failed_cell_has_its_place_on_the_sheet_and_the_page(sandbox: Path) -> None:
    out = run(sandbox, "--grid", "1.width=0,40", "--keep-going", code=1)
    with Image.open(out / "sheet.png") as sheet:
        assert (236, 236, 236) in {color for _, color in sheet.convert("RGB").getcolors(1 << 20) or ()}
    failed, done = data_of(out / "index.html")["cells"]
    assert (failed["status"], failed["pictures"], done["pictures"]) == (
        "failed",
        [],
        [[0, "a_002_width-40_00001_.png"]],
    )
    assert "smaller than min" in failed["error"]


def test_the_page_has_each_picture_once_and_asks_for_nothing_outside(sandbox: Path) -> None:
    out = run(sandbox, "--grid", "2.filename_prefix=</script><b>,two,three", "--grid", "1.color=1,2")
    page = (out / "index.html").read_text()
    data = data_of(out / "index.html")
    assert len(data["cells"]) == 6
    assert len(data["pictures"]) == 2
    assert all(picture.startswith("data:image/webp;base64,") for picture in data["pictures"])
    assert data["cells"][0]["parameters"]["2.filename_prefix"] == "</script><b>"
    assert "default-src 'none'" in page
    assert not re.search(r"https?:|src=\"(?!data:)|<b>", page)


@pytest.mark.parametrize("suffix", ["webp", "gif", "png"])
def test_an_axis_can_be_the_time(sandbox: Path, suffix: str) -> None:
    out = run(
        sandbox,
        "--grid",
        "1.color=255,65280,16711680",
        "--animate",
        "1.color",
        "--animation",
        f"m.{suffix}",
        "--fps",
        "10",
    )
    with Image.open(out / f"m.{suffix}") as moving:
        assert moving.n_frames == 3
        assert moving.size == (40, 30), "a frame of one picture is this picture"
        seen = []
        for number in range(3):
            moving.seek(number)
            seen.append(moving.convert("RGB").getpixel((5, 5)))
            assert moving.info["duration"] == 100
    assert seen == [(0, 0, 255), (0, 255, 0), (255, 0, 0)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--animate", "1.colour"], "no axis '1.colour' to animate (did you mean '1.color'?)"),
        (["--animate", "1.color", "--animation", "a.mp4"], "is no file of the sweep's folder"),
        (["--animate", "1.color", "--animation", "../a.gif"], "is no file of the sweep's folder"),
    ],
)
def test_what_cannot_be_animated_is_said_before_anything_runs(
    sandbox: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    run(sandbox, "--grid", "1.color=1,2", *arguments, code=2)
    assert message in capsys.readouterr().err
    assert not (sandbox / "out").exists()


def test_sheets_of_an_earlier_larger_sweep_go(sandbox: Path) -> None:
    out = run(sandbox, "--grid", "1.color=1,2")
    (out / "sheet_2.png").touch()
    run(sandbox, "--grid", "1.color=1,2")
    assert not (out / "sheet_2.png").exists()
