from __future__ import annotations

import os
from enum import Enum

import folder_paths
from comfy.comfy_types.node_typing import IO
from comfy_api.latest import io

CALLS = []
Cheese = io.Custom("CHEESE")


class Shape(Enum):
    ROUND = "round"
    SQUARE = "square"


class MakeCheese(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="V3MakeCheese",
            display_name="Make Cheese",
            category="v3",
            inputs=[
                io.Int.Input("age", default=3, min=0, max=99, display_mode=io.NumberDisplay.slider),
                io.Combo.Input("shape", options=Shape, default=Shape.ROUND),
                io.MultiCombo.Input("tags", options=["soft", "hard", "blue"], default=["soft"], chip=True),
            ],
            outputs=[Cheese.Output(display_name="cheese"), io.String.Output()],
        )

    @classmethod
    def execute(cls, age, shape, tags) -> io.NodeOutput:
        CALLS.append(("cheese", age))
        return io.NodeOutput({"age": age}, f"{shape} {'+'.join(tags)} {age}")

    @classmethod
    def validate_inputs(cls, age):
        return True if age != 13 else "no cheese is 13"


class Age(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="V3Age", inputs=[Cheese.Input("cheese")], outputs=[io.Int.Output()])

    @classmethod
    def execute(cls, cheese):
        return io.NodeOutput(cheese["age"])


class Sum(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        row = io.Autogrow.TemplatePrefix(io.Float.Input("value"), prefix="value", min=1, max=12)
        named = io.Autogrow.TemplateNames(io.Int.Input("axis", optional=True), names=["x", "y"], min=0)
        return io.Schema(
            node_id="V3Sum",
            inputs=[io.Autogrow.Input("values", template=row), io.Autogrow.Input("axes", template=named)],
            outputs=[io.Float.Output(), io.String.Output()],
        )

    @classmethod
    def execute(cls, values: io.Autogrow.Type, axes: io.Autogrow.Type):
        return io.NodeOutput(sum(values.values()), ",".join([*values, *axes]))


class Mode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        inner = io.DynamicCombo.Input(
            "unit", [io.DynamicCombo.Option("px", []), io.DynamicCombo.Option("cm", [io.Int.Input("dpi", default=72)])]
        )
        return io.Schema(
            node_id="V3Mode",
            inputs=[
                io.DynamicCombo.Input(
                    "mode",
                    options=[
                        io.DynamicCombo.Option("size", [io.Int.Input("width", default=8), inner]),
                        io.DynamicCombo.Option("none", []),
                    ],
                ),
                io.DynamicSlot.Input(Cheese.Input("cheese"), [io.Int.Input("slices", default=1)]),
            ],
            outputs=[io.AnyType.Output()],
        )

    @classmethod
    def execute(cls, mode: io.DynamicCombo.Type, cheese):
        return io.NodeOutput((mode, cheese))


class Rate(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="V3Rate",
            inputs=[
                io.MultiType.Input(io.Float.Input("rate", default=24.0), types=[io.Float, io.Int, io.String]),
                io.MultiType.Input("either", types=[io.Image, io.Mask], optional=True),
            ],
            outputs=[io.AnyType.Output()],
        )

    @classmethod
    def validate_inputs(cls, input_types):
        return input_types.get("rate", "FLOAT") != "STRING" or "a rate is no text"

    @classmethod
    def execute(cls, rate, either=None):
        return io.NodeOutput((rate, either))


class Kwargs(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="V3Kwargs",
            inputs=[io.Custom(IO.ANY).Input("any", optional=True)],
            outputs=[io.AnyType.Output()],
            accept_all_inputs=True,
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt, io.Hidden.prompt, io.Hidden.extra_pnginfo],
        )

    @classmethod
    def execute(cls, **kwargs):
        hidden = cls.hidden
        known = hidden.dynprompt.has_node(hidden.unique_id), sorted(hidden.prompt), type(hidden.extra_pnginfo).__name__
        return io.NodeOutput((sorted(kwargs.items()), hidden.unique_id, known))


class Changed(io.ComfyNode):
    fingerprint = 0

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="V3Changed", inputs=[io.Int.Input("x", default=0)], outputs=[io.Int.Output()], not_idempotent=True
        )

    @classmethod
    def fingerprint_inputs(cls, x):
        return cls.fingerprint

    @classmethod
    def execute(cls, x):
        CALLS.append(("changed", x))
        return io.NodeOutput(x)


class Lora(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        names = folder_paths.get_filename_list("loras")
        return io.Schema(
            node_id="V3Lora", inputs=[io.Combo.Input("lora", options=["None", *names])], outputs=[io.String.Output()]
        )

    @classmethod
    def execute(cls, lora):
        return io.NodeOutput(lora)


class LoraFile(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        names = folder_paths.get_filename_list("loras")
        return io.Schema(
            node_id="V3LoraFile", inputs=[io.Combo.Input("lora", options=names)], outputs=[io.String.Output()]
        )

    @classmethod
    def execute(cls, lora):
        return io.NodeOutput(os.path.basename(folder_paths.get_full_path_or_raise("loras", lora)))


INPUTS = [Lora, LoraFile, MakeCheese, Age, Sum, Mode, Rate, Kwargs, Changed]
