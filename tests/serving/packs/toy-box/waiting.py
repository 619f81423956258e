"""Nodes that wait, and that say how far they are."""

import asyncio
import time

import torch
from comfy.utils import ProgressBar
from comfy_api.v0_0_2 import ComfyAPI, ComfyAPISync
from comfy_execution.graph_utils import GraphBuilder
from PIL import Image

api, api_sync = ComfyAPI(), ComfyAPISync()
SEMAPHORE = asyncio.Semaphore(2)
"""Made where there is no event loop."""


class Sleep:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("*",), "seconds": ("FLOAT", {"default": 0.01})}, "hidden": {"me": "UNIQUE_ID"}}

    RETURN_TYPES = ("*",)
    FUNCTION = "sleep"
    CATEGORY = "toys"

    @classmethod
    def VALIDATE_INPUTS(cls, input_types):
        return True

    async def sleep(self, value, seconds, me):
        bar = ProgressBar(seconds, node_id=me)
        start = time.time()
        while (now := time.time()) < start + seconds:
            bar.update_absolute(now - start)
            await asyncio.sleep(0.005)
        bar.update_absolute(seconds)
        return (value,)


class Limited(Sleep):
    """No more than two of it at once."""

    async def sleep(self, value, seconds, me):
        async with SEMAPHORE:
            await asyncio.sleep(seconds)
        await api.execution.set_progress(1.0, 1.0)
        return (value,)


class Parallel:
    """Expands into three that wait at once."""

    @classmethod
    def INPUT_TYPES(cls):
        seconds = ("FLOAT", {"default": 0.01})
        return {
            "required": {"image1": ("IMAGE",), "image2": ("IMAGE",), "image3": ("IMAGE",)},
            "optional": {"sleep1": seconds, "sleep2": seconds, "sleep3": seconds},
        }

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, image1, image2, image3, sleep1, sleep2, sleep3):
        builder = GraphBuilder()
        pairs = ((image1, sleep1), (image2, sleep2), (image3, sleep3))
        nodes = [builder.node("TestSleep", value=image, seconds=seconds) for image, seconds in pairs]
        names = {f"input{place}": node.out(0) for place, node in enumerate(nodes, 1)}
        return {"result": (builder.node("TestVariadicAverage", **names).out(0),), "expand": builder.finalize()}


class AsyncFails:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("IMAGE",)}, "optional": {"seconds": ("FLOAT", {"default": 0.005})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "go"
    CATEGORY = "toys"

    async def go(self, value, seconds=0.005):
        await asyncio.sleep(seconds)
        raise RuntimeError("Intentional async execution error for testing")


class Steps:
    """Goes in steps, slowly enough to be stopped, with a picture at each."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"steps": ("INT", {"default": 3}), "delay": ("FLOAT", {"default": 0.001})}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "go"
    CATEGORY = "toys"

    def go(self, steps, delay):
        bar = ProgressBar(steps)
        for step in range(steps):
            time.sleep(delay)
            bar.update_absolute(step + 1, steps, ("JPEG", Image.new("RGB", (640, 320), (10, 20, 30)), 512))
        return (steps,)

    @classmethod
    def IS_CHANGED(cls, **given):
        return float("nan")


class Learns(Sleep):
    """An output that shows whether torch remembers what gradients would need, before and after it has waited."""

    RETURN_TYPES = ()
    OUTPUT_NODE = True

    async def sleep(self, value, seconds, me):
        before = torch.is_grad_enabled()
        await asyncio.sleep(seconds)
        return {"ui": {"learns": [before, torch.is_grad_enabled()]}}


NODES = {
    "TestLearns": Learns,
    "TestSleep": Sleep,
    "TestLimited": Limited,
    "TestParallelSleep": Parallel,
    "TestAsyncFails": AsyncFails,
    "TestSteps": Steps,
}
