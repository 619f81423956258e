from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from weft.engine.folders import Folders

from .files import everything_in, touch, write

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("there", "name"),
    [
        ([], "ComfyUI_00001_.png"),
        (["ComfyUI_00001_.png"], "ComfyUI_00002_.png"),
        (["ComfyUI_00001_.png", "ComfyUI_00041_.png"], "ComfyUI_00042_.png"),
        (["ComfyUI_00007_.txt"], "ComfyUI_00008_.png"),
        (["ComfyUI_99999_.png"], "ComfyUI_100000_.png"),
        (["ComfyUI_00007_more.png"], "ComfyUI_00008_.png"),
        (["ComfyUI_20240101.png", "ComfyUI_2024-01-01_.png"], "ComfyUI_00001_.png"),
        (["ComfyUI2_00009_.png", "MyComfyUI_00009_.png", "ComfyUI_x_00009_.png"], "ComfyUI_00001_.png"),
        (["comfyui_00009_.png"], "ComfyUI_00001_.png" if os.path.normcase("A") == "A" else "ComfyUI_00010_.png"),
    ],
)
def test_numbers_continue(there: list[str], name: str, folders: Folders) -> None:
    for other in there:
        touch(folders.output / other)
    assert write(folders, "ComfyUI").name == name
    assert everything_in(folders.output) == sorted([*there, name])


def test_a_series_counts_on(folders: Folders) -> None:
    series = folders.numbered("sub/deep/x")
    assert (series.subfolder, series.stem) == ("sub/deep", "x")
    for number in range(1, 4):
        with series.create(".png") as (stream, path):
            stream.write(b"abc")
            assert not path.exists()
        assert path == folders.output / f"sub/deep/x_{number:05}_.png"
        assert path.read_bytes() == b"abc"


def test_batch_numbers(folders: Folders) -> None:
    series = folders.numbered("b%batch_num%")
    names = []
    for index in range(2):
        with series.create(".png", index) as (_, path):
            names.append(path.name)
    assert names == ["b0_00001_.png", "b1_00002_.png"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_nothing(error: type[BaseException], folders: Folders) -> None:
    series = folders.numbered("x")
    with pytest.raises(error), series.create(".png") as (stream, _):
        stream.write(b"half")
        raise error
    assert everything_in(folders.output) == []
    assert write(folders, "x").name == "x_00001_.png"


def test_a_closed_stream_is_fine(folders: Folders) -> None:
    with folders.numbered("x").create(".png") as (stream, path):
        stream.write(b"whole")
        stream.close()
    assert path.read_bytes() == b"whole"


def test_files_follow_the_umask(folders: Folders) -> None:
    before = os.umask(0o027)
    try:
        path = folders.output / write(folders, "x")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_name_taken_meanwhile_is_never_overwritten(folders: Folders) -> None:
    series = folders.numbered("x")
    with pytest.raises(FileExistsError), series.create(".png") as (stream, path):
        stream.write(b"ours")
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    assert everything_in(folders.output) == ["x_00001_.png"]


@pytest.mark.parametrize("taken", [False, True])
def test_without_hard_links(taken: bool, folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", no_links)
    if not taken:
        assert write(folders, "x", b"ours").name == "x_00001_.png"
        assert everything_in(folders.output) == ["x_00001_.png"]
        return
    with pytest.raises(FileExistsError), folders.numbered("x").create(".png") as (_, path):
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"


def test_two_series_at_once_take_turns(folders: Folders) -> None:
    one, other = folders.numbered("x"), folders.numbered("x")
    with one.create(".png") as (first, path1), other.create(".png") as (second, path2):
        first.write(b"1")
        second.write(b"2")
    assert (path1.read_bytes(), path2.read_bytes()) == (b"1", b"2")
    assert everything_in(folders.output) == ["x_00001_.png", "x_00002_.png"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EIO])
def test_what_cannot_be_written_is_named(number: int, folders: Folders) -> None:
    with pytest.raises(OSError) as caught, folders.numbered("x").create(".png") as (_, path):
        raise OSError(number, os.strerror(number))
    assert (caught.value.errno, caught.value.filename) == (number, str(path))
    assert everything_in(folders.output) == []


def test_a_folder_that_went_away_is_named(folders: Folders) -> None:
    with pytest.raises(FileNotFoundError) as caught, folders.numbered("sub/x").create(".png") as (stream, path):
        stream.write(b"x")
        shutil.rmtree(folders.output)
    assert caught.value.filename == str(path)
    assert ".part" not in str(caught.value)


def test_an_error_about_another_file_keeps_its_name(folders: Folders) -> None:
    with pytest.raises(FileNotFoundError) as caught, folders.numbered("x").create(".png"):
        Path("absent.txt").read_text()
    assert caught.value.filename == "absent.txt"


WRITER = """
import sys
from pathlib import Path
from weft.engine.folders import Folders
here = Path(sys.argv[1])
folders = Folders(models=[], input=here, output=here, temp=here)
print("ready", flush=True)
sys.stdin.readline()
for number in range(150):
    with folders.numbered("x").create(".txt") as (stream, path):
        stream.write(f"{sys.argv[2]} {number}".encode())
"""


def test_processes_never_overwrite_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [
        subprocess.Popen([*command, name], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in "abc"
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=300)
        assert writer.returncode == 0
    found = [path.read_text() for path in tmp_path.iterdir()]
    assert sorted(found) == sorted(f"{name} {number}" for name in "abc" for number in range(150))
    assert all(re.fullmatch(r"x_\d{5}_\.txt", path.name) for path in tmp_path.iterdir())
