"""Sources, values, checks before a run, and what changes from run to run."""

import os

import torch
from comfy.comfy_types import IO, ComfyNodeABC, InputTypeDict
from comfy.comfy_types.node_typing import ComfyNodeABC as SameABC

assert SameABC is ComfyNodeABC


class StubImage(ComfyNodeABC):
    """A picture of one colour, or of noise."""

    @classmethod
    def INPUT_TYPES(cls) -> InputTypeDict:
        size = ("INT", {"default": 8, "min": 1, "max": 1024 * 64, "step": 1})
        return {
            "required": {
                "content": (["WHITE", "BLACK", "NOISE"],), "height": size, "width": size, "batch_size": size,
            }
        }  # fmt: skip

    RETURN_TYPES = (IO.IMAGE,)
    FUNCTION = "make"
    CATEGORY = "toys"

    def make(self, content, height, width, batch_size):
        shape = (batch_size, height, width, 3)
        kind = {"WHITE": torch.ones, "BLACK": torch.zeros, "NOISE": torch.rand}[content]
        return (kind(*shape),)


def stub(io_type, python, default):
    class Stub(ComfyNodeABC):
        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {"value": (io_type, {"default": default})}}

        RETURN_TYPES = (io_type,)
        FUNCTION = "make"
        CATEGORY = "toys"

        def make(self, value):
            return (python(value),)

    return Stub


class Average:
    """The mean of as many pictures as it is given."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"input1": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "mean"
    CATEGORY = "toys"

    def mean(self, input1, **others):
        return (torch.stack([input1, *others.values()]).mean(0),)


class Shade(ComfyNodeABC):
    """A mask of one value; it is asked whether it has changed."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}, "optional": {"should_change": ("BOOL", {"default": False})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "same"
    CATEGORY = "toys"

    def same(self, image, should_change=False):
        return (image,)

    @classmethod
    def IS_CHANGED(cls, image, should_change=False, *args, **kwargs):
        assert image is None, "what is linked is not known before a run"
        return float("NaN") if should_change else 1


class NamedConstant:
    """An output that is asked for by its place, from a file."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "make"
    CATEGORY = "toys"

    def make(self, value):
        return (torch.full((1, 8, 8, 3), value),)


class Fails:
    """Raises."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("IMAGE",)}, "optional": {"leave": ("BOOLEAN", {"default": False})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "fail"
    CATEGORY = "toys"

    def fail(self, value, leave=False):
        if leave:
            raise SystemExit("a node that wants to end the process")
        raise RuntimeError("not today")


def checked(check, first="IMAGE,FLOAT", second="IMAGE,FLOAT", bounds=None):
    class Checked:
        @classmethod
        def INPUT_TYPES(cls):
            return {"required": {"input1": (first, bounds or {}), "input2": (second, bounds or {})}}

        RETURN_TYPES = ("IMAGE",)
        FUNCTION = "pick"
        CATEGORY = "toys"
        VALIDATE_INPUTS = classmethod(check)

        def pick(self, input1, input2):
            found = next((each for each in (input1, input2) if not isinstance(each, float)), None)
            return (torch.full((1, 8, 8, 3), float(input1)) if found is None else found,)

    return Checked


def both_or_none(cls, input1, input2):
    if input1 is not None and not isinstance(input1, float):
        return f"Invalid type of input1: {type(input1).__name__}"
    return True


def by_types(cls, input_types, input1, input2):
    if "input1" in input_types and input_types["input1"] != "IMAGE":
        return f"Invalid type of input1: {input_types['input1']}"
    return True


def by_types_alone(cls, input_types):
    return not any(each == "FLOAT" for each in input_types.values())


def with_none(cls, input1, input2):
    return input1 is None or input2 is None or "two constants"


def with_all(cls, **given):
    if given["input2"] == 7.0 or given["input1"] == 7.0:
        return "7s are not allowed. I've never liked 7s."
    return True


async def later(cls, input1, input2):
    import asyncio

    await asyncio.sleep(0)
    return True if input1 != 5.0 else "5 is too much"


class Keeps:
    """Counts its calls in itself; no two of it are one."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT", {"default": 0})}, "hidden": {"me": "UNIQUE_ID"}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "count"
    CATEGORY = "toys"
    OUTPUT_NODE = True

    def __init__(self):
        self.calls = 0

    def count(self, value, me):
        self.calls += 1
        return {"ui": {"calls": [self.calls], "me": [me], "process": [os.getpid()]}, "result": (self.calls,)}


class Looks:
    """An output that shows what the engine gives it."""

    @classmethod
    def INPUT_TYPES(cls):
        hidden = {"prompt": "PROMPT", "graph": "DYNPROMPT", "info": "EXTRA_PNGINFO", "me": "UNIQUE_ID"}
        return {"required": {"value": ("*",)}, "hidden": hidden}

    @classmethod
    def VALIDATE_INPUTS(cls, input_types):
        return True

    RETURN_TYPES = ()
    FUNCTION = "look"
    CATEGORY = "toys"
    OUTPUT_NODE = True

    def look(self, value, prompt, graph, info, me):
        shown = {"nodes": [sorted(prompt)], "info": [info], "me": [me], "real": [graph.get_real_node_id(me)]}
        return {"ui": {**shown, "shape": [list(getattr(value, "shape", [])) or value]}}


class Shows:
    """An output that shows what JSON may have no words for."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"what": (["text", "circle", "keys", "depth", "number"],)}}

    RETURN_TYPES = ()
    FUNCTION = "show"
    CATEGORY = "toys"
    OUTPUT_NODE = True

    def show(self, what):
        circle, deep = [], []
        circle.append(circle)
        for _ in range(500):
            deep = [deep]
        shown = {"text": [object], "circle": circle, "keys": [{("a", 1): 2}], "depth": deep, "number": [float("nan")]}
        return {"ui": {"shown": shown[what]}}


BOUNDS = {"min": 0.0, "max": 10.0}
NODES = {
    "StubImage": StubImage,
    "StubInt": stub("INT", int, 0),
    "StubFloat": stub("FLOAT", float, 0.0),
    "StubMask": stub("MASK,FLOAT", float, 0.0),
    "TestVariadicAverage": Average,
    "TestCustomIsChanged": Shade,
    "TestConstant": NamedConstant,
    "TestFails": Fails,
    "TestCustomValidation1": checked(both_or_none),
    "TestCustomValidation2": checked(by_types),
    "TestCustomValidation3": checked(by_types_alone),
    "TestCustomValidation4": checked(with_none),
    "TestCustomValidation5": checked(with_all, "FLOAT", "FLOAT", {"min": 10.0, "max": 1.0}),
    "TestCustomValidationLater": checked(later, "FLOAT", "FLOAT", BOUNDS),
    "TestKeeps": Keeps,
    "TestLooks": Looks,
    "TestShows": Shows,
}
