from __future__ import annotations

import asyncio

from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder

from .inputs import CALLS


class Switch(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        template = io.MatchType.Template("switch")
        return io.Schema(
            node_id="V3Switch",
            inputs=[
                io.Boolean.Input("switch"),
                io.MatchType.Input("on_false", template=template, lazy=True),
                io.MatchType.Input("on_true", template=template, lazy=True),
            ],
            outputs=[io.MatchType.Output(template=template, display_name="output")],
        )

    @classmethod
    def check_lazy_status(cls, switch, on_false=None, on_true=None):
        if switch and on_true is None:
            return ["on_true"]
        if not switch and on_false is None:
            return ["on_false"]
        return []

    @classmethod
    def execute(cls, switch, on_true, on_false):
        return io.NodeOutput(on_true if switch else on_false)


class FirstOf(io.ComfyNode):
    """Asks for the rows of a lazy input one after the other, until one is more than nothing."""

    @classmethod
    def define_schema(cls):
        row = io.Autogrow.TemplatePrefix(io.Int.Input("value", lazy=True), prefix="value", min=1, max=9)
        return io.Schema(
            node_id="V3FirstOf",
            inputs=[io.Autogrow.Input("values", template=row)],
            outputs=[io.Int.Output()],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def check_lazy_status(cls, values):
        assert cls.hidden.unique_id
        for value, name in values.values():
            if value is None:
                return [name]
            if value:
                break
        return []

    @classmethod
    def execute(cls, values):
        return io.NodeOutput(next((value for value in values.values() if value), 0))


class Repeat(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="V3Repeat",
            inputs=[io.Int.Input("times", default=2), io.Int.Input("value", default=0)],
            outputs=[io.Int.Output()],
            enable_expand=True,
        )

    @classmethod
    def execute(cls, times, value):
        if not times:
            return io.NodeOutput(value)
        graph = GraphBuilder()
        step = graph.node("V3Add", a=value, b=1)
        again = graph.node("V3Repeat", times=times - 1, value=step.out(0))
        return io.NodeOutput(again.out(0), expand=graph.finalize())


class Add(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        inputs = [io.Int.Input("a", default=0), io.Int.Input("b", default=0)]
        return io.Schema(node_id="V3Add", inputs=inputs, outputs=[io.Int.Output()])

    @classmethod
    def execute(cls, a, b):
        CALLS.append(("add", a, b))
        return io.NodeOutput(a + b)


class Waits(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="V3Waits", inputs=[io.Int.Input("value", default=0)], outputs=[io.Int.Output()])

    @classmethod
    async def validate_inputs(cls, value):
        await asyncio.sleep(0)
        return value >= 0

    @classmethod
    async def execute(cls, value):
        CALLS.append(("begin", value))
        await asyncio.sleep(0.01)
        CALLS.append(("end", value))
        return io.NodeOutput(value)


class Numbers(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="V3Numbers",
            inputs=[io.Int.Input("count", default=3)],
            outputs=[io.Int.Output(is_output_list=True), io.Int.Output(display_name="count")],
        )

    @classmethod
    def execute(cls, count):
        return io.NodeOutput(list(range(count)), count)


class Gather(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        template = io.MatchType.Template("type")
        row = io.Autogrow.TemplatePrefix(io.MatchType.Input("input", template=template), prefix="input")
        return io.Schema(
            node_id="V3Gather",
            inputs=[io.Autogrow.Input("inputs", template=row), io.String.Input("name", default="n")],
            outputs=[io.MatchType.Output(template=template, is_output_list=True), io.String.Output()],
            hidden=[io.Hidden.unique_id],
            is_input_list=True,
        )

    @classmethod
    def execute(cls, inputs, name):
        found = [value for values in inputs.values() for value in values]
        return io.NodeOutput(found, f"{name[0]}{cls.hidden.unique_id}")


class Gate(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        inputs = [io.Boolean.Input("open"), io.Int.Input("value", default=0)]
        return io.Schema(node_id="V3Gate", inputs=inputs, outputs=[io.Int.Output(), io.Int.Output()])

    @classmethod
    def execute(cls, open, value):
        return io.NodeOutput(value, value) if open else io.NodeOutput(block_execution="the gate is closed")


FLOW = [Switch, FirstOf, Repeat, Add, Waits, Numbers, Gather, Gate]
