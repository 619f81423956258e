from __future__ import annotations

import errno
import os
import pty
from pathlib import Path
from typing import Any

import pytest

from weft.engine.wholefiles import write_whole

from .files import everything_in, mode_of, touch


def test_a_file_written_whole_follows_the_umask_and_keeps_its_mode(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "new", b"1")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "new") == 0o640
    for mode in (0o600, 0o755, 0o666):
        (tmp_path / "new").chmod(mode)
        write_whole(tmp_path / "new", b"2")
        assert (mode_of(tmp_path / "new"), (tmp_path / "new").read_bytes()) == (mode, b"2")
    assert everything_in(tmp_path) == ["new"]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    real = touch(tmp_path / "deep" / "real", b"old")
    real.chmod(0o600)
    (tmp_path / "link").symlink_to("deep/real")
    (tmp_path / "twice").symlink_to("link")
    (tmp_path / "dangling").symlink_to("deep/new")
    for name in ("link", "twice", "dangling"):
        write_whole(tmp_path / name, name.encode())
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_text() == name
    assert (real.read_text(), mode_of(real)) == ("twice", 0o600)
    assert everything_in(tmp_path) == ["dangling", "deep/new", "deep/real", "link", "twice"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_and_a_device_are_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR)
    try:
        (tmp_path / "link").symlink_to(pipe)
        write_whole(pipe, b"one ")
        write_whole(tmp_path / "link", b"two")
        assert os.read(reader, 100) == b"one two"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    master, slave = pty.openpty()
    try:
        device = Path(os.ttyname(slave))
        write_whole(device, b"three")
        assert device.is_char_device()
        assert os.read(master, 100) == b"three"
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system has no /proc")
def test_an_open_stream_is_added_to_not_replaced(tmp_path: Path) -> None:
    """As `-o /dev/stdout >> log` does."""
    log = touch(tmp_path / "log", b"before ")
    with log.open("ab") as stream:
        (tmp_path / "stdout").symlink_to(f"/proc/self/fd/{stream.fileno()}")
        write_whole(tmp_path / "stdout", b"after")
    assert log.read_bytes() == b"before after"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_what_cannot_be_written_whole_leaves_the_old_one(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = touch(tmp_path / "old", b"old")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(type(error)):
        write_whole(old, b"new")
    assert everything_in(tmp_path) == ["old"]
    assert old.read_bytes() == b"old"


def test_a_folder_and_a_loop_of_links_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for name in (".", "loop", "absent/x"):
        with pytest.raises(OSError):
            write_whole(tmp_path / name, b"x")
    assert everything_in(tmp_path) == ["loop"]
