"""Classes of V3: what object_info says of them, what their methods receive, and what becomes of what they return."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Any

import pytest

from weft.engine.schema.node import NodeSchema, RunnableNode
from weft.engine.schema.v1 import read_class
from weft.engine.values import ExecutionBlocker
from weft.nodes.compat.modules.comfy_api.latest import io

from ..reference.store import FOLDER

Json = dict[str, Any]

OBJECT_INFO: Json = json.loads((FOLDER / "units/object_info.json").read_text())
V3 = [name for name, info in OBJECT_INFO.items() if {"api_node", "deprecated"} <= info.keys()]
"""The classes of ComfyUI 0.3.64 that are of V3: their entries have all fields."""

TYPES = {each.io_type: each for each in vars(io).values() if isinstance(each, type) and hasattr(each, "io_type")}
TYPES["COMBO"] = io.Combo


def restated(name: str, entry: list[Any], optional: bool) -> Any:
    """The input that an entry of object_info says."""
    io_type, options = entry
    named = {option: field for field, option in TYPES.get(io_type, io.Custom(io_type)).Input.own.items()}
    widget = {"default": "default", "forceInput": "force_input", "multiselect": None, "video_upload": None}
    given = {(named | widget).get(option, option): value for option, value in options.items()}
    if given.pop(None, None) and options.get("video_upload"):
        given["upload"] = io.UploadType.video
    given.pop(None, None)
    return TYPES.get(io_type, io.Custom(io_type)).Input(name, optional=optional, **given)


def class_like(info: Json) -> type:
    """A class of V3 with the definition that an entry of object_info tells."""
    sections = info["input"]
    schema = io.Schema(
        node_id=info["name"],
        display_name=info["display_name"],
        category=info["category"],
        inputs=[
            restated(name, entry, section == "optional")
            for section in ("required", "optional")
            for name, entry in sections.get(section, {}).items()
        ],
        outputs=[
            TYPES.get(io_type, io.Custom(io_type)).Output(
                display_name=None if output == io_type else output, is_output_list=is_list
            )
            for io_type, output, is_list in zip(
                info["output"], info["output_name"], info["output_is_list"], strict=True
            )
        ],
        hidden=[io.Hidden[name] for name in sections.get("hidden", {})],
        description=info["description"],
        is_output_node=info["output_node"],
        is_deprecated=info["deprecated"],
        is_experimental=info["experimental"],
        is_api_node=info["api_node"],
    )
    methods = {"define_schema": classmethod(lambda cls: schema), "RELATIVE_PYTHON_MODULE": info["python_module"]}
    return type(info["name"], (io.ComfyNode,), methods)


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


@pytest.mark.parametrize("name", V3)
def test_object_info_is_comfyuis(name: str) -> None:
    info = OBJECT_INFO[name]
    cls: Any = class_like(info)
    told = as_json(cls.GET_NODE_INFO_V1())
    told.pop("output_tooltips")  # the reference has no texts
    assert told == info
    found = read_class(name, cls)
    assert found.schema.inputs == NodeSchema.from_object_info(name, info).inputs
    assert found.schema.outputs == NodeSchema.from_object_info(name, info).outputs


def node(*inputs: Any, outputs: Any = (), **more: Any) -> Any:
    """A class of V3 with these inputs; what is a Schema's goes there, methods into the class."""
    methods = {
        name: more.pop(name) for name in list(more) if callable(more[name]) or isinstance(more[name], classmethod)
    }
    schema = io.Schema(node_id="Mine", inputs=list(inputs), outputs=list(outputs), **more)
    methods.setdefault("execute", classmethod(lambda cls, **inputs: io.NodeOutput(inputs)))
    return type("Mine", (io.ComfyNode,), {"define_schema": classmethod(lambda cls: schema), **methods})


def received(cls: Any, **inputs: Any) -> Any:
    """What `execute` receives for inputs as the engine has them."""
    return cls.EXECUTE_NORMALIZED(**inputs)[0]


@pytest.mark.parametrize(
    ("declared", "spelled"),
    [
        (
            io.Int.Input(
                "x", "X", True, "t", default=1, min=0, max=9, step=2, display_mode=io.NumberDisplay.slider,
                control_after_generate=io.ControlAfterGenerate.fixed, advanced=True, raw_link=True, lazy=True,
                socketless=True, force_input=True, extra_dict={"own": 1},
            ),
            ("INT", {
                "display_name": "X", "tooltip": "t", "lazy": True, "rawLink": True, "advanced": True, "default": 1,
                "socketless": True, "forceInput": True, "min": 0, "max": 9, "step": 2, "display": "slider",
                "control_after_generate": "fixed", "own": 1,
            }),
        ),
        (
            io.String.Input("x", multiline=True, placeholder="p", dynamic_prompts=True),
            ("STRING", {"multiline": True, "placeholder": "p", "dynamicPrompts": True}),
        ),
        (io.Boolean.Input("x", label_on="a", label_off="b"), ("BOOLEAN", {"label_on": "a", "label_off": "b"})),
        (
            io.Combo.Input("x", io.NumberDisplay, default=io.NumberDisplay.number),
            ("COMBO", {
                "multiselect": False, "options": ["number", "slider", "color", "gradientslider"], "default": "number",
            }),
        ),
        (
            io.Combo.Input("x", ["a"], upload=io.UploadType.image, image_folder=io.FolderType.output),
            ("COMBO", {"multiselect": False, "options": ["a"], "image_upload": True, "image_folder": "output"}),
        ),
        (
            io.Combo.Input("x", remote=io.RemoteOptions("/r", True, timeout=5)),
            ("COMBO", {
                "multiselect": False,
                "remote": {"route": "/r", "refresh_button": True, "control_after_refresh": "first", "timeout": 5},
            }),
        ),
        (io.MultiType.Input("x", [io.Image, io.Mask, io.Image]), ("IMAGE,MASK", {})),
        (
            io.MultiType.Input(io.Float.Input("x", default=1.0), [io.Float, io.Int], tooltip="t"),
            ("FLOAT,INT", {"tooltip": "t", "default": 1.0, "widgetType": "FLOAT"}),
        ),
        (
            io.MatchType.Input("x", io.MatchType.Template("t", [io.Image, io.Latent]), lazy=True),
            ("COMFY_MATCHTYPE_V3", {
                "lazy": True, "template": {"template_id": "t", "allowed_types": "IMAGE,LATENT"},
            }),
        ),
        (
            io.Autogrow.Input("x", io.Autogrow.TemplatePrefix(io.Float.Input("f"), "f", min=1, max=3)),
            ("COMFY_AUTOGROW_V3", {
                "template": {
                    "input": {"required": {"f": ("FLOAT", {"forceInput": True})}}, "prefix": "f", "min": 1, "max": 3
                },
            }),
        ),
        (
            io.Autogrow.Input("x", template=io.Autogrow.TemplateNames(io.Image.Input("i"), ["a", "b"], min=2)),
            ("COMFY_AUTOGROW_V3", {
                "template": {"input": {"required": {"i": ("IMAGE", {})}}, "names": ["a", "b"], "min": 2},
            }),
        ),
        (
            io.DynamicCombo.Input(
                "x", [io.DynamicCombo.Option("k", [io.Int.Input("w"), io.Mask.Input("m", optional=True)])]
            ),
            ("COMFY_DYNAMICCOMBO_V3", {
                "options": [{"key": "k", "inputs": {"required": {"w": ("INT", {})}, "optional": {"m": ("MASK", {})}}}],
            }),
        ),
        (
            io.DynamicSlot.Input(io.Image.Input("x"), [io.Int.Input("w")]),
            ("COMFY_DYNAMICSLOT_V3", {"slotType": "IMAGE", "inputs": {"required": {"w": ("INT", {})}}}),
        ),
    ],
)  # fmt: skip
def test_options(declared: Any, spelled: Any) -> None:
    assert declared.spelled() == spelled


def test_a_choice_of_several_says_so() -> None:
    io_type, options = io.MultiCombo.Input("x", ["a", "b"], default=["a"], chip=True).spelled()
    assert (io_type, options["multiselect"], options["default"], options["chip"]) == ("COMBO", True, ["a"], True)


def test_a_slip_is_no_option() -> None:
    with pytest.raises(TypeError, match="has no argument 'defualt'"):
        io.Int.Input("x", defualt=1)
    with pytest.raises(ValueError, match="two inputs are named 'x'"):
        node(io.Int.Input("x"), io.Int.Input("x")).GET_SCHEMA()


def test_types_of_a_packs_own() -> None:
    cheese = io.Custom("CHEESE")

    @io.comfytype(io_type="WINE")
    class Wine:
        Type = dict

        class Input(io.Input):
            def __init__(self, id: str, **more: Any) -> None:
                super().__init__(id, **more)

    @io.comfytype(io_type="BREAD")
    class Bread(io.ComfyTypeIO):
        pass

    cls = node(cheese.Input("a"), Wine.Input("b", optional=True), Bread.Input("c"), outputs=[Bread.Output("out")])
    assert cls.INPUT_TYPES() == {
        "required": {"a": ("CHEESE", {}), "c": ("BREAD", {})},
        "optional": {"b": ("WINE", {})},
    }
    assert (cls.RETURN_TYPES, cls.RETURN_NAMES) == (("BREAD",), ("BREAD",))
    assert io.Image.io_type == "IMAGE" and io.Image.Input.io_type == "IMAGE", "one type does not name another"


MODE = io.DynamicCombo.Input(
    "mode",
    [
        io.DynamicCombo.Option("size", [io.Int.Input("width"), io.Mask.Input("mask", optional=True)]),
        io.DynamicCombo.Option(
            "inner", [io.DynamicCombo.Input("sub", [io.DynamicCombo.Option("a", [io.Float.Input("x")])])]
        ),
        io.DynamicCombo.Option(
            "row", [io.Autogrow.Input("images", io.Autogrow.TemplatePrefix(io.Image.Input("i"), "image"))]
        ),
    ],
)
ROW = io.Autogrow.Input("row", io.Autogrow.TemplatePrefix(io.Image.Input("i"), "image", min=0, max=12))


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"mode": "size", "mode.width": 3}, {"mode": "size", "width": 3, "mask": None}),
        ({"mode": "inner", "mode.sub": "a", "mode.sub.x": 1.5}, {"mode": "inner", "sub": {"sub": "a", "x": 1.5}}),
        (
            {"mode": "row", "mode.images.image1": "b", "mode.images.image0": "a"},
            {"mode": "row", "images": {"image0": "a", "image1": "b"}},
        ),
        ({"mode": "row"}, {"mode": "row", "images": {}}),
    ],
)
def test_a_choice_is_received_as_a_dict(given: Json, found: Json) -> None:
    assert received(node(MODE, io.Int.Input("n")), n=1, **given) == {"mode": found, "n": 1}


def test_a_row_is_received_in_its_order() -> None:
    cls = node(ROW)
    assert received(cls) == {"row": {}}
    given = {f"row.image{number}": number for number in (10, 2, 0)}
    assert list(received(cls, **given)["row"]) == ["image0", "image2", "image10"]


def test_a_slot_brings_its_inputs_once_it_is_linked() -> None:
    cls = node(io.DynamicSlot.Input(io.Image.Input("image"), [io.Int.Input("w")]))
    assert received(cls, image="pixels", **{"image.w": 3}) == {"image": {"image": "pixels", "w": 3}}
    assert received(cls) == {"image": {"image": None}}


def test_hidden_values_are_those_of_the_call() -> None:
    def told(cls: Any, x: int) -> Any:
        return io.NodeOutput((cls.hidden.unique_id, cls.hidden.prompt, cls.hidden.dynprompt, x))

    cls = node(io.Int.Input("x"), hidden=[io.Hidden.unique_id], is_output_node=True, execute=classmethod(told))
    assert cls.INPUT_TYPES()["hidden"] == {
        "unique_id": ("UNIQUE_ID",), "prompt": ("PROMPT",), "extra_pnginfo": ("EXTRA_PNGINFO",)
    }  # fmt: skip
    assert received(cls, x=1, unique_id="7", prompt={"a": 1}) == ("7", {"a": 1}, None, 1)
    assert cls.hidden.unique_id is None


def test_an_input_may_be_called_as_a_hidden_value_is() -> None:
    def told(cls: Any, prompt: str) -> Any:
        return io.NodeOutput((prompt, cls.hidden.prompt))

    cls = node(io.String.Input("prompt"), is_output_node=True, execute=classmethod(told))
    runnable = read_class("Mine", cls)
    given = {name: {"whole": 1} for name, kind in runnable.injected.items() if kind == "PROMPT"}
    assert received(cls, prompt="a cat", **given) == ("a cat", {"whole": 1})
    assert list(cls.GET_NODE_INFO_V1()["input"]["hidden"]) == ["prompt", "extra_pnginfo"]


def test_a_call_keeps_nothing_on_the_class() -> None:
    def keep(cls: Any) -> Any:
        cls.count = 1

    with pytest.raises(AttributeError, match=r"Mine\.count cannot be set in a call"):
        node(execute=classmethod(keep)).EXECUTE_NORMALIZED()


class Shown:
    def as_dict(self) -> Json:
        return {"text": ["shown"]}


@pytest.mark.parametrize(
    ("returned", "given"),
    [
        (io.NodeOutput(1, 2), (1, 2)),
        (io.NodeOutput(), ()),
        (None, ()),
        ((1, 2), (1, 2)),
        (io.NodeOutput(1, ui=Shown()), {"result": (1,), "ui": {"text": ["shown"]}}),
        (io.NodeOutput(ui={"images": []}), {"result": (), "ui": {"images": []}}),
        ({"result": (1,), "ui": {"a": [1]}}, {"result": (1,), "ui": {"a": [1]}}),
        (io.NodeOutput(block_execution="closed"), ExecutionBlocker("closed")),
        (
            io.NodeOutput(block_execution="closed", ui=Shown()),
            {"result": ExecutionBlocker("closed"), "ui": {"text": ["shown"]}},
        ),
        (ExecutionBlocker("closed"), ExecutionBlocker("closed")),
        (io.NodeOutput(["4", 0], expand={"4": {}}), {"result": (["4", 0],), "expand": {"4": {}}}),
    ],
)  # fmt: skip
def test_what_is_returned(returned: Any, given: Any) -> None:
    assert node(enable_expand=True, execute=classmethod(lambda cls: returned)).EXECUTE_NORMALIZED() == given


@pytest.mark.parametrize(
    ("returned", "message"),
    [("text", "returned str, expected an io.NodeOutput"), (io.NodeOutput(expand={}), "needs enable_expand=True")],
)
def test_what_may_not_be_returned(returned: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        node(execute=classmethod(lambda cls: returned)).EXECUTE_NORMALIZED()


def test_the_methods_that_the_engine_asks_for_are_there_if_they_are_written() -> None:
    bare = node()
    assert not any(hasattr(bare, name) for name in ("VALIDATE_INPUTS", "IS_CHANGED", "check_lazy_status"))

    async def validate(cls: Any, x: int, mode: Any, input_types: Any = None) -> Any:
        return (x, mode, cls.hidden.unique_id)

    cls = node(
        MODE,
        ROW,
        io.Int.Input("x"),
        hidden=[io.Hidden.unique_id],
        validate_inputs=classmethod(validate),
        fingerprint_inputs=classmethod(lambda cls, **inputs: inputs),
        check_lazy_status=classmethod(lambda cls, **inputs: inputs),
    )
    assert inspect.getfullargspec(cls.VALIDATE_INPUTS).args == ["x", "mode", "input_types"]
    assert inspect.iscoroutinefunction(cls.VALIDATE_INPUTS)
    given = {"mode": "size", "x": 1, "unique_id": "7"}
    assert asyncio.run(cls.VALIDATE_INPUTS(**given)) == (1, {"mode": "size", "width": None, "mask": None}, "7")
    given |= {"mode.width": 2, "row.image0": None}
    plain = {"x": 1, "mode": {"mode": "size", "width": 2, "mask": None}, "row": {"image0": None}}
    assert cls.IS_CHANGED(**given) == plain
    told = {
        "x": 1,
        "mode": {"mode": ("size", "mode"), "width": (2, "mode.width"), "mask": (None, "mode.mask")},
        "row": {"image0": (None, "row.image0")},
    }
    assert cls().check_lazy_status(**given) == told


def test_an_execute_that_waits() -> None:
    async def wait(cls: Any, x: int) -> Any:
        await asyncio.sleep(0)
        return io.NodeOutput(x + 1)

    cls = node(io.Int.Input("x"), execute=classmethod(wait), outputs=[io.Int.Output()])
    found = read_class("Mine", cls)
    assert isinstance(found, RunnableNode) and found.asynchronous
    assert asyncio.run(found.call(x=1)) == (2,)


def test_classes_inherit_from_one_another() -> None:
    base = node(io.Int.Input("x"), execute=classmethod(lambda cls, x: io.NodeOutput(x)))

    class Child(base):  # type: ignore[misc, valid-type]
        @classmethod
        def define_schema(cls) -> Any:
            schema = super().define_schema()
            return io.Schema(node_id="Child", inputs=[*schema.inputs, io.Int.Input("y")])

        @classmethod
        def execute(cls, x: int, y: int) -> Any:
            return io.NodeOutput(super().execute(x)[0] + y)

    assert not hasattr(io.ComfyNode, "RETURN_TYPES"), "a base is no class of V1"
    base.GET_SCHEMA()
    assert list(Child.INPUT_TYPES()["required"]) == ["x", "y"]
    assert Child.EXECUTE_NORMALIZED(x=1, y=2) == (3,)
