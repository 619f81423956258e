"""The cache of `weft run`, and `weft cache`."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from weft.cli import main
from weft.engine.cache.disk import FORMAT

from .files import marks_in

PROMPT: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 1}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "a"}},
}


class Home:
    """An empty folder with a workflow."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capsys = capsys
        (folder / "w.json").write_text(json.dumps(PROMPT))

    def weft(self, *arguments: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = main(arguments)
        return (code, *self.capsys.readouterr())

    def run(self, *arguments: str) -> dict[str, Any]:
        code, out, err = self.weft("run", "w.json", "--json", *arguments)
        assert code == 0, err
        document: dict[str, Any] = json.loads(out)
        return document

    def called(self, *arguments: str) -> list[str]:
        """The nodes that a run calls."""
        return sorted(self.run(*arguments)["timings"])

    @property
    def blobs(self) -> list[Path]:
        return sorted(file for file in (self.folder / "c" / FORMAT / "blobs").rglob("*") if file.is_file())


@pytest.fixture
def home(sandbox: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return Home(sandbox, capsys)


def test_a_second_run_computes_nothing_and_lists_the_same_files(home: Home) -> None:
    first = home.weft("run", "w.json", "--cache", "c")
    (picture,) = (home.folder / "output").iterdir()
    content = picture.read_bytes()
    second = home.weft("run", "w.json", "--cache", "c")
    assert (first[0], first[1]) == (second[0], second[1]) == (0, f"{picture}\n")
    assert home.called("--cache", "c") == []
    picture.unlink()
    assert home.called("--cache", "c") == ["3"]
    assert picture.read_bytes() == content


def test_after_a_change_only_what_it_concerns_runs(home: Home) -> None:
    assert home.called("--cache", "c") == ["1", "2", "3"]
    assert home.called("--cache", "c", "--set", "3.filename_prefix=b") == ["3"]
    assert home.called("--cache", "c", "--set", "1.color=2") == ["1", "2", "3"]


def test_several_runs_have_memory_above_it(home: Home) -> None:
    document = json.loads(home.weft("run", "w.json", "w.json", "--json", "--cache", "c")[1])
    assert [sorted(run["timings"]) for run in document["runs"]] == [["1", "2", "3"], []]
    assert home.called("--cache", "c") == []


def test_settings_name_it_and_no_cache_does_without(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.folder / "weft.toml").write_text('cache = "c"\ncache_gib = 0.5\n')
    home.run()
    assert home.called() == []
    assert home.called("--no-cache") == ["1", "2", "3"]
    assert json.loads(home.weft("cache", "info", "--json")[1])["max_bytes"] == 1 << 29
    monkeypatch.setenv("WEFT_CACHE", "elsewhere")
    assert home.called() == ["1", "2", "3"]
    assert (home.folder / "elsewhere" / FORMAT).is_dir()
    assert home.weft("run", "w.json", "--no-cache", "--cache", "c")[0] == 2
    monkeypatch.setenv("WEFT_CACHE_GIB", "0")
    assert "WEFT_CACHE_GIB" in home.weft("run", "w.json")[2]


def test_it_is_on_and_in_the_users_cache_folder(home: Home) -> None:
    assert home.called() == ["1", "2", "3"]
    assert (home.folder / "cache" / "weft" / FORMAT / "index.sqlite").is_file()
    code, out, err = home.weft("run", "w.json")
    assert (code, out) == (0, f"{home.folder / 'output' / 'a_00001_.png'}\n")
    assert "nothing has changed since it was computed (--no-cache computes it again)" in err
    assert "done in" in err and "1 of 2 nodes reused" in home.weft("run", "w.json", "--set", "3.filename_prefix=b")[2]
    assert home.called("--no-cache") == ["1", "2", "3"]
    assert json.loads(home.weft("cache", "info", "--json")[1])["entries"] == 4


@pytest.mark.parametrize("how", ["toml", "no home", "no place"])
def test_without_one_nothing_is_kept(home: Home, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "toml":
        (home.folder / "weft.toml").write_text("cache = []\n")
    elif how == "no home":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setattr("os.path.expanduser", lambda place: place)
    else:
        (home.folder / "cache").write_text("")
    for _ in range(2):
        code, out, err = home.weft("run", "w.json", "--json")
        assert code == 0 and "warning" not in err
        assert sorted(json.loads(out)["timings"]) == ["1", "2", "3"]
    assert not list(home.folder.rglob("index.sqlite"))


def test_a_shared_folder_is_read_and_never_written_to(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.run("--cache", "team")
    before = marks_in(home.folder / "team")
    assert home.called("--cache", "c", "--cache", "team", "--set", "3.filename_prefix=b") == ["3"]
    assert home.called("--cache", "c", "--set", "3.filename_prefix=d") == ["3"], "what was read is kept"
    (home.folder / "weft.toml").write_text('cache = ["d", "team"]\n')
    assert home.called() == []
    monkeypatch.setenv("WEFT_CACHE", os.pathsep.join(["e", "team"]))
    assert home.called() == []
    assert marks_in(home.folder / "team") == before


def test_one_cache_for_several_output_folders(home: Home) -> None:
    for folder in ("one", "other"):
        assert "3" in home.called("--output", folder)
    for folder in ("one", "other"):
        assert home.called("--output", folder) == []
        assert [file.name for file in (home.folder / folder).iterdir()] == ["a_00001_.png"]


def test_tests_never_read_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_CACHE", "c")
    assert home.weft("test", "record", "w.json")[0] == 0
    assert home.weft("test", "w.json")[0] == 0
    assert not (home.folder / "c").exists()


def test_a_damaged_blob_is_told_of_and_computed_again(home: Home) -> None:
    home.run("--cache", "c")
    for blob in home.blobs:
        blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    (home.folder / "output" / "a_00001_.png").unlink()
    code, out, err = home.weft("run", "w.json", "--cache", "c")
    assert code == 0 and out.endswith("a_00001_.png\n")
    assert f"{home.blobs[0].parent.name}" in err and "is damaged: it is computed again" in err
    assert home.weft("cache", "verify", "--cache", "c")[0] == 0


def test_info_and_list(home: Home) -> None:
    home.run("--cache", "c")
    code, out, _ = home.weft("cache", "info", "--cache", "c")
    assert code == 0 and f"{home.folder / 'c'}\n3 entries, 2 blobs\n" in out and "of 10.0 GiB" in out
    code, out, _ = home.weft("cache", "list", "--cache", "c")
    lines = out.splitlines()
    assert code == 0 and len(lines) == 3
    assert lines[0].endswith("a_00001_.png") and lines[1].endswith('ImageInvert "Invert Image": torch.Tensor')
    entries = json.loads(home.weft("cache", "list", "--cache", "c", "--json")[1])["entries"]
    assert [entry["outputs"] for entry in entries[1:]] == [["torch.Tensor"], ["torch.Tensor"]]


def test_verify_adds_up_what_is_wrong(home: Home) -> None:
    home.run("--cache", "c")
    assert home.weft("cache", "verify", "--cache", "c")[:2] == (0, "3 entries are whole\n")
    home.blobs[0].with_name("stray").write_text("")
    assert home.weft("cache", "verify", "--cache", "c")[0] == 2
    damaged = home.blobs[0]
    damaged.write_bytes(b"")
    code, out, _ = home.weft("cache", "verify", "--cache", "c", "--json")
    found = json.loads(out)
    assert code == 3 and found["status"] == "faulty"
    assert {fault["kind"] for fault in found["faults"]} == {"damaged", "unknown"}
    damaged.unlink()
    damaged.mkdir()
    code, out, _ = home.weft("cache", "verify", "--cache", "c")
    assert code == 6 and f"unreadable: {damaged}" in out


def test_an_index_that_is_none_is_unreadable_and_cleared(home: Home) -> None:
    home.run("--cache", "c")
    (home.folder / "c" / FORMAT / "index.sqlite").write_bytes(b"none" * 1000)
    code, _, err = home.weft("cache", "verify", "--cache", "c")
    assert code == 4 and "cannot be read" in err and "weft cache clear" in err
    assert home.weft("cache", "info", "--cache", "c")[0] == 2
    code, _, err = home.weft("run", "w.json", "--cache", "c")
    assert code == 0 and "the run goes on without it" in err
    assert home.weft("cache", "clear", "--cache", "c")[0] == 0
    home.run("--cache", "c")
    assert home.called("--cache", "c") == []


def test_clear(home: Home) -> None:
    home.run("--cache", "c")
    home.blobs[0].with_name("stray").write_text("")
    assert json.loads(home.weft("cache", "clear", "--cache", "c", "--json")[1]) == {"status": "done"}
    assert home.blobs == []
    assert home.called("--cache", "c") == ["1", "2", "3"]


def test_clear_what_is_not_used(home: Home) -> None:
    home.run("--cache", "c")
    with sqlite3.connect(home.folder / "c" / FORMAT / "index.sqlite") as index:
        index.execute("UPDATE entries SET seen = 0 WHERE key IN (SELECT key FROM entries ORDER BY used LIMIT 2)")
    index.close()
    assert home.weft("cache", "clear", "--cache", "c", "--unused", "1")[:2] == (0, "2 entries removed\n")
    # The picture stays: SaveImage passes it on.
    assert len(home.blobs) == 1 and home.called("--cache", "c") == []
    assert home.weft("cache", "verify", "--cache", "c")[0] == 0
    document = json.loads(home.weft("cache", "clear", "--cache", "c", "--unused", "0", "--json")[1])
    assert document == {"status": "done", "entries": 1} and home.blobs == []


def test_no_cache_is_a_mistake(home: Home) -> None:
    code, _, err = home.weft("cache", "info")
    assert code == 2 and "holds no cache (weft run makes one)" in err
    (home.folder / "weft.toml").write_text("cache = []\n")
    code, _, err = home.weft("cache", "info")
    assert code == 2 and "no cache is named" in err
    code, _, err = home.weft("cache", "verify", "--cache", "nowhere")
    assert code == 2 and "holds no cache" in err and not (home.folder / "nowhere").exists()


def test_a_later_process_loads_neither_torch_nor_networks(home: Home) -> None:
    home.run("--cache", "c")
    # Nobody wants the values of the target.
    code = (
        "import sys; from weft.cli import main; "
        "code = main(['run', 'w.json', '--cache', 'c', '--device', 'cpu', '--target', '2']); "
        "print(code, sorted({'torch', 'numpy', 'diffusers', 'safetensors', 'PIL'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=home.folder, capture_output=True, text=True, timeout=120)
    assert ended.stdout.splitlines()[-1] == "0 []", ended.stderr
    with sqlite3.connect(home.folder / "c" / FORMAT / "index.sqlite") as index:
        assert index.execute("SELECT count(*) FROM entries").fetchone() == (3,)
    index.close()


# Why a node runs, in a later process.


def test_a_later_process_says_what_changed(home: Home) -> None:
    home.run()
    plan = home.weft("plan", "w.json", "--set", "1.color=2")[1]
    assert plan.startswith("3 nodes to run")
    assert "input 'color' changed: 1 -> 2" in plan
    assert "input 'image' comes from node 1, which changed" in plan
    assert home.weft("plan", "w.json")[1].startswith("0 nodes to run, 1 served by the cache")
    assert home.weft("plan", "w.json", "--no-cache")[1].startswith("3 nodes to run (not computed before)")
    assert "input 'color' changed: 1 -> 2" in home.weft("run", "w.json", "--events", "--set", "1.color=2")[1]


def test_another_workflow_has_other_nodes_of_these_ids(home: Home) -> None:
    home.run()
    other = {**PROMPT, "1": {"class_type": "EmptyImage", "inputs": {**PROMPT["1"]["inputs"], "color": 7}}}
    other["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    (home.folder / "o.json").write_text(json.dumps(other))
    assert "(not computed before)" in home.weft("plan", "o.json")[1]


def test_a_plan_leaves_no_trace(home: Home) -> None:
    home.weft("plan", "w.json")
    assert not (home.folder / "cache" / "weft" / FORMAT).exists()
    home.run()
    before = marks_in(home.folder / "cache" / "weft" / FORMAT)
    home.weft("plan", "w.json", "--set", "1.color=2")
    home.weft("cache", "why", "w.json", "2")
    assert marks_in(home.folder / "cache" / "weft" / FORMAT) == before


def test_why_follows_the_links_to_what_really_differs(home: Home) -> None:
    home.run()
    code, out, _ = home.weft("cache", "why", "w.json", "SaveImage", "--set", "1.color=2")
    assert code == 0 and out.startswith("node 3 Save Image: run: input 'images' comes from node 2, which changed\n")
    assert "  class SaveImage, version 1\n" in out and '  input filename_prefix="a"\n' in out
    assert '  computed by builtin.device="cpu"\n' in out
    assert out.splitlines()[-1] == (
        "  input 'images' comes from node 2 \"Invert Image\", whose input 'image' comes from node 1 "
        "\"EmptyImage\", whose input 'color' changed: 1 -> 2"
    )
    assert "nothing differs from the last time" in home.weft("cache", "why", "w.json", "2")[1]
    (known,) = json.loads(home.weft("cache", "why", "w.json", "2", "--json")[1])["nodes"]
    assert (known["action"], known["differs"], known["inputs"]["image"]["node"]) == ("cached", [], "1")
    assert "nothing is known of an earlier time" in home.weft("cache", "why", "w.json", "2", "--cache", "nowhere")[1]
    assert home.weft("cache", "why", "w.json", "nobody")[0] == 2


def test_why_names_the_file_and_the_setting_that_changed(home: Home) -> None:
    (home.folder / "input").mkdir()
    prompt = {
        "1": {"class_type": "LoadLatent", "inputs": {"latent": "a.latent"}},
        "2": {"class_type": "SaveLatent", "inputs": {"samples": ["1", 0], "filename_prefix": "b"}},
    }
    (home.folder / "l.json").write_text(json.dumps(prompt))
    empty = {
        "1": {"class_type": "EmptyLatentImage", "inputs": {"width": 16, "height": 16, "batch_size": 1}},
        "2": {"class_type": "SaveLatent", "inputs": {"samples": ["1", 0], "filename_prefix": "a"}},
    }
    (home.folder / "e.json").write_text(json.dumps(empty))
    (made,) = map(Path, json.loads(home.weft("run", "e.json", "--json")[1])["files"])
    content = made.read_bytes()
    latent = home.folder / "input" / "a.latent"
    latent.write_bytes(content)
    os.utime(latent, (1000, 1000))
    assert home.weft("run", "l.json")[0] == 0
    # Of equal size and time of modification: only the time of the change tells.
    latent.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(latent, (1000, 1000))
    plan = home.weft("plan", "l.json")[1]
    assert plan.startswith("2 nodes to run") and "the file input/a.latent changed" in plan
    assert home.weft("cache", "why", "l.json", "2")[1].splitlines()[-1].endswith("whose file input/a.latent changed")
    plan = home.weft("plan", "l.json", "--dtype", "bfloat16")[1]
    assert "builtin.unet changed: 'float32' -> 'bfloat16'" in plan
