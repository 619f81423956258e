from __future__ import annotations

import gc
import math
import os
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.engine.cache.protocol import CacheKey, NoCache
from weft.engine.folders import Folders
from weft.engine.planning.digests import Digests
from weft.engine.planning.plan import Planner
from weft.engine.planning.signature import FileDigest, KeyMaker, canonical
from weft.engine.schema.authoring import UniqueId, node, read_function
from weft.engine.schema.node import RunnableNode
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files, Float, Int, Socket, String
from weft.engine.schema.v1 import read_class
from weft.engine.workflow.prompt import Prompt

Image = Annotated[Any, Socket("IMAGE")]


@node(category="test")
def Make(
    *, size: Annotated[int, Int()] = 8, scale: Annotated[float, Float()] = 1.0, text: Annotated[str, String()] = ""
) -> tuple[Image, Image]: ...


@node(category="test", class_type="Make", version=2)
def make_again(
    *, size: Annotated[int, Int()] = 8, scale: Annotated[float, Float()] = 1.0, text: Annotated[str, String()] = ""
) -> tuple[Image, Image]: ...


@node(category="test")
def Join(*, a: Image, b: Image) -> Image: ...


@node(category="test")
def ByFile(*, file: Annotated[str, Files("checkpoints", extra_choices=["none"])]) -> Image: ...


@node(category="test")
def ById(*, unique_id: UniqueId) -> Image: ...


def named_files(folders: Folders, constants: Mapping[str, Any]) -> list[Any]:
    return [folders.input / constants["text"], "plain"] if constants.get("text") else []


@node(category="test", fingerprint=named_files)
def ByFingerprint(*, text: Annotated[str, String()]) -> Image: ...


@node(category="test", volatile="it looks at the clock")
def EveryTime(*, size: Annotated[int, Int()]) -> Image: ...


@node(category="test", output_node=True)
def Show(*, image: Image) -> None: ...


CHANGED: list[Any] = []


class Changing:
    """IS_CHANGED gives, or raises, what stands in CHANGED."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"size": ("INT", {}), "image": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"

    def run(self, **inputs: Any) -> Any: ...

    @classmethod
    def IS_CHANGED(cls, size: int, image: Any = "absent") -> Any:
        CHANGED.append((size, image))
        value = CHANGED[0]
        if isinstance(value, Exception):
            raise value
        return value


REGISTRY = Registry().add([Make, Join, ByFile, ById, ByFingerprint, EveryTime, Show]).add({"Changing": Changing})


def keys(prompt: dict[str, Any], folders: Folders, registry: Registry = REGISTRY) -> dict[str, CacheKey]:
    """The keys of every node, as a plan makes them."""
    options: dict[str, Any] = {"folders": folders, "digests": Digests(), "cache": NoCache()}
    plan = Planner(registry, **options).plan(Prompt.parse(prompt), list(prompt))
    return {step.node_id: step.key for step in plan.steps}


def key(class_type: str, folders: Folders, registry: Registry = REGISTRY, **inputs: Any) -> CacheKey:
    """The key of a node of this class; what it may link to is there."""
    registry = registry if "Make" in registry else registry.copy().add([Make])
    others = {"m": {"class_type": "Make"}, "n": {"class_type": "Make", "inputs": {"size": 9}}}
    return keys({"1": {"class_type": class_type, "inputs": inputs}, **others}, folders, registry)["1"]


def test_golden(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    """These bytes name what is in people's caches: whoever changes them raises KEY_VERSION."""
    pack = SimpleNamespace(name="p", module="p", value="p", load=lambda: {"Make": Make, "Join": Join, "ByFile": ByFile})
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [pack] if group == "weft.nodes" else [])
    monkeypatch.setattr(Registry, "_digest_of_pack", lambda self, module: "")  # it is that of the tests' files
    registry = Registry.discover()
    (folders.models[0] / "checkpoints" / "c.ckpt").write_bytes(b"weights")
    found = keys(
        {
            "1": {"class_type": "Make", "inputs": {"size": 3, "scale": 0.5, "text": "an apple"}},
            "2": {"class_type": "ByFile", "inputs": {"file": "c.ckpt"}},
            "3": {"class_type": "Join", "inputs": {"a": ["1", 1], "b": ["2", 0]}},
        },
        folders,
        registry.copy(),
    )
    assert found["3"].digest.hex() == "331a5f8017aa34dbcebd89b1451e803e49034bdce334342951493b7727c48b43"


BASE = {"size": 3, "scale": 0.5, "text": "x"}


@pytest.mark.parametrize(
    "inputs",
    [
        {**BASE, "size": 4},
        {**BASE, "scale": 0.25},
        {**BASE, "scale": -0.5},
        {**BASE, "text": "y"},
        {**BASE, "text": "3"},
        {"size": 3, "scale": 0.5},
        {**BASE, "size": ["m", 0]},
        {},
    ],
)
def test_every_input_is_in_the_key(inputs: dict[str, Any], folders: Folders) -> None:
    assert key("Make", folders, **inputs) != key("Make", folders, **BASE)


@pytest.mark.parametrize(
    "inputs",
    [
        {"text": "x", "scale": 0.5, "size": 3},
        {**BASE, "size": 3.0},
        {**BASE, "size": "3"},
        {**BASE, "undeclared": 5},
    ],
)
def test_order_spelling_and_what_is_dropped_are_not(inputs: dict[str, Any], folders: Folders) -> None:
    assert key("Make", folders, **inputs) == key("Make", folders, **BASE)


def test_a_number_is_coerced_first(folders: Folders) -> None:
    assert key("Make", folders, scale=1) == key("Make", folders, scale=1.0) == key("Make", folders, scale="1")
    assert key("Make", folders, text=1) == key("Make", folders, text="1")


def test_parents_and_slots_are_in_the_key(folders: Folders) -> None:
    pairs = [(a, b, slot) for a in "mn" for b in "mn" for slot in (0, 1)]
    found = {key("Join", folders, a=[a, 0], b=[b, slot]).digest for a, b, slot in pairs}
    assert len(found) == len(pairs)


def test_undeclared_links_that_a_class_cannot_take_are_not_in_the_key(folders: Folders) -> None:
    assert key("Make", folders, extra=["m", 0]) == key("Make", folders) == key("Make", folders, extra=["m", 1])


def test_ids_titles_and_order_are_not(folders: Folders) -> None:
    one = {
        "1": {"class_type": "Make", "inputs": {"size": 3}, "_meta": {"title": "T"}},
        "2": {"class_type": "Join", "inputs": {"a": ["1", 0], "b": ["1", 1]}},
    }
    other = {
        "z": {"inputs": {"b": ["y", 1], "a": ["y", 0]}, "class_type": "Join", "position": [1, 2]},
        "y": {"class_type": "Make", "inputs": {"size": 3}, "_meta": {"title": "U"}},
    }
    assert keys(one, folders)["2"] == keys(other, folders)["z"]


def test_the_class_and_its_version_are(folders: Folders) -> None:
    newer = Registry().add([make_again])
    assert read_function(make_again).schema == read_function(Make).schema
    makers = [
        KeyMaker(folders, Digests()).key("1", registry.runnable("Make"), {}, {}) for registry in (REGISTRY, newer)
    ]
    assert makers[0] != makers[1]
    assert KeyMaker(folders, Digests()).key("1", REGISTRY.runnable("Show"), {}, {}) != makers[0]


def made(factor: int) -> Any:
    """Functions of one name and one place in the source."""

    @node(category="test")
    def Times(*, x: Annotated[int, Int()]) -> Annotated[int, Int()]:
        return x * factor

    return Times


def made_class(factor: int) -> type:
    class Times:
        INPUT_TYPES = classmethod(lambda cls: {"required": {"x": ("INT", {})}})
        RETURN_TYPES = ("INT",)
        FUNCTION = "run"

        def run(self, x: int) -> tuple[int]:
            return (x * factor,)

    return Times


@pytest.mark.parametrize("make", [made, made_class, lambda factor: read_function(made(factor))])
def test_what_is_registered_by_hand_is_its_own_code(make: Any, folders: Folders) -> None:
    """Two registries that share a cache do not share the values of two functions that have one name."""
    one, other = make(10), make(1000)
    ours, theirs = (key("Times", folders, Registry({"Times": source}), x=3) for source in (one, other))
    assert ours != theirs
    assert key("Times", folders, Registry({"Times": one}), x=3) == ours
    assert key("Times", folders, Registry({"Times": one}).copy(), x=3) == ours
    assert key("Times", folders, Registry({"Times": one}).add({"Times": other}), x=3) == theirs
    again = weakref.ref(one.call if isinstance(one, RunnableNode) else one)
    del one, other
    gc.collect()
    assert again() is None, "the registry of codes keeps nothing alive"


def test_what_replaces_an_installed_class_is_its_own_code(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = SimpleNamespace(name="p", module="p", value="p", load=lambda: {"Times": made(10)})
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [pack] if group == "weft.nodes" else [])
    installed = Registry.discover()
    before = key("Times", folders, installed, x=3)
    assert key("Times", folders, Registry.discover(), x=3) == before  # by its version, in every process
    assert key("Times", folders, installed.copy().add(made(10)), x=3) != before


def test_a_file_counts_by_its_content(folders: Folders) -> None:
    place = folders.models[0] / "checkpoints"
    (place / "a.ckpt").write_bytes(b"weights")
    (place / "b.ckpt").write_bytes(b"weights")
    before = key("ByFile", folders, file="a.ckpt")
    assert key("ByFile", folders, file="b.ckpt") == before
    os.utime(place / "a.ckpt", ns=(1, 1))
    assert key("ByFile", folders, file="a.ckpt") == before
    (place / "a.ckpt").write_bytes(b"WEIGHTS")
    assert key("ByFile", folders, file="a.ckpt") != before
    (place / "none").write_bytes(b"weights")
    assert key("ByFile", folders, file="none") != before  # a choice that stands for no file


def test_a_file_that_only_a_node_knows_makes_volatile(folders: Folders) -> None:
    found = key("ByFile", folders, file=["m", 0])
    assert found.volatile == "input 'file' names a file that is known only when node m has run"


def test_fingerprints(folders: Folders) -> None:
    (folders.input / "e.txt").write_bytes(b"1")
    before = key("ByFingerprint", folders, text="e.txt")
    assert key("ByFingerprint", folders, text="e.txt") == before
    assert key("ByFingerprint", folders, text="") != before
    (folders.input / "e.txt").write_bytes(b"2")
    assert key("ByFingerprint", folders, text="e.txt") != before


def test_a_class_may_be_volatile(folders: Folders) -> None:
    first, second = (key("EveryTime", folders, size=3) for _ in range(2))
    assert first.volatile == "it looks at the clock"
    assert first.digest != second.digest


def test_nodes_that_take_their_id_differ_by_it(folders: Folders) -> None:
    found = keys({"1": {"class_type": "ById"}, "2": {"class_type": "ById"}}, folders)
    assert found["1"] != found["2"]
    assert not found["1"].volatile
    assert keys({"1": {"class_type": "ById"}}, folders)["1"] == found["1"]


def changing(folders: Folders, value: Any) -> CacheKey:
    CHANGED[:] = [value]
    return key("Changing", folders, size="3", image=["m", 0])


def test_is_changed_joins_the_key(folders: Folders) -> None:
    assert changing(folders, "a") == changing(folders, "a")
    assert changing(folders, "a") != changing(folders, "b")
    assert changing(folders, 1) != changing(folders, 1.0)
    assert changing(folders, ["a", {"b": None}]) == changing(folders, ["a", {"b": None}])
    assert CHANGED[1:] == [(3, None)]  # constants are coerced, links are None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "IS_CHANGED returned NaN"),
        (KeyError("x"), "IS_CHANGED raised KeyError: 'x'"),
        (object(), "an input has no canonical form: builtins.object"),
        ({1: 2}, "an input has no canonical form: a dict with a key of type int"),
        ({1, 2}, "an input has no canonical form: builtins.set"),
    ],
)
def test_is_changed_can_make_volatile(value: Any, reason: str, folders: Folders) -> None:
    found = changing(folders, value)
    assert found.volatile == reason
    assert found != changing(folders, value)


def test_volatile_is_inherited(folders: Folders) -> None:
    CHANGED[:] = [math.nan]
    found = keys(
        {
            "m": {"class_type": "Make"},
            "1": {"class_type": "Changing", "inputs": {"size": 1, "image": ["m", 0]}},
            "2": {"class_type": "Join", "inputs": {"a": ["1", 0], "b": ["m", 0]}},
            "3": {"class_type": "Join", "inputs": {"a": ["m", 0], "b": ["2", 0]}},
        },
        folders,
    )
    assert not found["m"].volatile
    assert found["2"].volatile == "node 1 is volatile"
    assert found["3"].volatile == "node 2 is volatile"


def test_v1_and_typed_classes_of_one_name_do_not_meet(folders: Folders) -> None:
    class Make:
        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {}

        RETURN_TYPES = ("IMAGE", "IMAGE")
        FUNCTION = "run"

        def run(self) -> Any: ...

    v1 = read_class("Make", Make)
    maker = KeyMaker(folders, Digests())
    assert maker.key("1", v1, {}, {}) != maker.key("1", REGISTRY.runnable("Make"), {}, {})


def typed(value: Any) -> Any:
    """A form that is equal exactly where value and types are."""
    if isinstance(value, dict):
        return "dict", tuple(sorted((name, typed(item)) for name, item in value.items()))
    if isinstance(value, list | tuple):
        return type(value).__name__, tuple(typed(item) for item in value)
    if isinstance(value, float):
        return "float", value.hex()
    return type(value).__name__, value


SCALARS = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, -1, 2**70])
    | st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf, 1e-300])
    | st.sampled_from(["", "0", "1", "s1:x", "n", "l1[", "\ud800", "\0"])
    | st.sampled_from([b"", b"1", b"n"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["", "a", "b", "s1:a"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_equal_bytes_are_equal_typed_values(one: Any, other: Any) -> None:
    assert (canonical(one) == canonical(other)) is (repr(typed(one)) == repr(typed(other)))


@given(st.lists(st.lists(VALUES, max_size=2), max_size=3))
def test_no_encoding_begins_another(values: list[Any]) -> None:
    """So encodings that follow each other cannot be read in two ways."""
    encodings = {canonical(value) for value in values}
    for one in encodings:
        for other in encodings - {one}:
            assert not other.startswith(one)


@pytest.mark.parametrize(
    "pair",
    [
        (1, 1.0), (1, True), (1, "1"), (0.0, -0.0), ([1], (1,)), ([], {}), (None, "n"), ("a", b"a"),
        ([["a"], "b"], ["a", ["b"]]), (["ab"], ["a", "b"]), ({"a": 1}, ["a", 1]), (FileDigest(b"1" * 32), b"1" * 32),
    ],
    ids=repr,
)  # fmt: skip
def test_values_that_differ(pair: tuple[Any, Any]) -> None:
    assert canonical(pair[0]) != canonical(pair[1])


def test_dicts_have_no_order() -> None:
    assert canonical({"a": 1, "b": 2}) == canonical({"b": 2, "a": 1})


class Text(str):
    pass


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    "value", [object(), {1}, {1: 2}, {"a": 1, 2: 3}, Text("a"), 1j, range(3), Path("x"), LOOP], ids=type
)
def test_what_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical([value])
