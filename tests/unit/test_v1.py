from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from weft.engine.context import RunContext, called
from weft.engine.errors import DefinitionError
from weft.engine.links import Link
from weft.engine.schema.authoring import PNGINFO_IF_ANY
from weft.engine.schema.node import OutputSpec, RunnableNode
from weft.engine.schema.v1 import read_class, source_digest


class Base:
    """The smallest class of V1; the tests vary it."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"a": ("INT", {"default": 1})}}

    RETURN_TYPES: Any = ("INT",)
    FUNCTION = "run"

    def run(self, a: int) -> tuple[int]:
        return (a + 1,)


def variant(**attributes: Any) -> type:
    return type("Variant", (Base,), attributes)


def read(class_type: str, cls: type) -> RunnableNode:
    found = read_class(class_type, cls)
    assert isinstance(found, RunnableNode)
    return found


def test_read() -> None:
    runnable = read("Inc", Base)
    schema = runnable.schema
    assert schema.class_type == schema.display_name == "Inc"
    assert schema.category == "sd"
    assert list(schema.by_name) == ["a"]
    assert schema.outputs == (OutputSpec("INT", "INT"),)
    assert runnable.call(a=1) == (2,)
    assert not runnable.by_node_id


def test_flags() -> None:
    schema = read(
        "X",
        variant(OUTPUT_NODE=True, DEPRECATED=True, EXPERIMENTAL=True, API_NODE=True, CATEGORY="c", DESCRIPTION=None),
    ).schema
    assert schema.output_node
    assert schema.deprecated
    assert schema.experimental
    assert schema.api_node
    assert (schema.category, schema.description) == ("c", "")


@pytest.mark.parametrize(
    ("attributes", "outputs"),
    [
        ({"RETURN_TYPES": ()}, []),
        ({"RETURN_TYPES": ("A", "B"), "RETURN_NAMES": ("x",)}, ["x", "B"]),
        ({"RETURN_TYPES": ("A",), "RETURN_NAMES": ("x", "y")}, ["x"]),
        ({"RETURN_TYPES": (["a", "b"],)}, ["COMBO"]),
        ({"RETURN_TYPES": ["A", "B"]}, ["A", "B"]),
    ],
)
def test_output_names(attributes: dict[str, Any], outputs: list[str]) -> None:
    assert [output.name for output in read("X", variant(**attributes)).schema.outputs] == outputs


async def coroutine(self: Any, a: int) -> tuple[int]:
    return (a,)


def test_an_async_function_is_carried_out() -> None:
    found = [read_class("X", variant(**attributes)) for attributes in ({"run": coroutine}, {})]
    assert [isinstance(each, RunnableNode) and each.asynchronous for each in found] == [True, False]


async def awaiting(self: Any, a: int) -> Any:
    await asyncio.sleep(0)
    return called()


@pytest.mark.parametrize("run", [lambda self, a: called(), awaiting])
def test_while_it_is_called_its_context_is_at_hand(run: Any, make_context: Callable[..., RunContext]) -> None:
    runnable = read("X", variant(run=run))
    context = make_context()
    found = runnable.call(a=1, **{"weft context": context})
    assert (asyncio.run(found) if runnable.asynchronous else found) is context
    assert called() is None


def test_hidden_inputs_are_injected_by_type() -> None:
    hidden = {
        "me": "UNIQUE_ID",
        "doc": ("PROMPT",),
        "info": "EXTRA_PNGINFO",
        "token": "AUTH_TOKEN_COMFY_ORG",
        "own": ("INT",),
    }
    runnable = read("X", variant(INPUT_TYPES=lambda: {"hidden": hidden}))
    assert runnable.injected == {
        "me": "UNIQUE_ID",
        "doc": "PROMPT",
        "info": PNGINFO_IF_ANY,
        "token": "AUTH_TOKEN_COMFY_ORG",
        "weft context": "CONTEXT",
    }
    assert runnable.by_node_id


def test_not_idempotent_goes_by_node_id() -> None:
    assert read("X", variant(NOT_IDEMPOTENT=True)).by_node_id


class Switch(Base):
    """A class that tells its further inputs to ComfyUI's functions alone, which it looks for in its call stack."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        asking = [frame.function for frame in inspect.stack(context=0)]
        more = asking[2:4] == ["get_input_info", "add_node"]
        inputs = {f"input{place}": ("*", {"lazy": True}) for place in range(1, 4 if more else 2)}
        return {"required": {"select": ("INT", {"default": 1})}, "optional": inputs}

    def check_lazy_status(self, **given: Any) -> list[str]:
        return [f"input{given['select']}"]


def test_a_class_may_tell_some_of_its_lazy_inputs_to_comfyui_s_functions_alone() -> None:
    node = read("Switch", Switch)
    assert "input2" not in node.schema.names
    link = Link("1", 0)
    given = {"select": 2, "input1": link, "input3": link, "input4": link}
    assert node.lazy(given) == ("input1", "input3")
    assert node.options.claimed("input3") == {"lazy": True} and node.options.claimed("input4") is None


class Bare:
    pass


def angry() -> Any:
    raise KeyError("models folder")


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Bare, "X: the class has no INPUT_TYPES"),
        (type("NoReturn", (), {"INPUT_TYPES": dict, "FUNCTION": "f"}), "X: the class has no RETURN_TYPES"),
        (type("NoFunction", (), {"INPUT_TYPES": dict, "RETURN_TYPES": ()}), "X: the class has no FUNCTION"),
        (variant(FUNCTION="walk"), "AttributeError"),
        (variant(RETURN_TYPES="IMAGE"), "a comma is missing"),
        (variant(RETURN_TYPES=None), "TypeError"),
        (variant(INPUT_TYPES=angry), "KeyError: 'models folder'"),
        (variant(INPUT_TYPES=lambda: {"required": {"a": "INT"}}), "input 'a': expected (type, options), got 'INT'"),
        (variant(INPUT_TYPES=list), "AttributeError"),
    ],
)
def test_a_wrong_class_is_named(cls: type, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_class("X", cls)
    assert caught.value.message.startswith("X: ")
    assert message in caught.value.message


Pack = Callable[[dict[str, str]], Any]


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pack]:
    """Writes files below the empty folder and imports `toypack.nodes.paint`, or the first of the names given."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(files: dict[str, str]) -> Any:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        importlib.invalidate_caches()
        module = next(iter(files)).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return importlib.import_module(module).Node

    yield load
    for name in [name for name in sys.modules if name.split(".")[0].startswith("toypack")]:
        del sys.modules[name]


NODE = "class Node: pass\n"


@pytest.mark.parametrize(
    ("files", "changed", "noticed"),
    [
        ({"toypack/nodes/paint.py": NODE, "toypack/util.py": ""}, "toypack/util.py", True),
        ({"toypack/nodes/paint.py": NODE, "toypack/__init__.py": ""}, "toypack/deep/er/new.py", True),
        ({"toypack/nodes/paint.py": NODE, "toypack/__init__.py": ""}, "toypack/notes.txt", False),
        ({"toypack/nodes/paint.py": NODE, "toypack/__init__.py": ""}, "elsewhere.py", False),
        ({"toypack/__init__.py": NODE, "toypack/util.py": ""}, "toypack/util.py", True),
        ({"toypack_alone.py": NODE}, "toypack_alone.py", True),
        ({"toypack_alone.py": NODE}, "elsewhere.py", False),
    ],
)
def test_the_version_is_the_pack_s_source(
    files: dict[str, str], changed: str, noticed: bool, pack: Pack, tmp_path: Path
) -> None:
    cls = pack(files)
    before = source_digest(cls)
    assert source_digest(cls) == before
    (tmp_path / changed).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / changed).write_text(files.get(changed, "") + "# changed\n")
    assert (source_digest(cls) != before) is noticed


def test_a_renamed_file_is_another_version(pack: Pack, tmp_path: Path) -> None:
    cls = pack({"toypack/nodes/paint.py": NODE, "toypack/a.py": "x = 1"})
    before = source_digest(cls)
    (tmp_path / "toypack/a.py").rename(tmp_path / "toypack/b.py")
    assert source_digest(cls) != before


def test_a_class_typed_into_a_session_is_always_new() -> None:
    namespace: dict[str, Any] = {"__name__": "session"}
    exec(NODE, namespace)
    versions = {source_digest(namespace["Node"]) for _ in range(3)}
    assert len(versions) == 3
    assert all(version.startswith("session:") for version in versions)


def test_a_class_whose_file_is_gone_is_new_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that was read from standard input is."""
    monkeypatch.setattr("inspect.getfile", lambda _: "<stdin>")
    assert source_digest(Exception).startswith("session:")
