"""One server for the tests of a file that need not have it for themselves; a client for each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .talk import Client, Running, served, session_of


@pytest.fixture(autouse=True)
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WEFT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(
    scope="module", params=[pytest.param(0, id="classic"), pytest.param(100, id="lru", marks=pytest.mark.slow)]
)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with served(tmp_path_factory.mktemp("served"), request.param) as found:
        yield found


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with ComfyUI's default cache."""
    with served(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture
def client(running: Running) -> Iterator[Client]:
    with Client(running.address) as found:
        yield found


@pytest.fixture
def alone(one: Running) -> Iterator[Client]:
    with Client(one.address) as found:
        yield found


__all__ = ["session_of"]
