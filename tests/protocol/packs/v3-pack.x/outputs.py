from __future__ import annotations

import asyncio

import comfy.utils
import torch
from comfy_api.latest import ComfyAPI, ComfyAPISync, InputImpl, Types, io, ui

api = ComfyAPI()


class Picture(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        inputs = [io.Int.Input("width", default=4), io.Int.Input("batch", default=1)]
        return io.Schema(node_id="V3Picture", inputs=inputs, outputs=[io.Image.Output(), io.Mask.Output()])

    @classmethod
    def execute(cls, width, batch):
        picture = torch.linspace(0, 1, batch * 2 * width * 3).reshape(batch, 2, width, 3)
        return io.NodeOutput(picture, picture[..., 0])


class Show(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="V3Show",
            inputs=[
                io.Combo.Input("how", options=["image", "mask", "text", "raw", "audio", "nothing"]),
                io.Image.Input("image", optional=True),
                io.Mask.Input("mask", optional=True),
            ],
            outputs=[io.Image.Output()],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, how, image=None, mask=None):
        if how == "nothing":
            return io.NodeOutput()
        sound = {"waveform": torch.zeros(1, 1, 800), "sample_rate": 8000}
        shown = {
            "image": lambda: ui.PreviewImage(image, cls=cls),
            "mask": lambda: ui.PreviewMask(mask, cls=cls),
            "text": lambda: ui.PreviewText("shown"),
            "audio": lambda: ui.PreviewAudio(sound, cls=cls),
            "raw": lambda: {"own": [1]},
        }
        return io.NodeOutput(image, ui=shown[how]())


class Save(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="V3Save",
            inputs=[io.Image.Input("images"), io.Combo.Input("form", options=["png", "apng", "webp", "own"])],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, images, form):
        helper = ui.ImageSaveHelper
        if form == "own":
            result = ui.SavedResult("a.png", "", io.FolderType.output)
            return io.NodeOutput(ui=ui.SavedImages([result]))
        if form == "png":
            return io.NodeOutput(ui=helper.get_save_images_ui(images, "v3/png", cls=cls))
        if form == "apng":
            return io.NodeOutput(ui=helper.get_save_animated_png_ui(images, "apng", cls=cls, fps=6.0, compress_level=4))
        return io.NodeOutput(
            ui=helper.get_save_animated_webp_ui(images, "webp", cls=cls, fps=6.0, lossless=True, quality=80, method=4)
        )


class Film(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="V3Film", inputs=[io.Image.Input("images")], outputs=[io.Video.Output(), io.Float.Output()]
        )

    @classmethod
    def execute(cls, images):
        film = InputImpl.VideoFromComponents(Types.VideoComponents(images=images, audio=None, frame_rate=6))
        return io.NodeOutput(film, float(film.get_components().frame_rate))


class Steps(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="V3Steps",
            inputs=[io.Combo.Input("how", options=["bar", "sync"]), io.Int.Input("steps", default=2)],
            outputs=[io.Int.Output()],
        )

    @classmethod
    def execute(cls, how, steps):
        bar = comfy.utils.ProgressBar(steps)
        for step in range(steps):
            if how == "bar":
                bar.update(1)
            else:
                ComfyAPISync().execution.set_progress(step + 1, steps)
        return io.NodeOutput(steps)


class AsyncSteps(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="V3AsyncSteps", inputs=[io.Int.Input("steps", default=2)], outputs=[io.Int.Output()])

    @classmethod
    async def execute(cls, steps):
        for step in range(steps - 1):
            await api.execution.set_progress(step + 1, steps, preview_image=torch.ones(1, 2, 2, 3))
        await asyncio.to_thread(ComfyAPISync().execution.set_progress, steps, steps, preview_image=torch.ones(2, 2, 3))
        return io.NodeOutput(steps)


OUTPUTS = [Picture, Show, Save, Film, Steps, AsyncSteps]
