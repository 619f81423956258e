"""What is in no manual: types that compare as they like, checks that are plain functions; classes of version 3."""

import asyncio

import torch
from comfy_api.latest import io
from comfy_execution.graph_utils import GraphBuilder
from comfy_execution.utils import get_executing_context


class Flexible(str):
    """A type that takes all that it names; `*` takes and is taken by all."""

    def __ne__(self, other):
        if "*" in (str(self), str(other)):
            return False
        return not set(str(other).split(",")) <= set(str(self).split(","))


def flexible(cls):
    """Make the types of a class so, and have it check them itself: by plain functions, no class methods."""
    declared = cls.INPUT_TYPES

    def input_types(*args):
        types = declared(*args)
        return {
            kind: {name: (Flexible(given[0]), *given[1:]) for name, given in inputs.items()}
            for kind, inputs in types.items()
        }

    def validate(input_types):
        expected = {name: given[0] for inputs in cls.INPUT_TYPES().values() for name, given in inputs.items()}
        wrong = [name for name, given in input_types.items() if Flexible(given) != expected[name]]
        return f"wrong types: {wrong}" if wrong else True

    cls.INPUT_TYPES, cls.VALIDATE_INPUTS = input_types, validate
    cls.RETURN_TYPES = tuple(map(Flexible, cls.RETURN_TYPES))
    return cls


@flexible
class Passes:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("*",)}}

    RETURN_TYPES = ("*",)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, value):
        return (value,)


@flexible
class PassesPictures(Passes):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("IMAGE,MASK",)}, "optional": {"count": ("INT", {"min": 0, "max": 3})}}

    RETURN_TYPES = ("IMAGE,MASK",)

    def go(self, value, count=0):
        return (value,)


class RaisesWhenAsked:
    """Its answer to whether it has changed is an error: it runs each time."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, image):
        return (image,)

    @classmethod
    def IS_CHANGED(cls, **given):
        raise RuntimeError("who asks?")


class AnswersLater(RaisesWhenAsked):
    @classmethod
    async def IS_CHANGED(cls, **given):
        await asyncio.sleep(0)
        return 1


class Gathers:
    """A list as one value of its own."""

    INPUT_IS_LIST = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"values": ("IMAGE",), "number": ("INT", {})}}

    RETURN_TYPES = ("GATHERED", "INT")
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, values, number):
        assert isinstance(number, list)
        return ({"values": values}, len(values))


class Spreads:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"gathered": ("GATHERED",)}}

    RETURN_TYPES = ("IMAGE",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, gathered):
        return (gathered["values"],)


class SameId:
    """Expands into a node whose id the prompt has already."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, image):
        builder = GraphBuilder(prefix="")
        node = builder.node("TestVariadicAverage", "one", input1=image)
        return {"result": (node.out(0),), "expand": builder.finalize()}


class GrowsLater(SameId):
    """Takes its time, and then expands into nodes that take theirs."""

    async def go(self, image):
        await asyncio.sleep(0.002)
        builder = GraphBuilder()
        nodes = [builder.node("TestSleep", value=image, seconds=0.002) for _ in range(3)]
        names = {f"input{place}": node.out(0) for place, node in enumerate(nodes, 1)}
        return {"result": (builder.node("TestVariadicAverage", **names).out(0),), "expand": builder.finalize()}


class Counts:
    """A list of numbers, and a number."""

    @classmethod
    def INPUT_TYPES(cls):
        return {}

    RETURN_TYPES = ("INT", "INT")
    OUTPUT_IS_LIST = (True, False)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self):
        return ([1, 2, 3], 5)


class AddsLater:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"number": ("INT", {})}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "go"
    CATEGORY = "toys"

    async def go(self, number):
        await asyncio.sleep(0.001)
        return (number + 1,)


class Where:
    """Shows a number, and where it was called."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"number": ("INT", {})}}

    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, number):
        context = get_executing_context()
        return {"ui": {"number": [number], "node": [context.node_id], "place": [context.list_index]}}


class Nothing:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"number": ("INT", {})}}

    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, number):
        return None


class Third(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestThird", category="toys", is_output_node=True, enable_expand=True,
            inputs=[io.Image.Input("a", lazy=True), io.Image.Input("b", lazy=True), io.Boolean.Input("first")],
            outputs=[io.Image.Output()], hidden=[io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def check_lazy_status(cls, first, a=None, b=None):
        return [name for name, value in (("a", a), ("b", b)) if value is None and first == (name == "a")]

    @classmethod
    async def execute(cls, first, a=None, b=None):
        builder = GraphBuilder()
        node = builder.node("TestVariadicAverage", input1=a if first else torch.clone(b))
        shown = {"me": [cls.hidden.unique_id], "prompt": [sorted(cls.hidden.prompt)]}
        return io.NodeOutput(node.out(0), ui=shown, expand=builder.finalize())


class ThirdBlocks(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TestThirdBlocks", category="toys", inputs=[io.Image.Input("image")], outputs=[io.Image.Output()]
        )

    @classmethod
    def execute(cls, image):
        return io.NodeOutput(block_execution="not now")


NODES = {
    "TestPasses": Passes,
    "TestPassesPictures": PassesPictures,
    "TestRaisesWhenAsked": RaisesWhenAsked,
    "TestAnswersLater": AnswersLater,
    "TestGathers": Gathers,
    "TestSpreads": Spreads,
    "TestSameId": SameId,
    "TestGrowsLater": GrowsLater,
    "TestCounts": Counts,
    "TestAddsLater": AddsLater,
    "TestWhere": Where,
    "TestNothing": Nothing,
    "TestThird": Third,
    "TestThirdBlocks": ThirdBlocks,
}
