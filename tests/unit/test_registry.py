from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest

from engine.authoring import definition_of, node
from engine.definition import NodeDefinition
from engine.errors import DefinitionError
from engine.registry import Registry, UnknownNode
from engine.sockets import Socket

Image = Annotated[Any, Socket("IMAGE")]


@node(category="test")
def Invert(*, image: Image) -> Image:
    return image


@node(category="test")
def Blur(*, image: Image) -> Image:
    return image


class Classic:
    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {}}

    RETURN_TYPES = ()
    FUNCTION = "run"

    def run(self) -> tuple[()]:
        return ()


def test_sources_of_every_kind() -> None:
    described = NodeDefinition("Described", (), ())
    registry = Registry({"Invert": Invert, "Classic": Classic, "Described": described})
    assert registry["Invert"] == definition_of(Invert)
    assert registry["Classic"].implementation is not None
    assert registry["Described"] is described
    assert list(registry) == ["Invert", "Classic", "Described"]
    assert len(registry) == 3
    assert "Invert" in registry
    assert "Blur" not in registry
    assert registry["Invert"] is registry["Invert"]


def test_add() -> None:
    registry = Registry().add(Invert).add([Blur]).add({"Classic": Classic})
    assert list(registry) == ["Invert", "Blur", "Classic"]


def test_a_class_added_again_replaces_the_first() -> None:
    registry = Registry({"Classic": Classic})
    assert registry["Classic"].category == "sd"
    registry.add({"Classic": NodeDefinition("Classic", (), (), category="new")})
    assert registry["Classic"].category == "new"


def test_two_registries_know_nothing_of_each_other() -> None:
    one, other = Registry().add(Invert), Registry().add(Blur)
    assert list(one) == ["Invert"]
    assert list(other) == ["Blur"]


def test_unknown_class() -> None:
    with pytest.raises(UnknownNode) as caught:
        Registry().add(Invert)["Invrt"]
    assert caught.value.exit_code == 3
    assert str(caught.value) == "unknown node class 'Invrt' (did you mean 'Invert'?)"


def test_object_info_fills_in_what_is_not_there() -> None:
    info = {"input": {"required": {}}, "output": [], "category": "dump"}
    registry = Registry().add(Invert).add_object_info({"Invert": info, "Exotic": info})
    assert registry["Invert"].category == "test"
    assert registry["Exotic"].implementation is None
    assert registry["Exotic"].category == "dump"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of a module `toy_nodes` that can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "toy_nodes.py"
    sys.modules.pop("toy_nodes", None)


SOURCE = """
from __future__ import annotations
from typing import Annotated, Any
from engine.authoring import node
from engine.sockets import Socket

@node(category="test")
def Invert(*, image: Annotated[Any, Socket("IMAGE")]) -> Annotated[Any, Socket("IMAGE")]:
    return image
"""


def test_a_file_is_imported_when_its_class_is_asked_for(module: Path) -> None:
    module.write_text(SOURCE)
    registry = Registry({"Invert": "toy_nodes:Invert"})
    assert "Invert" in registry
    assert list(registry) == ["Invert"]
    assert "toy_nodes" not in sys.modules
    assert registry["Invert"].class_type == "Invert"
    assert "toy_nodes" in sys.modules


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "toy_nodes:Invert", "AttributeError"),
        ("import no_such_module", "toy_nodes:Invert", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "toy_nodes:Invert", "ZeroDivisionError"),
        ("def (", "toy_nodes:Invert", "SyntaxError"),
        (SOURCE, "toy_nodes", "AttributeError"),
        (SOURCE, "toy_nodez:Invert", "ModuleNotFoundError"),
        ("Invert = 5", "toy_nodes:Invert", "expected a @node function or a V1 class, got 5"),
        (SOURCE.replace("Invert", "Other") + "Invert = Other", "toy_nodes:Invert", "is registered as 'Other'"),
    ],
)
def test_a_file_that_fails_is_named(text: str, place: str, message: str, module: Path) -> None:
    module.write_text(text)
    with pytest.raises(DefinitionError) as caught:
        Registry({"Invert": place})["Invert"]
    assert "Invert" in caught.value.message
    assert message in caught.value.message


@pytest.mark.parametrize("source", [Blur, NodeDefinition("Blur", (), ())])
def test_names_must_agree(source: Any) -> None:
    registry = Registry({"Invert": source})
    with pytest.raises(DefinitionError, match="'Invert' is registered as 'Blur'"):
        registry["Invert"]


class Entry:
    """Stands for an installed entry point."""

    def __init__(self, name: str, pack: Any) -> None:
        self.name = name
        self.value = f"{name}:NODES"
        self.pack = pack

    def load(self) -> Any:
        if isinstance(self.pack, Exception):
            raise self.pack
        return self.pack


def install(monkeypatch: pytest.MonkeyPatch, *entries: Entry) -> None:
    def entry_points(*, group: str) -> tuple[Entry, ...]:
        assert group == "weft.nodes"
        return entries

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


def test_packs_are_found_by_their_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Entry("one", {"Invert": Invert}), Entry("two", {"Blur": Blur}))
    assert list(Registry.discover()) == ["Invert", "Blur"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "no node pack is installed"),
        ([Entry("one", {"X": Invert}), Entry("two", {"X": Blur})], "'X' is in two packs: 'one' and 'two'"),
        ([Entry("one", [Invert])], "node pack 'one' (one:NODES): expected a mapping"),
        (
            [Entry("one", ImportError("no torch"))],
            "node pack 'one' (one:NODES) cannot be loaded: ImportError: no torch",
        ),
    ],
)
def test_packs_that_cannot_be_used(entries: list[Entry], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, *entries)
    with pytest.raises(DefinitionError) as caught:
        Registry.discover()
    assert message in caught.value.message


def test_the_built_in_nodes_are_an_installed_pack() -> None:
    assert {"KSampler", "SaveImage"} <= set(Registry.discover())
