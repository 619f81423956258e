"""`weft sweep`: cells, names of files, the index, and going on where it was stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from weft.cli import main
from weft.engine.locks import locked

PROMPT: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "sub/a"}},
}
TWO_SAVES = {**PROMPT, "4": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "sub/b"}}}


def size_of(file: Path) -> tuple[int, int]:
    with Image.open(file) as picture:
        return picture.size


class Home:
    """An empty folder with a workflow; sweeps go to `out`."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        self.write(PROMPT)

    def write(self, prompt: Mapping[str, Any]) -> None:
        (self.folder / "w.json").write_text(json.dumps(prompt))

    def weft(self, *arguments: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = main(["sweep", "w.json", "--output", "out", *arguments])
        return (code, *self.capsys.readouterr())

    def sweep(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        """The cells of a sweep, in the asked order, as --json tells them."""
        ended, out, err = self.weft("--json", *arguments)
        assert ended == code, out + err
        document = json.loads(out)
        assert self.index == document["cells"]
        cells: list[dict[str, Any]] = document["cells"]
        return cells

    @property
    def index(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "out" / "index.jsonl").read_text().splitlines()]

    def pictures(self) -> list[str]:
        return sorted(file.relative_to(self.folder / "out").as_posix() for file in self.folder.rglob("out/**/*_.png"))


@pytest.fixture
def home(sandbox: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return Home(sandbox, capsys)


def test_each_value_goes_with_each_of_the_others(home: Home) -> None:
    cells = home.sweep("--grid", "1.width=8,16", "--grid", "EmptyImage.color=1..2")
    assert [cell["parameters"] for cell in cells] == [
        {"1.width": 8, "EmptyImage.color": 1},
        {"1.width": 8, "EmptyImage.color": 2},
        {"1.width": 16, "EmptyImage.color": 1},
        {"1.width": 16, "EmptyImage.color": 2},
    ]
    assert home.pictures() == sorted(name for cell in cells for name in cell["files"])
    assert cells[2]["files"] == ["sub/a_003_width-16_color-1_00001_.png"]
    assert {cell["status"] for cell in cells} == {"done"}


def test_one_axis_sets_several_inputs(home: Home) -> None:
    for arguments in (["--grid", "1.width,1.height=8,16"], ["--column", "s=1.width,1.height", "--grid", "s=8,16"]):
        _, out, _ = home.weft("--json", *arguments)
        files = [Path(home.folder / "out" / cell["files"][0]) for cell in json.loads(out)["cells"]]
        assert [size_of(file) for file in files] == [(8, 8), (16, 16)]
    assert files[1].name == "a_002_width-16_00001_.png", "what was there is not made again for another name of a column"


def test_zipped_columns_and_rows(home: Home) -> None:
    (home.folder / "rows.csv").write_text("filename,c\nred/one,1\ntwo,\n")
    cells = home.sweep("--csv", "rows.csv", "--column", "c=1.color", "--zip", "1.width=8,16", "--zip", "1.height=16,8")
    assert [cell["parameters"] for cell in cells] == [
        {"filename": "red/one", "c": 1, "1.width": 8, "1.height": 16},
        {"filename": "red/one", "c": 1, "1.width": 16, "1.height": 8},
        {"filename": "two", "1.width": 8, "1.height": 16},
        {"filename": "two", "1.width": 16, "1.height": 8},
    ]
    assert cells[0]["files"] == ["red/one_width-8_height-16_00001_.png"]
    assert cells[3]["place"] == "rows.csv:3"


def test_files_of_a_row_are_called_as_it_says(home: Home) -> None:
    (home.folder / "rows.jsonl").write_text('{"filename": "x/one", "1.color": 5}\n{"1.color": 6}\n')
    assert [cell["files"] for cell in home.sweep("--jsonl", "rows.jsonl")] == [
        ["x/one_00001_.png"],
        ["sub/a_002_color-6_00001_.png"],
    ]
    home.write(TWO_SAVES)
    files = home.sweep("--jsonl", "rows.jsonl")[0]["files"]
    assert sorted(files) == ["x/one_a_00001_.png", "x/one_b_00001_.png"]


def test_rows_may_say_nothing_but_what_their_files_are_called(home: Home) -> None:
    (home.folder / "rows.csv").write_text("filename\n" + "".join(f"{number}\n" for number in range(12)))
    cells = home.sweep("--csv", "rows.csv")
    assert [cell["files"] for cell in cells] == [[f"{number}_00001_.png"] for number in range(12)]
    assert [cell["cached"] for cell in cells] == [False] + [True] * 11, "nothing but writing is done again"


def test_a_prefix_that_an_axis_sets_is_as_it_says(home: Home) -> None:
    cells = home.sweep("--grid", "3.filename_prefix=one,two")
    assert [cell["files"] for cell in cells] == [["one_00001_.png"], ["two_00001_.png"]]
    assert [cell["cached"] for cell in cells] == [False, True], "nothing but writing differs"


def test_what_has_finished_is_not_run_again(home: Home) -> None:
    home.sweep("--grid", "1.color=1..3")
    assert home.weft("--grid", "1.color=1..3")[2].startswith("3 cells, 3 finished before, 0 model calls, into")
    assert len(home.pictures()) == 3
    (home.folder / "out" / home.index[1]["files"][0]).unlink()
    damaged = home.folder / "out" / home.index[2]["files"][0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert "4 cells, 1 finished before" in home.weft("--grid", "1.color=1..4")[2]
    cells = home.sweep("--grid", "1.color=0..4")
    assert [cell["parameters"]["1.color"] for cell in cells] == [0, 1, 2, 3, 4]
    assert home.sweep("--grid", "1.color=0..4") == cells
    assert "tells no longer of 5 cells" in home.weft("--grid", "1.color=0..4", "--set", "1.width=16")[2]


def test_no_other_sweep_writes_there_meanwhile(home: Home) -> None:
    """The last one to end would write an index without the cells of the other."""
    cells = home.sweep("--grid", "1.color=1..2")
    with locked(home.folder / "out"):
        code, _, err = home.weft("--grid", "1.color=3..4")
        assert (code, "another sweep is writing into" in err) == (2, True)
        assert home.weft("--grid", "1.color=3..4", "--dry-run")[0] == 0
    assert home.index == cells
    assert len(home.sweep("--grid", "1.color=3..4")) == 2


def test_a_changed_workflow_is_another_sweep(home: Home) -> None:
    home.sweep("--grid", "1.color=1..2")
    home.write({**PROMPT, "1": {**PROMPT["1"], "inputs": {**PROMPT["1"]["inputs"], "height": 16}}})
    assert "2 cells, 0 model calls, into" in home.weft("--grid", "1.color=1..2")[2]


def test_a_last_line_that_is_cut_off_is_a_cell_that_did_not_finish(home: Home) -> None:
    home.sweep("--grid", "1.color=1..3")
    index = home.folder / "out" / "index.jsonl"
    index.write_bytes(index.read_bytes()[:-20])
    assert home.weft("--grid", "1.color=1..3")[2].startswith("3 cells, 2 finished before")
    assert len(home.index) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "a sweep needs an axis"),
        (["--grid", "1.colour=1"], 2, "did you mean 'color'?"),
        (["--grid", "EmtpyImage.color=1"], 2, "did you mean 'EmptyImage'?"),
        (["--grid", "1.width=8,x"], 2, "1.width: expected INT, got 'x'"),
        (["--grid", "1.width=0,8,0..1"], 2, "twice"),
        (["--grid", "1.width=0,8"], 3, "cell 1 (1.width=0): invalid workflow"),
        (["--grid", "1.width=8", "--grid", "EmptyImage.width=8"], 2, "1.width is set by two columns"),
        (["--grid", "1.width=0..999", "--grid", "1.height=0..999"], 2, "1,000,000 cells"),
        (["--grid", "1.width=8", "--seed", "increment"], 2, "make it an axis"),
        (["--csv", "bad.csv"], 2, "bad.csv:3: 1.width: expected INT, got 'wide'"),
        (
            ["--csv", "unknown.csv"],
            2,
            "unknown.csv:2: node 1 (EmptyImage) has no input 'widht' (did you mean 'width'?)",
        ),
        (["--csv", "outside.csv"], 3, "cell 1 (outside.csv:2)"),
    ],
)
def test_all_is_checked_before_anything_runs(home: Home, arguments: list[str], code: int, message: str) -> None:
    (home.folder / "bad.csv").write_text("1.width\n8\nwide\n")
    (home.folder / "unknown.csv").write_text("1.widht\n8\n")
    (home.folder / "outside.csv").write_text("filename,1.width\n../x,8\n")
    ended, out, err = home.weft(*arguments)
    assert (ended, out) == (code, "")
    assert message in err
    assert not (home.folder / "out").exists()


def test_keep_going_runs_what_can_run(home: Home) -> None:
    cells = home.sweep("--grid", "1.width=0,8,16", "--keep-going", code=1)
    assert [cell["status"] for cell in cells] == ["failed", "done", "done"]
    assert "Value 0 smaller than min of 1" in cells[0]["error"]
    assert len(home.pictures()) == 2
    assert [line[:5] for line in home.weft("--grid", "1.width=0,8,16,24", "--keep-going")[2].splitlines()[1::2]] == [
        "[1/2]",
        "[2/2]",
    ]


def test_dry_run_runs_nothing(home: Home) -> None:
    code, out, _ = home.weft("--grid", "1.width=8,16", "--dry-run")
    assert code == 0
    assert out.splitlines() == [
        "waiting    1  1.width=8",
        "waiting    2  1.width=16",
        "2 cells, 2 to run, 0 model calls",
    ]
    assert not (home.folder / "out").exists()


def test_cells_that_share_the_dearest_run_in_a_row(home: Home) -> None:
    code, out, _ = home.weft("--grid", "3.filename_prefix=a,b", "--grid", "1.width=8,16", "--dry-run", "--json")
    assert code == 0
    assert [cell["cell"] for cell in json.loads(out)["cells"]] == [1, 3, 2, 4]
    code, out, _ = home.weft("--grid", "3.filename_prefix=a,b", "--grid", "1.width=8,16", "--json")
    assert [cell["cell"] for cell in json.loads(out)["cells"]] == [1, 2, 3, 4]


def test_events_tell_of_cells(home: Home) -> None:
    code, out, err = home.weft("--grid", "1.width=8,16", "--events")
    assert (code, err) == (0, "")
    told = [json.loads(line) for line in out.splitlines()]
    names = [event["event"] for event in told]
    assert names.count("CellStarted") == names.count("CellFinished") == names.count("RunFinished") == 2
    assert told[0] == {"event": "CellStarted", "cell": 1, "parameters": {"1.width": 8}}
    assert told[-1]["event"] == "SweepFinished"
    assert [cell["cell"] for cell in told[-1]["cells"]] == [1, 2]


def test_several_at_once(home: Home) -> None:
    """The same cells and files; what ran so says it, and is run again where nobody asks for batches."""
    alone = home.sweep("--grid", "1.width=8,16,24", "--grid", "1.color=1,2")
    before = home.pictures()
    assert home.sweep("--grid", "1.width=8,16,24", "--grid", "1.color=1,2", "--batch", "4") == alone
    home.write(TWO_SAVES)
    batched = home.sweep("--grid", "1.width=8,16,24", "--grid", "1.color=1,2", "--batch", "4")
    assert len(home.pictures()) == len(before) + 12
    assert [cell["parameters"] for cell in batched] == [cell["parameters"] for cell in alone]
    assert all(cell["batched"] for cell in batched)
    assert not any("batched" in cell for cell in home.sweep("--grid", "1.width=8,16,24", "--grid", "1.color=1,2"))


def test_events_of_several_at_once_say_whose_they_are(home: Home) -> None:
    code, out, _ = home.weft("--grid", "1.width=8,16", "--set", "1.color=1", "--events", "--batch", "2")
    assert code == 0
    whose, saved = 0, []
    for event in map(json.loads, out.splitlines()):
        whose = event["cell"] if event["event"] in ("CellStarted", "CellResumed") else whose
        if event["event"] == "RunFinished":
            saved.append((whose, event["files"][0].partition("_00")[2][:1]))
    assert saved == [(1, "1"), (2, "2")]


def test_one_that_fails_among_several(home: Home) -> None:
    home.write({**PROMPT, "2": {"class_type": "LoadImage", "inputs": {"image": "x.png"}}})
    (home.folder / "input").mkdir()
    for name, size in (("x", 8), ("y", 9)):
        Image.new("RGB", (size, size)).save(home.folder / "input" / f"{name}.png")
    (home.folder / "input" / "bad.png").write_bytes(b"no picture")
    grid = ("--grid", "2.image=x.png,bad.png,y.png", "--batch", "3")
    cells = home.sweep(*grid, "--keep-going", code=1)
    assert [cell["status"] for cell in cells] == ["done", "failed", "done"]
    code, _, err = home.weft(*grid)
    assert code == 1
    assert "bad.png" in err


def test_dry_run_says_how_many_calls_may_be_one(home: Home) -> None:
    (home.folder / "models" / "checkpoints").mkdir(parents=True)
    (home.folder / "models" / "checkpoints" / "c.safetensors").touch()
    sampler = {
        "model": ["1", 0], "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["3", 0], "denoise": 1.0,
        "seed": 1, "steps": 3, "cfg": 1.0, "sampler_name": "euler", "scheduler": "normal",
    }  # fmt: skip
    nodes = {
        "1": ("CheckpointLoaderSimple", {"ckpt_name": "c.safetensors"}),
        "2": ("CLIPTextEncode", {"text": "", "clip": ["1", 1]}),
        "3": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
        "4": ("KSampler", sampler),
        "5": ("SaveLatent", {"samples": ["4", 0], "filename_prefix": "x"}),
    }
    home.write({node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()})
    code, out, err = home.weft("--grid", "4.seed=1,2", "--dry-run", "--batch", "4")
    assert code == 0, err
    assert out.splitlines()[-1] == "2 cells, 2 to run, 6 model calls (up to 4 in one)"


@pytest.mark.parametrize("batch", ["0", "x"])
def test_a_batch_that_is_none(batch: str, home: Home) -> None:
    code, _, err = home.weft("--grid", "1.width=8", "--batch", batch)
    assert code == 2
    assert "--batch" in err


def test_what_every_cell_warns_of_is_said_once(home: Home) -> None:
    home.write({"1": PROMPT["1"], "2": {"class_type": "SaveImageWebsocket", "inputs": {"images": ["1", 0]}}})
    code, _, err = home.weft("--grid", "1.color=1..3")
    assert code == 0
    assert err.count("warning: ") == err.count('warning: node 2 "') == 1
