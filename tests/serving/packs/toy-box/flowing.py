"""Lists, lazy inputs, and outputs that are blocked."""

import torch
from comfy_execution.graph import ExecutionBlocker


class MakeList:
    """Pictures, of one value each, as a list."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}, "optional": {f"value{place}": ("FLOAT", {}) for place in range(1, 5)}}

    RETURN_TYPES = ("IMAGE",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "make"
    CATEGORY = "toys"

    def make(self, **values):
        return ([torch.full((1, 8, 8, 3), value) for value in values.values()],)


class Mix:
    """Between two pictures, by a mask of one value: of each end only that one is needed."""

    @classmethod
    def INPUT_TYPES(cls):
        lazy = ("IMAGE", {"lazy": True})
        return {"required": {"image1": lazy, "image2": lazy, "share": ("FLOAT", {"default": 0.5})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "mix"
    CATEGORY = "toys"

    def check_lazy_status(self, share, image1, image2):
        wanted = [("image1", image1, share < 1), ("image2", image2, share > 0)]
        return [name for name, image, needed in wanted if needed and image is None]

    def mix(self, image1, image2, share):
        if share in (0, 1):
            return (image2 if share else image1,)
        return (image1 * (1 - share) + image2 * share,)


class MixLater(Mix):
    """Takes its time to say what it needs."""

    async def check_lazy_status(self, share, image1, image2):
        import asyncio

        await asyncio.sleep(0.001)
        return super().check_lazy_status(share, image1, image2)


class Blocks:
    """Passes a value on, or blocks it."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"input": ("*",), "block": ("BOOLEAN",), "verbose": ("BOOLEAN", {"default": False})}}

    RETURN_TYPES = ("*",)
    FUNCTION = "go"
    CATEGORY = "toys"

    @classmethod
    def VALIDATE_INPUTS(cls, input_types):
        return True

    def go(self, input, block, verbose):
        return (ExecutionBlocker("Blocked Execution" if verbose else None) if block else input,)


class BlockedList:
    """A list whose node gives a blocker in its place."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE", "IMAGE")
    OUTPUT_IS_LIST = (True, False)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, image):
        return (ExecutionBlocker(None), image)


NODES = {
    "TestMakeListNode": MakeList,
    "TestLazyMixImages": Mix,
    "TestLazyMixLater": MixLater,
    "TestExecutionBlocker": Blocks,
    "TestBlockedList": BlockedList,
}
