"""Every unit test of the engine runs in an empty folder, with no settings and no remembered digests of the user's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weft.engine.context import RunContext
from weft.engine.folders import Folders
from weft.engine.settings import Settings
from weft.nodes.core.settings import SETTINGS


@pytest.fixture(autouse=True)
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder; also the current one."""
    for name in [name for name in os.environ if name.startswith("WEFT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """models/, input/, output/ and temp/ in the empty folder; the first two exist."""
    for name in ("models/checkpoints", "input"):
        (tmp_path / name).mkdir(parents=True)
    places = {name: tmp_path / name for name in ("input", "output", "temp")}
    return Folders(models=[tmp_path / "models"], **places)


@pytest.fixture
def make_context(folders: Folders) -> Callable[..., RunContext]:
    def make(**options: Any) -> RunContext:
        return RunContext(folders=folders, settings=Settings.load({}, SETTINGS), **options)

    return make
