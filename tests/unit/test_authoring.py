from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, Optional

import pytest

from weft.engine.context import RunContext
from weft.engine.errors import DefinitionError
from weft.engine.schema.authoring import UI, Each, Hidden, Output, Tooltip, UniqueId, is_marked, node, read_function
from weft.engine.schema.node import InputSpec, Listing, NodeOptions, OutputSpec
from weft.engine.schema.sockets import Autogrow, Combo, DynamicCombo, Files, Int, Socket

Image = Annotated[Any, Socket("IMAGE")]
Steps = Annotated[int, Int(default=20, min=1)]


@node(category="test", version=3)
def Plain(*, image: Image, steps: Steps, context: RunContext, unique_id: UniqueId) -> Image:
    """Do one thing,
    and say so: plainly.

    Args:
        image: The picture; see
            also: the mask.
        steps: How many.

    Returns:
        image: nothing of a tooltip.
    """
    return image, steps, context.node_id, unique_id


@node(category="test")
def WithOptional(
    *,
    first: Image = None,
    second: Image,
    third: Annotated[Any, Socket("MASK")] | None = None,
    fourth: Optional[Image] = None,  # noqa: UP045
) -> None: ...


@node(category="test", class_type="Other Name", display_name="Shown", python_module="pack")
def named(*, kind: Annotated[str, Combo(["a", "b"])], file: Annotated[str, Files("loras")]) -> UI:
    return UI(text=[kind, file])


@node(category="test")
def Several(*, n: Annotated[Steps, Int(default=5)]) -> tuple[Image, Annotated[Image, Output("mask")]]:
    return n, n


How = DynamicCombo(options=[{"key": "by", "inputs": {"required": {"factor": ["INT", {}]}}}, {"key": "not"}])
Row = Autogrow(template={"input": {"required": {"image": ["IMAGE", {}]}}, "prefix": "image", "min": 1, "max": 3})


@node(category="test")
def Unfolding(*, how: Annotated[Any, How], images: Annotated[Any, Row], steps: Steps) -> tuple[Image, Image, Steps]:
    return how, images, steps


@node(category="test")
def Choice() -> Annotated[str, Combo(["a", "b"])]:
    return "a"


@node(category="test")
def Nothing() -> tuple[()]:
    return ()


def test_a_plain_function_is_read() -> None:
    runnable = read_function(Plain)
    schema = runnable.schema
    assert schema.class_type == schema.display_name == "Plain"
    assert schema.description == "Do one thing, and say so: plainly."
    assert schema.inputs == (
        InputSpec("image", Socket("IMAGE")),
        InputSpec("steps", Int(default=20, min=1)),
        InputSpec("unique_id", Socket("UNIQUE_ID"), "hidden"),
    )
    tooltips = {name: spec.socket.options.get("tooltip") for name, spec in schema.by_name.items()}
    assert tooltips == {"image": "The picture; see also: the mask.", "steps": "How many."}
    assert schema.outputs == (OutputSpec("IMAGE", "IMAGE"),)
    assert runnable.version == "3"
    assert runnable.injected == {"context": "CONTEXT", "unique_id": "UNIQUE_ID"}
    assert runnable.by_node_id


def test_a_shared_alias_keeps_its_own_options() -> None:
    read_function(Plain)
    assert "tooltip" not in Steps.__metadata__[0].options


Documented = Annotated[Steps, Tooltip("How many.")]


@node(category="test")
def Shared(*, steps: Documented, more: Documented | None = None, own: Annotated[Documented, Tooltip("Others.")]) -> UI:
    """Share.

    Args:
        more: How many more.
    """
    return UI(text=[steps, more, own])


def test_what_unfolds_is_given_as_one_dict() -> None:
    call = read_function(Unfolding).call
    given = {"how": "by", "how.factor": 2, "images.image0": "a", "images.image1": "b", "steps": 3}
    assert call(**given) == ({"how": "by", "factor": 2}, {"image0": "a", "image1": "b"}, 3)
    assert call(how="not", steps=3) == ({"how": "not"}, {}, 3)


@node(category="test")
def Many(*, image: Image, **numbers: Annotated[Steps, Tooltip("How many."), Each(("a.", "b.0"))]) -> Steps:
    """Add them up.

    Args:
        image: The picture.
    """
    return sum(numbers.values())


def test_one_parameter_may_stand_for_many_inputs() -> None:
    made = read_function(Many)
    assert [spec.name for spec in made.schema.inputs] == ["image", "a.", "b.0"]
    assert [spec.socket.options for spec in made.schema.inputs[1:]] == [
        {"default": 20, "min": 1, "tooltip": "How many."}
    ] * 2
    assert made.call(image=None, **{"a.": 1, "b.0": 2}) == (3,)


def test_what_an_alias_says_of_its_input_is_the_tooltip_unless_the_docstring_says_more() -> None:
    tooltips = {spec.name: spec.socket.options.get("tooltip") for spec in read_function(Shared).schema.inputs}
    assert tooltips == {"steps": "How many.", "more": "How many more.", "own": "Others."}


def test_a_python_default_makes_an_input_optional() -> None:
    specs = read_function(WithOptional).schema.inputs
    assert [(spec.name, spec.section, spec.socket.io_type) for spec in specs] == [
        ("second", "required", "IMAGE"),
        ("first", "optional", "IMAGE"),
        ("third", "optional", "MASK"),
        ("fourth", "optional", "IMAGE"),
    ]


def test_names_can_be_given() -> None:
    schema = read_function(named).schema
    assert (schema.class_type, schema.display_name, schema.python_module) == ("Other Name", "Shown", "pack")
    assert schema.description == ""


def test_all_that_node_is_given_arrives() -> None:
    said: dict[str, Any] = {f.name: True if f.type == "bool" else f"my {f.name}" for f in fields(Listing)}
    told: dict[str, Any] = {f.name: object() for f in fields(NodeOptions)}

    def Told() -> None: ...

    read = read_function(node(**said, **told)(Told))
    assert {name: getattr(read.schema, name) for name in said} == said
    assert {name: getattr(read.options, name) for name in told} == told


def test_a_category_must_be_given() -> None:
    with pytest.raises(TypeError, match="category"):
        node()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("function", "inputs", "outputs", "returned"),
    [
        (Several, {"n": 1}, [("IMAGE", "IMAGE"), ("mask", "IMAGE")], (1, 1)),
        (Choice, {}, [("COMBO", ("a", "b"))], ("a",)),
        (Nothing, {}, [], ()),
        (WithOptional, {"second": 1}, [], None),
        (named, {"kind": "a", "file": "f"}, [], {"ui": {"text": ["a", "f"]}}),
    ],
)
def test_the_return_annotation_is_return_types(
    function: Any, inputs: dict[str, Any], outputs: list[tuple[str, Any]], returned: Any
) -> None:
    runnable = read_function(function)
    assert [(output.name, output.io_type) for output in runnable.schema.outputs] == outputs
    assert runnable.call(**inputs) == returned


def test_the_outermost_socket_wins() -> None:
    assert read_function(Several).schema.inputs == (InputSpec("n", Int(default=5)),)


def test_the_mark_changes_nothing() -> None:
    assert Several(n=2) == (2, 2)
    assert is_marked(Several)
    assert not is_marked(test_names_can_be_given)
    assert not is_marked(5)


@node(category="test")
def positional(image: Image) -> Image: ...


@node(category="test")
def bare(*, image: int) -> Image: ...


@node(category="test")
def unannotated(*, image) -> Image: ...  # type: ignore[no-untyped-def]


@node(category="test")
def ambiguous(*, image: Image | Steps) -> Image: ...


@node(category="test")
def no_return(*, image: Image): ...  # type: ignore[no-untyped-def]


@node(category="test")
def bare_return(*, image: Image) -> int: ...


@node(category="test")
def bare_item(*, image: Image) -> tuple[Image, int]: ...


@node(category="test")
def endless(*, image: Image) -> tuple[Image, ...]: ...


@node(category="test")
def unknown_name(*, image: NoSuchName) -> Image: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (positional, "positional: parameter 'image' must be keyword-only"),
        (bare, "bare: parameter 'image' has no socket"),
        (unannotated, "unannotated: parameter 'image' has no socket"),
        (ambiguous, "ambiguous: parameter 'image' has no socket"),
        (no_return, "no_return: the function says not what it returns"),
        (bare_return, "bare_return: return type <class 'int'> has no socket"),
        (bare_item, "bare_item: return type <class 'int'> has no socket"),
        (endless, "endless: return type Ellipsis has no socket"),
        (unknown_name, "unknown_name: name 'NoSuchName' is not defined"),
        (test_names_can_be_given, "is not a node"),
    ],
)
def test_a_wrong_declaration_is_named(function: Any, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_function(function)
    assert message in caught.value.message


def test_hidden_values_are_declared_but_not_given_by_a_workflow() -> None:
    assert Hidden("PROMPT").io_type == "PROMPT"
    assert "unique_id" not in read_function(Plain).schema.by_name
