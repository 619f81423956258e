"""Nodes that expand into graphs: loops among them."""

import torch
from comfy_execution.graph_utils import GraphBuilder, is_link

COUNT = 3


def values(**options):
    return {f"initial_value{place}": ("*", options) for place in range(1, COUNT)}


class WhileOpen:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"condition": ("BOOLEAN", {"default": True})}, "optional": {**_all()}}

    RETURN_TYPES = ("FLOW_CONTROL", *["*"] * COUNT)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, condition, **given):
        return ("flow", *(given.get(name) for name in _all()))


def _all():
    return {f"initial_value{place}": ("*",) for place in range(COUNT)}


class WhileClose:
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "flow_control": ("FLOW_CONTROL", {"rawLink": True}), "condition": ("BOOLEAN", {"forceInput": True}),
            },
            "optional": _all(),
            "hidden": {"graph": "DYNPROMPT", "me": "UNIQUE_ID"},
        }  # fmt: skip

    RETURN_TYPES = ("*",) * COUNT
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, flow_control, condition, graph, me, **given):
        if not condition:
            return tuple(given.get(name) for name in _all())
        begin = flow_control[0]
        takers, stack, seen = {}, [me], {me}
        while stack:
            name = stack.pop()
            for value in graph.get_node(name)["inputs"].values():
                if is_link(value):
                    takers.setdefault(value[0], set()).add(name)
                    if value[0] not in seen:
                        seen.add(value[0])
                        stack.append(value[0])
        inside, stack = {begin}, [begin]
        while stack:
            for name in takers.get(stack.pop(), ()):
                if name not in inside:
                    inside.add(name)
                    stack.append(name)
        builder = GraphBuilder()
        for name in inside:
            node = graph.get_node(name)
            builder.node(node["class_type"], "Recurse" if name == me else name).set_override_display_id(name)
        for name in inside:
            copied = builder.lookup_node("Recurse" if name == me else name)
            for key, value in graph.get_node(name)["inputs"].items():
                if is_link(value) and value[0] in inside:
                    value = builder.lookup_node("Recurse" if value[0] == me else value[0]).out(value[1])
                copied.set_input(key, value)
        opened = builder.lookup_node(begin)
        for name in _all():
            opened.set_input(name, given.get(name))
        again = builder.lookup_node("Recurse")
        return {"result": tuple(again.out(place) for place in range(COUNT)), "expand": builder.finalize()}


class ForOpen:
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"remaining": ("INT", {"default": 1, "min": 0})},
            "optional": values(),
            # What no engine knows is an input all the same.
            "hidden": {"initial_value0": ("*",)},
        }

    RETURN_TYPES = ("FLOW_CONTROL", "INT", *["*"] * (COUNT - 1))
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, remaining, **given):
        builder = GraphBuilder()
        remaining = given.pop("initial_value0", remaining)
        builder.node("TestWhileLoopOpen", condition=remaining, initial_value0=remaining, **given)
        return {
            "result": ("stub", remaining, *(given.get(name) for name in values())),
            "expand": builder.finalize(),
        }


class ForClose:
    @classmethod
    def INPUT_TYPES(cls):
        required = {"flow_control": ("FLOW_CONTROL", {"rawLink": True})}
        return {"required": required, "optional": values(rawLink=True)}

    RETURN_TYPES = ("*",) * (COUNT - 1)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, flow_control, **given):
        builder = GraphBuilder()
        left = builder.node("TestMinusOne", value=[flow_control[0], 1])
        more = builder.node("TestIsMore", value=left.out(0))
        given = {name: given.get(name) for name in values() if name in given}
        close = builder.node(
            "TestWhileLoopClose", flow_control=flow_control, condition=more.out(0), initial_value0=left.out(0), **given
        )
        return {"result": tuple(close.out(place) for place in range(1, COUNT)), "expand": builder.finalize()}


class MinusOne:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT", {"default": 0})}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, value):
        return (value - 1,)


class IsMore(MinusOne):
    RETURN_TYPES = ("BOOLEAN",)

    def go(self, value):
        return (value > 0,)


class Mixed:
    """Of a list one call expands, another does not: what they give stays in order."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"input1": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, input1):
        if input1.mean() < 0.25:
            return (input1 * 0,)
        if input1.mean() > 0.25:
            builder = GraphBuilder()
            white = builder.node("StubImage", content="WHITE", height=8, width=8, batch_size=1)
            black = builder.node("StubImage", content="BLACK", height=8, width=8, batch_size=1)
            mixed = builder.node("TestLazyMixImages", image1=white.out(0), image2=black.out(0), share=0.5)
            return {"result": (mixed.out(0),), "expand": builder.finalize()}
        return {"result": (input1,)}


class Cycle:
    """Expands into nodes that wait for each other."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"input1": ("IMAGE",), "input2": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, input1, input2):
        builder = GraphBuilder()
        first = builder.node("TestVariadicAverage", input1=input1)
        second = builder.node("TestVariadicAverage", input1=first.out(0))
        first.set_input("input2", second.out(0))
        return {"result": (second.out(0),), "expand": builder.finalize()}


class Previews:
    """Expands into an output node, and shows something itself."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "go"
    CATEGORY = "toys"
    OUTPUT_NODE = True

    def go(self, image):
        builder = GraphBuilder()
        builder.node("PreviewImage", images=image)
        passed = builder.node("TestVariadicAverage", input1=image)
        return {"ui": {"said": ["it grows"]}, "result": (passed.out(0),), "expand": builder.finalize()}


class PreviewsSilently(Previews):
    """Shows nothing itself."""

    def go(self, image):
        grown = super().go(image)
        del grown["ui"]
        return grown


class FailsInside:
    """Expands into a node that fails."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "later": ("BOOLEAN", {"default": False})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, image, later):
        builder = GraphBuilder()
        node = builder.node("TestAsyncFails" if later else "TestFails", value=torch.clone(image))
        return {"result": (node.out(0),), "expand": builder.finalize()}


NODES = {
    "TestWhileLoopOpen": WhileOpen,
    "TestWhileLoopClose": WhileClose,
    "TestForLoopOpen": ForOpen,
    "TestForLoopClose": ForClose,
    "TestMinusOne": MinusOne,
    "TestIsMore": IsMore,
    "TestMixedExpansionReturns": Mixed,
    "TestDynamicDependencyCycle": Cycle,
    "TestPreviews": Previews,
    "TestPreviewsSilently": PreviewsSilently,
    "TestFailsInside": FailsInside,
}
