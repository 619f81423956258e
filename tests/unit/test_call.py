from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest

from weft.engine.cache.protocol import CacheKey, Entry
from weft.engine.context import RunContext
from weft.engine.errors import Interrupted, MissingFile, NodeError, WeftError
from weft.engine.planning.plan import Step
from weft.engine.running.call import call_node
from weft.engine.running.failures import describe
from weft.engine.schema.authoring import UI, ExtraPnginfo, Hidden, PromptJson, UniqueId, node
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Int, Socket
from weft.engine.workflow.prompt import Link

Image = Annotated[Any, Socket("IMAGE")]
Number = Annotated[int, Int()]


@node(category="test")
def Echo(*, image: Image, amount: Number = 1) -> tuple[Image, Image]:
    return image, amount


@node(category="test")
def Injected(
    *,
    context: RunContext,
    prompt: PromptJson,
    info: ExtraPnginfo,
    me: UniqueId,
    token: Annotated[Any, Hidden("AUTH_TOKEN_COMFY_ORG")],
) -> Image:
    context.wrote(Path("a.png"))
    return context.node_id, prompt, info, me, token


@node(category="test", output_node=True)
def Show(*, image: Image) -> UI:
    return UI(text=[image])


RESULT: list[Any] = []


@node(category="test")
def Returns(*, image: Image = None) -> tuple[Image, Image]:
    """Returns, raises or calls what stands in RESULT."""
    value = RESULT[0]
    if isinstance(value, BaseException):
        raise value
    return value() if callable(value) else value


REGISTRY = Registry().add([Echo, Injected, Show, Returns])
Call = Callable[..., Entry]


@pytest.fixture
def call(make_context: Callable[..., RunContext]) -> Call:
    def run(class_type: str, outputs: dict[str, tuple[Any, ...]] | None = None, **inputs: Any) -> Entry:
        node = REGISTRY.runnable(class_type)
        step = Step("7", "A Title", node.schema, inputs, CacheKey(b""))
        context = make_context(prompt=lambda: {"7": {}}, extra_pnginfo=lambda: {"workflow": {}})
        return call_node(step, node, outputs or {}, context)

    return run


def failure(call: Call, result: Any, **inputs: Any) -> NodeError:
    RESULT[:] = [result]
    with pytest.raises(NodeError) as caught:
        call("Returns", **inputs)
    return caught.value


def test_inputs_are_gathered(call: Call) -> None:
    assert call("Echo", {"3": ("a", "b")}, image=Link("3", 1), amount=5) == Entry(("b", 5))


def test_what_the_engine_gives(call: Call) -> None:
    entry = call("Injected")
    assert entry.outputs == (("7", {"7": {}}, {"workflow": {}}, "7", None),)
    assert entry.files == (Path("a.png"),)


@pytest.mark.parametrize(
    ("result", "entry"),
    [
        ((1, 2), Entry((1, 2))),
        ([1, 2], Entry((1, 2))),
        ((None, None), Entry((None, None))),
        ({"result": (1, 2)}, Entry((1, 2))),
        ({"ui": {"text": ["a"]}, "result": [1, 2]}, Entry((1, 2), {"text": ["a"]})),
        ({"ui": None, "result": (1, 2)}, Entry((1, 2))),
    ],
)
def test_forms_of_a_result(result: Any, entry: Entry, call: Call) -> None:
    RESULT[:] = [result]
    assert call("Returns") == entry


def test_an_output_node_s_ui(call: Call) -> None:
    assert call("Show", image="i") == Entry((), {"text": ["i"]})


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ((1,), "ValueError: the node returned 1 outputs, it declares 2"),
        ((1, 2, 3), "ValueError: the node returned 3 outputs, it declares 2"),
        (None, "ValueError: the node returned 0 outputs, it declares 2"),
        ({}, "ValueError: the node returned 0 outputs, it declares 2"),
        (5, "TypeError: the node returned int, expected a tuple of outputs"),
        ("ab", "TypeError: the node returned str, expected a tuple of outputs"),
        ({"result": 5}, "TypeError: the node returned int, expected a tuple of outputs"),
        ({"ui": [1], "result": (1, 2)}, "TypeError: the node returned a ui of type list, expected lists by name"),
        ({"expand": [], "result": (1, 2)}, "TypeError: the node expanded into a list, expected nodes by id"),
    ],
)
def test_nonsense_is_refused(result: Any, message: str, call: Call) -> None:
    assert failure(call, lambda: result).message.startswith(message)


def test_a_failure_tells_node_class_and_inputs(call: Call) -> None:
    error = failure(call, ZeroDivisionError("by zero"), image=[1, 2])
    assert (error.node_id, error.class_type, error.title) == ("7", "Returns", "A Title")
    assert error.message == "ZeroDivisionError: by zero"
    assert error.inputs == {"image": "[1, 2]"}
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert error.exit_code == 1


def test_the_context_is_no_input(make_context: Callable[..., RunContext]) -> None:
    def broken(**inputs: Any) -> Any:
        raise ValueError

    node = replace(REGISTRY.runnable("Injected"), call=broken)
    step = Step("7", "T", node.schema, {"a": 1}, CacheKey(b""))
    with pytest.raises(NodeError) as caught:
        call_node(step, node, {}, make_context())
    assert caught.value.inputs == {"a": "1"}, "what the engine injects is not the user's input"
    assert caught.value.message == "ValueError: ValueError"


@pytest.mark.parametrize(
    ("error", "message", "code"),
    [
        (MissingFile("it is not there", hint="look"), "it is not there (look)", 4),
        (WeftError("said plainly"), "said plainly", 1),
        (OSError(28, "No space left on device", "x.png"), "No space left on device: x.png", 1),
        (MemoryError(), "not enough memory", 1),
        (KeyError("x"), "KeyError: 'x'", 1),
        (RuntimeError(""), "RuntimeError: RuntimeError", 1),
        (StopIteration(), "StopIteration: StopIteration", 1),
    ],
)
def test_messages(error: Exception, message: str, code: int, call: Call) -> None:
    failed = failure(call, error)
    assert failed.message == message
    assert failed.exit_code == code


@pytest.mark.parametrize("error", [Interrupted(), KeyboardInterrupt(), SystemExit(3)])
def test_what_is_no_failure_passes(error: BaseException, call: Call) -> None:
    RESULT[:] = [error]
    with pytest.raises(type(error)):
        call("Returns")


def author_code() -> None:
    raise ValueError("mine")


def author_chain() -> None:
    try:
        author_code()
    except ValueError as error:
        raise RuntimeError("outer") from error


def test_the_author_s_traceback_has_no_frame_of_the_engine(call: Call) -> None:
    text = failure(call, author_code).author_traceback
    assert re.findall(r"in (\w+)", text) == ["Returns", "author_code"]
    assert "/engine/" not in text
    assert text.endswith("ValueError: mine\n")


def test_causes_are_kept(call: Call) -> None:
    text = failure(call, author_chain).author_traceback
    assert "ValueError: mine" in text
    assert "direct cause" in text
    assert text.endswith("RuntimeError: outer\n")
    assert "/engine/" not in text


def test_an_error_of_the_engine_itself_has_no_frames(call: Call) -> None:
    assert "File" not in failure(call, lambda: 5).author_traceback


def test_a_folder_whose_name_begins_like_the_engine_s_is_the_author_s(call: Call, tmp_path: Path) -> None:
    import weft.engine.running.failures

    file = weft.engine.running.failures._ENGINE.rstrip("/") + "_pack/nodes.py"
    namespace: dict[str, Any] = {}
    exec(compile("def boom():\n    raise ValueError('x')\n", file, "exec"), namespace)
    assert file in failure(call, namespace["boom"]).author_traceback


class Tensor:
    def __init__(self, *shape: int) -> None:
        self.shape = shape
        self.dtype = "torch.float32"


class Shapely:
    def shape(self) -> str:
        return "round"


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Tensor(1, 4, 64, 64), "Tensor[1,4,64,64] float32"),
        (Tensor(), "Tensor[] float32"),
        ({"samples": Tensor(1), "n": None}, "{samples: Tensor[1] float32, n: None}"),
        (
            [[Tensor(1, 77), {"pooled_output": Tensor(2)}]],
            "[[Tensor[1,77] float32, {pooled_output: Tensor[2] float32}]]",
        ),
        ((1, 2.5, True, "a"), "[1, 2.5, True, 'a']"),
        (list(range(9)), "[0, 1, 2, 3, ...]"),
        (dict.fromkeys(range(9)), "{0: None, 1: None, 2: None, 3: None, 4: None, 5: None, 6: None, 7: None, ...}"),
        ([], "[]"),
        ({}, "{}"),
        ("x" * 200, "'" + "x" * 76 + "..."),
        (10**100, "a whole number of 333 bits"),
        (10**5000, "a whole number of 16610 bits"),
        (-7, "-7"),
        (object(), "object"),
        (Shapely(), "Shapely"),
        (LOOP, "[[[[...]]]]"),
        (Tensor, "type"),
    ],
    ids=lambda value: str(type(value).__name__),
)
def test_describe(value: Any, text: str) -> None:
    assert describe(value) == text
