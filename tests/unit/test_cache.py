from __future__ import annotations

import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine.cache.encoding import digest_of
from weft.engine.cache.memory import MemoryCache, parts_of
from weft.engine.cache.protocol import Cache, Entry, Manifest, NoCache, Recipe

from .files import touch


class Tensor:
    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes


class Model:
    """Holds memory together with others."""

    def __init__(self, **parts: int) -> None:
        self.memory_parts = parts.items()


def entry(*sizes: int) -> Entry:
    return Entry(tuple(Tensor(size) for size in sizes))


def got(cache: Cache, key: bytes) -> Entry | None:
    """What the cache gives for a key, asked as a plan and a run ask."""
    manifest = cache.lookup(key)
    return None if manifest is None else cache.load(manifest)


def recipe(number: int = 0) -> Recipe:
    return Recipe("X", "1", {}, {}, str(number).encode(), {}, {})


def test_no_cache_keeps_nothing() -> None:
    cache: Cache = NoCache()
    cache.put(b"a", entry(1))
    cache.note("1", recipe())
    assert got(cache, b"a") is None
    assert cache.recall("1") is None


def test_kept_until_cleared() -> None:
    cache = MemoryCache()
    kept = Entry((1,), {"text": ["a"]}, (touch(Path("f")),))
    cache.put(b"a", kept)
    cache.note("1", recipe())
    assert got(cache, b"a") is kept
    assert got(cache, b"b") is None
    assert cache.recall("1") == recipe()
    assert cache.recall("2") is None
    cache.clear()
    assert (len(cache), cache.used, got(cache, b"a"), cache.recall("1")) == (0, 0, None, None)


def test_a_manifest_tells_without_holding() -> None:
    cache = MemoryCache()
    tensor = Tensor(100)
    cache.put(b"a", Entry((tensor,), {"text": ["a"]}, (touch(Path("f"), b"content"),)))
    manifest = cache.lookup(b"a")
    assert manifest == Manifest(b"a", (Path("f"),), (digest_of(b"content"),))
    assert cache.lookup(b"b") is None
    sent = pickle.loads(pickle.dumps(manifest))
    assert cache.load(sent) is not None
    assert MemoryCache().load(sent) is None, "in another process it is a miss"
    cache.clear()
    assert cache.load(manifest) is None, "and so it is when the cache has dropped it since"


def test_what_wrote_a_file_that_is_gone_again_is_not_kept() -> None:
    cache = MemoryCache()
    cache.put(b"a", Entry((1,), files=(Path("absent"),)))
    assert cache.lookup(b"a") is None


def test_the_least_recently_used_go_first() -> None:
    cache = MemoryCache(10_000)
    for key in (b"a", b"b", b"c"):
        cache.put(key, entry(2_000))
    assert got(cache, b"a") is not None  # being asked for makes it recent
    cache.put(b"d", entry(5_000))
    assert [key for key in (b"a", b"b", b"c", b"d") if got(cache, key)] == [b"a", b"d"]
    assert cache.used <= cache.max_bytes


def test_what_is_larger_than_the_budget_is_not_kept_and_drives_nothing_out() -> None:
    cache = MemoryCache(10_000)
    cache.put(b"a", entry(2_000))
    cache.put(b"big", entry(10_001))
    assert got(cache, b"a") is not None
    assert got(cache, b"big") is None
    cache.put(b"a", entry(10_001))
    assert (got(cache, b"a"), cache.used) == (None, 0)


def test_put_again_replaces() -> None:
    cache = MemoryCache()
    cache.put(b"a", entry(2_000))
    used = cache.used
    second = entry(2_000)
    cache.put(b"a", second)
    assert got(cache, b"a") is second
    assert (len(cache), cache.used) == (1, used)


def test_what_entries_share_counts_once_until_the_last_has_gone() -> None:
    cache = MemoryCache(100_000)
    shared = Tensor(50_000)
    cache.put(b"a", Entry((shared,)))
    cache.put(b"b", Entry((shared, Tensor(10))))
    cache.put(b"m", Entry((Model(base=30_000, lora=100),)))
    cache.put(b"n", Entry((Model(base=30_000),)))
    assert 80_000 < cache.used < 85_000
    cache.put(b"c", entry(10_000))
    assert got(cache, b"a") is not None
    cache.put(b"d", entry(40_000))  # a was asked for last; b and m free next to nothing, n the base of both, c 10,000
    assert [key for key in (b"a", b"b", b"m", b"n", b"c", b"d") if got(cache, key)] == [b"a", b"d"]
    assert 90_000 < cache.used < 91_000


def test_the_ui_counts_too() -> None:
    cache = MemoryCache(10_000)
    cache.put(b"a", Entry((), {"text": ["x" * 20_000]}))
    assert len(cache) == 0


def test_a_zero_budget_keeps_nothing() -> None:
    cache = MemoryCache(0)
    cache.put(b"a", Entry(()))
    assert (len(cache), cache.used) == (0, 0)


def test_recipes_are_limited() -> None:
    cache = MemoryCache(max_recipes=2)
    for node_id in ("1", "2", "1", "3"):
        cache.note(node_id, recipe())
    assert [node_id for node_id in "123" if cache.recall(node_id)] == ["1", "3"]


def test_threads_share_it() -> None:
    """Without a lock, two that make room at once drop the same entry, or lose count of what is used."""
    cache = MemoryCache(3_000)
    shared = Tensor(500)
    keys = [bytes([number]) for number in range(8)]
    kept = {key: Entry((shared, Tensor(300 + key[0]))) for key in keys}
    failures: list[BaseException] = []

    def work(place: int) -> None:
        try:
            for turn in range(400):
                key = keys[(turn * (place + 1)) % len(keys)]
                cache.put(key, kept[key])
                found = got(cache, keys[turn % len(keys)])
                assert found is None or found is kept[keys[turn % len(keys)]]
                cache.note(str(turn % 5), recipe(place))
                cache.recall(str(turn % 7))
                if turn % 97 == 0:
                    cache.clear()
        except BaseException as error:
            failures.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(place,)) for place in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert failures == []
    there = [key for key in keys if got(cache, key)]
    kept = [cache._entries[key] for key in there]
    parts = {part: size for each in kept for part, size in each.parts.items()}
    assert (len(cache), cache.used) == (len(there), sum(parts.values()) + sum(each.own for each in kept))
    assert cache.used <= cache.max_bytes


def test_what_goes_is_freed_outside_of_the_lock() -> None:
    """It may hold gigabytes, or run code that asks another thread."""
    cache = MemoryCache(1_000)

    class Last(Tensor):
        def __del__(self) -> None:
            asker = threading.Thread(target=lambda: seen.append(got(cache, b"none")))
            asker.start()
            asker.join(5)

    seen: list[Any] = []
    for number in range(3):
        cache.put(bytes([number]), Entry((Last(600),)))
    cache.clear()
    assert seen == [None] * 3


TENSOR = Tensor(100)
SELF: list[Any] = [TENSOR]
SELF.append(SELF)


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        (TENSOR, 100, 150),
        ([TENSOR, TENSOR], 100, 199),
        ({"samples": TENSOR, "more": (Tensor(10), {"deep": Tensor(1)})}, 111, 400),
        ("x" * 1000, 1000, 1100),
        (b"x" * 1000, 1000, 1100),
        (bytearray(1000), 1000, 1100),
        ([1] * 1000, 32_000, 33_000),
        (range(10**12), 1, 100),
        (None, 1, 100),
        (object(), 1, 100),
        (SELF, 100, 199),
        (Model(a=10, b=20), 30, 100),
        ({Tensor(7)}, 7, 100),
    ],
    ids=lambda value: type(value).__name__,
)
def test_sizes(value: Any, low: int, high: int) -> None:
    parts, rest = parts_of(value)
    assert low <= sum(parts.values()) + rest <= high


class Guides:
    def __init__(self, model: Any) -> None:
        self.model, self.me = model, self


@pytest.mark.parametrize(
    ("value", "dropped"),
    [
        (Model(a=10), True),
        (Guides(Model(a=10)), True),
        ([{"control": (1, Model(a=10))}], True),
        (Guides(TENSOR), False),
        (Model, False),
        (("x", None, TENSOR, pytest), False),
    ],
)
def test_entries_that_hold_models_are_dropped_and_no_others(value: Any, dropped: bool) -> None:
    cache = MemoryCache()
    cache.put(b"value", Entry((value,)))
    cache.put(b"picture", Entry((TENSOR,)))
    cache.forget_models()
    assert cache.keys() == ([b"picture"] if dropped else [b"value", b"picture"])


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["put", "get"]), st.sampled_from("abcd"), st.lists(st.integers(0, 9), max_size=3)),
    max_size=30,
)


@given(OPERATIONS, st.integers(0, 5_000))
def test_used_is_the_sum_of_what_is_there(operations: list[tuple[str, str, list[int]]], budget: int) -> None:
    tensors = [Tensor(size * 300) for size in range(10)]
    cache = MemoryCache(budget)
    for name, key, places in operations:
        if name == "put":
            cache.put(key.encode(), Entry(tuple(tensors[place] for place in places)))
        else:
            got(cache, key.encode())
        there = {
            place
            for kept in "abcd"
            if (found := cache._entries.get(kept.encode()))
            for place in map(tensors.index, found.entry.outputs)
        }
        assert cache.used <= budget
        assert sum(tensors[place].nbytes for place in there) <= cache.used
        assert cache.used <= sum(tensors[place].nbytes for place in there) + len(cache) * 1_000
        assert (cache.used == 0) is (len(cache) == 0)
