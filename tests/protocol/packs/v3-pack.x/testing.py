"""A node that judges, in the way of test frameworks: it raises, and sends a text."""

from __future__ import annotations

from comfy_api.v0_0_2 import ComfyAPISync, io, ui
from server import PromptServer


class AssertEqual(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="V3AssertEqual",
            category="testing",
            inputs=[io.AnyType.Input("input1"), io.AnyType.Input("input2")],
            outputs=[],
            is_output_node=True,
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, input1, input2) -> io.NodeOutput:
        ComfyAPISync().execution.set_progress(1, 1)
        if input1 != input2:
            raise ValueError(f"{input1} is not {input2}")
        PromptServer.instance.send_progress_text("equal", cls.hidden.unique_id)
        return io.NodeOutput(ui=ui.PreviewText("equal"))


TESTING = [AssertEqual]
