"""A cache in an object store: what goes in comes out, whole or not at all, and a store that fails stops nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch

from weft.cli import main
from weft.engine.cache.memory import MemoryCache
from weft.engine.cache.objects import ObjectCache
from weft.engine.cache.protocol import ABSENT, Entry, Manifest
from weft.engine.cache.tiers import Tiers
from weft.engine.errors import UsageError
from weft.engine.schema.packs import Packs

KEY = bytes(range(64))


def entry(number: float = 1.0) -> Entry:
    return Entry((torch.full((2, 3), number), "text", object()), {"text": ["a"]}, (), ((b"k" * 32, "said"),))


@pytest.fixture(params=["memory://weft-test", "file://{}/deep/er"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield str(request.param).format(tmp_path)
    fsspec.filesystem("memory").store.clear()


def opened(url: str, said: list[str] | None = None) -> ObjectCache:
    return ObjectCache(url, codecs=Packs.installed().codec, warn=(said if said is not None else []).append)


def files(cache: ObjectCache) -> list[str]:
    return [str(file) for file in cache._files.find(cache._root)]


def test_what_one_process_puts_another_one_finds(url: str) -> None:
    assert opened(url).lookup(KEY) is None
    opened(url).put(KEY, entry())
    cache = opened(url)
    found = cache.lookup(KEY)
    assert found == Manifest(KEY, absent=(2,))
    loaded = cache.load(found)
    assert loaded is not None
    assert torch.equal(loaded.outputs[0], entry().outputs[0])
    assert (loaded.outputs[1], loaded.outputs[2]) == ("text", ABSENT)
    assert (loaded.ui, loaded.warnings) == (entry().ui, entry().warnings)
    before = files(cache)
    cache.put(KEY, entry())
    assert files(cache) == before
    assert all(Path(name).parent.parent.name in ("blobs", "entries") for name in before)


@pytest.mark.parametrize("kind", ["blobs", "entries"])
def test_what_is_damaged_or_gone_is_a_miss(url: str, kind: str) -> None:
    said: list[str] = []
    cache = opened(url, said)
    cache.put(KEY, entry())
    manifest = cache.lookup(KEY)
    assert manifest is not None
    (file,) = (name for name in files(cache) if f"/{kind}/" in name)
    cache._files.pipe_file(file, cache._files.cat_file(file)[:-1] + b"!")
    assert cache.load(manifest) is None
    cache.put(KEY, entry())
    assert cache.load(manifest) is not None
    cache._files.rm_file(file)
    assert cache.load(manifest) is None
    cache.put(KEY, entry())
    assert cache.load(manifest) is not None
    assert said == []


def test_an_entry_is_put_after_its_blobs_and_a_store_that_fails_is_said_once(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    cache = opened(url, said)
    real, count = cache._write, 0

    def write(place: str, content: bytes) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise PermissionError("no")
        real(place, content)

    monkeypatch.setattr(cache, "_write", write)
    cache.put(KEY, entry())
    assert cache.lookup(KEY) is None
    assert [("/blobs/" in name) for name in files(cache)] == [True]
    monkeypatch.setattr(cache._files, "cat_file", lambda place: 1 / 0)
    assert cache.lookup(KEY) is None
    (line,) = said
    assert line == f"the store {url} cannot be written to: PermissionError: no"


def test_a_far_tier_is_asked_last_and_written_to(url: str) -> None:
    far = opened(url)
    Tiers(MemoryCache(), far=[far]).put(KEY, Entry(("text",)))
    near = MemoryCache()
    tiers = Tiers(near, far=[opened(url)])
    found = tiers.lookup(KEY)
    assert found is not None
    assert tiers.load(found) == Entry(("text",))
    assert near.lookup(KEY) is not None


@pytest.mark.parametrize(
    ("url", "message"),
    [("shared/weft", "expected a URL"), ("s4://b/c", "nothing opens s4://"), ("file", "expected a URL")],
)
def test_a_url_that_nothing_opens_is_refused(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        opened(url)


def test_a_run_takes_from_the_store_what_another_machine_computed(
    sandbox: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph: dict[str, Any] = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 7}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
    }
    (sandbox / "w.json").write_text(json.dumps(graph))
    store = f"file://{sandbox}/shared"

    def run(machine: str) -> dict[str, Any]:
        command = ["run", "w.json", "--cache", machine, "--output", f"{machine}.out", "--store", store, "--json"]
        assert main(command) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    assert set(run("one")["timings"]) == {"1", "2"}
    assert set(run("two")["timings"]) == {"2"}
    assert main(["run", "w.json", "--store", store, "--no-cache"]) == 2
    assert "--store and --no-cache exclude each other" in capsys.readouterr().err
    assert main(["run", "w.json", "--store", "nowhere"]) == 2
