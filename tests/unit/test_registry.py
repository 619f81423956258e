from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest

from weft import cli
from weft.engine.errors import DefinitionError, WeftWarning
from weft.engine.schema.authoring import node, read_function
from weft.engine.schema.node import NodeOptions, NodeSchema
from weft.engine.schema.packs import Pack, Packs
from weft.engine.schema.registry import NotRunnable, Registry, UnknownNode
from weft.engine.schema.sockets import Socket
from weft.engine.workflow.overrides import find_node
from weft.engine.workflow.prompt import Prompt
from weft.engine.workflow.validation import validate

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
    described = NodeSchema("Described", (), ())
    registry = Registry({"Invert": Invert, "Classic": Classic, "Described": described})
    assert registry["Invert"] == read_function(Invert).schema
    assert registry.find("Classic").unavailable == ""
    assert registry["Described"] is described
    assert list(registry) == ["Invert", "Classic", "Described"]
    assert len(registry) == 3
    assert "Invert" in registry
    assert "Blur" not in registry
    assert registry.find("Blur") is None
    assert registry["Invert"] is registry["Invert"]


def test_add() -> None:
    registry = Registry().add(Invert).add([Blur]).add({"Classic": Classic})
    assert list(registry) == ["Invert", "Blur", "Classic"]


def test_a_class_added_again_replaces_the_first() -> None:
    registry = Registry({"Classic": Classic})
    assert registry["Classic"].category == "sd"
    registry.add({"Classic": NodeSchema("Classic", (), (), category="new")})
    assert registry["Classic"].category == "new"


def test_two_registries_know_nothing_of_each_other() -> None:
    one, other = Registry().add(Invert), Registry().add(Blur)
    assert list(one) == ["Invert"]
    assert list(other) == ["Blur"]


def test_unknown_class() -> None:
    with pytest.raises(UnknownNode) as caught:
        Registry().add(Invert)["Invrt"]
    assert caught.value.exit_code == 3
    assert str(caught.value).startswith(
        "unknown node class 'Invrt' (did you mean 'Invert'?; --custom-nodes DIR loads packs"
    )


def test_object_info_fills_in_what_is_not_there() -> None:
    info = {"input": {"required": {}}, "output": [], "category": "dump"}
    registry = Registry().add(Invert).add_object_info({"Invert": info, "Exotic": info})
    assert registry["Invert"].category == "test"
    assert registry.find("Exotic").unavailable == "only its description is known here"
    assert registry.find("Exotic").options == NodeOptions()
    with pytest.raises(NotRunnable, match="Exotic cannot be run: only its description is known here"):
        registry.runnable("Exotic")
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
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import Socket
from weft.engine.workflow.validation import validate

@node(category="test")
def Invert(*, image: Annotated[Any, Socket("IMAGE")]) -> Annotated[Any, Socket("IMAGE")]:
    return image
"""


def test_a_file_is_imported_when_its_class_is_asked_for(module: Path) -> None:
    module.write_text(SOURCE)
    registry = Registry({"Invert": "toy_nodes:Invert"})
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
        (SOURCE, "toy_nodes", "'Invert' cannot be loaded from 'toy_nodes': AttributeError"),
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


@pytest.mark.parametrize("source", [Blur, NodeSchema("Blur", (), ())])
def test_names_must_agree(source: Any) -> None:
    registry = Registry({"Invert": source})
    with pytest.raises(DefinitionError, match="'Invert' is registered as 'Blur'"):
        registry["Invert"]


class Entry:
    """Stands for an installed entry point."""

    def __init__(self, name: str, pack: Any, library: str = "toys") -> None:
        self.name = name
        self.dist = SimpleNamespace(name=library)
        self.value = f"{name}:NODES"
        self.module = name
        self.pack = pack

    def load(self) -> Any:
        if isinstance(self.pack, BaseException):
            raise self.pack
        print("### a banner, as packs print it")
        return self.pack


def install(monkeypatch: pytest.MonkeyPatch, *entries: Entry, packs: tuple[Entry, ...] = ()) -> None:
    """As if nothing but these mappings of nodes and these packs were installed."""
    groups = {"weft.nodes": entries, "weft.packs": packs}
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: groups[group])
    monkeypatch.setattr("weft.engine.schema.packs.CHECKOUT", Path("no/pyproject.toml"))


def test_packs_are_found_by_their_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Entry("one", {"Invert": Invert}), Entry("two", {"Blur": Blur}))
    assert list(Registry.discover()) == ["Invert", "Blur"]


@pytest.mark.parametrize(
    ("pack", "message"),
    [
        (ImportError("no folder_paths"), "node pack 'bad' (bad:NODES) cannot be loaded: ImportError: no folder_paths"),
        (SystemExit(3), "node pack 'bad' (bad:NODES) cannot be loaded: SystemExit: 3"),
        ([Invert], "node pack 'bad' (bad:NODES): expected a mapping, got ["),
    ],
)
def test_a_pack_that_cannot_be_used_is_told_of_and_left_out(
    pack: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    install(monkeypatch, Entry("bad", pack), Entry("good", {"Blur": Blur}))
    found = Registry.discover(told.append)
    for registry in (found, found.copy()):
        assert list(registry) == ["Blur"]
        with pytest.raises(UnknownNode) as caught:
            registry["Invert"]
        assert message in caught.value.hint
        assert "pip install" in caught.value.hint
    assert [one.startswith(message) for one in told] == [True]


def test_what_nobody_asked_to_be_told_is_a_python_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Entry("bad", ImportError("no numba")), Entry("good", {"Blur": Blur}))
    with pytest.warns(WeftWarning, match="node pack 'bad' .* ImportError: no numba"):
        Registry.discover()


def test_without_any_pack_nothing_can_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    with pytest.raises(DefinitionError, match="no node pack is installed"):
        Registry.discover()
    install(monkeypatch, Entry("bad", ImportError("no torch")))
    with pytest.raises(DefinitionError, match="ImportError: no torch"):
        Registry.discover([].append)


def test_a_pack_brings_nodes_and_their_titles(monkeypatch: pytest.MonkeyPatch) -> None:
    pack = Pack(nodes={"Invert": Invert, "Classic": Classic}, titles={"Classic": "A classic"})
    install(monkeypatch, Entry("other", {"Blur": Blur}), packs=(Entry("mine", pack),))
    registry = Registry.discover()
    assert list(registry) == ["Invert", "Classic", "Blur"]
    assert registry["Classic"].display_name == "A classic"
    assert [one.name for one in registry.packs] == ["mine", "other"]


def test_a_library_that_is_in_both_groups_is_read_as_a_pack(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Entry("one", {"Blur": Blur}), packs=(Entry("one", Pack(nodes={"Invert": Invert})),))
    assert list(Registry.discover()) == ["Invert"]


def test_a_mapping_called_as_a_pack_of_another_library_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    pack = Entry("one", Pack(nodes={"Invert": Invert, "X": Invert}))
    install(monkeypatch, Entry("one", {"Blur": Blur, "X": Blur}, library="others"), packs=(pack,))
    assert list(Registry.discover(told.append).schemas([].append)) == [
        read_function(one).schema for one in (Invert, Blur)
    ]
    assert told == ["'X' is in two packs: 'one' and 'one of others'; it is left out"]


@pytest.mark.parametrize(
    ("pack", "message"),
    [
        (ImportError("no cv2"), "node pack 'bad' (bad:NODES) cannot be loaded: ImportError: no cv2"),
        ({"Invert": Invert}, "node pack 'bad' (bad:NODES): expected a Pack, got {"),
    ],
)
def test_a_broken_pack_is_told_of_and_the_others_stay(pack: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    install(monkeypatch, packs=(Entry("bad", pack), Entry("good", Pack(nodes={"Blur": Blur}))))
    assert list(Registry.discover(told.append)) == ["Blur"]
    assert [one.startswith(message) for one in told] == [True]


def test_a_checkout_knows_its_own_pack_whatever_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: ())
    assert "KSampler" in Registry.discover()


def test_a_registry_by_hand_knows_what_installed_packs_bring() -> None:
    assert [pack.name for pack in Registry({"Invert": Invert}).packs] == ["builtin"]
    mine = Packs((Pack(name="mine"),))
    assert Registry(packs=mine).copy().packs is mine


class Bad(Classic):
    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        raise RuntimeError("boom")


def test_a_bad_class_is_left_out_and_the_others_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    pack = {"Classic": Classic, "Bad": Bad, "Gone": "no_such_module:Gone", "Five": 5, "Blur": Blur}
    install(monkeypatch, Entry("mine", pack))
    registry = Registry.discover()
    assert [one.class_type for one in registry.schemas(told.append)] == ["Classic", "Blur"]
    assert [message.partition(":")[0] for message in told] == ["node pack 'mine'"] * 3
    assert "Bad" in told[0]
    assert "RuntimeError: boom; it is left out" in told[0]
    assert "Bad" not in registry
    assert registry.find("Bad") is None
    message, _ = registry.unknown("Bad")
    assert message.startswith("node class 'Bad' cannot be used: node pack 'mine': Bad: INPUT_TYPES")
    with pytest.raises(DefinitionError, match="boom"):
        registry["Bad"]


def test_a_bad_class_is_an_issue_of_the_workflow_that_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Entry("mine", {"Classic": Classic, "Bad": Bad}), Entry("broken", ImportError("no numba")))
    nodes = {"1": {"class_type": "Bad"}, "2": {"class_type": "Other"}, "3": {"class_type": "Classic"}}
    registry = Registry.discover([].append)
    bad, other = (issue for issue in validate(Prompt.parse(nodes), registry) if issue.code == "missing_node_type")
    assert (bad.node_id, other.node_id) == ("1", "2")
    assert "node pack 'mine': Bad: " in bad.message
    assert bad.message.endswith("RuntimeError: boom")
    assert other.hint == "node pack 'broken' (broken:NODES) cannot be loaded: ImportError: no numba"


def test_a_dump_describes_a_class_that_is_faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Entry("mine", {"Bad": Bad, "Blur": Blur}))
    registry = Registry.discover()
    assert "Bad" not in registry
    registry.add_object_info({"Bad": {"input": {"required": {}}, "output": [], "category": "dump"}})
    assert registry["Bad"].category == "dump"


def test_a_class_of_two_packs_is_left_out_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    install(monkeypatch, Entry("one", {"X": Invert, "Invert": Invert}), Entry("two", {"X": Blur, "Blur": Blur}))
    registry = Registry.discover(told.append)
    assert [one.class_type for one in registry.schemas([].append)] == ["Invert", "Blur"]
    assert told == ["'X' is in two packs: 'one' and 'two'; it is left out"]
    assert registry.unknown("X")[0].endswith("cannot be used: 'X' is in two packs: 'one' and 'two'")


def test_a_pack_can_name_its_classes(monkeypatch: pytest.MonkeyPatch, module: Path) -> None:
    module.write_text("NODE_DISPLAY_NAME_MAPPINGS = {'Classic': 'A classic', 'Blur': 7, 'Other': 'x'}")
    importlib.import_module("toy_nodes")
    install(monkeypatch, Entry("toy_nodes", {"Classic": Classic, "Blur": Blur}))
    registry = Registry.discover().copy()
    assert registry["Classic"].display_name == "A classic"
    assert registry["Blur"].display_name == "Blur"
    assert find_node(Prompt.parse({"4": {"class_type": "Classic"}}), "A classic", registry) == "4"


def test_what_a_pack_prints_is_no_result_of_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, Entry("one", {"Invert": Invert}))
    assert cli.main(["nodes", "--json"]) == 0
    out, err = capsys.readouterr()
    assert list(json.loads(out)) == ["Invert"]
    assert err == "### a banner, as packs print it\n"


def test_the_built_in_nodes_are_an_installed_pack() -> None:
    assert {"KSampler", "SaveImage"} <= set(Registry.discover())


def test_what_a_call_imports_stands_in_the_file_or_in_a_package_around_it() -> None:
    """The nearest one: the built-in nodes' package says torch, a file that needs nothing says so."""
    registry = Registry.discover()
    assert registry.runnable("KSampler").libraries == ("torch",)
    assert registry.runnable("PrimitiveInt").libraries == ()
