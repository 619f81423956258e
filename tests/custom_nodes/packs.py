"""Packs of our own writing, each importing what one popular pack imports, in its way, and using it.

`PACKS`: folder -> files. A name that only a part of a pack needs is imported as there, guarded or not.
"""

from __future__ import annotations

PACKS: dict[str, dict[str, str]] = {}

PACKS["use-everywhere"] = {
    "__init__.py": """
from comfy.comfy_types.node_typing import IO
from comfy_api.latest import ComfyExtension, io

WEB_DIRECTORY = "./js"


class SeedEverywhere(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="T1 Seed", category="everywhere", is_output_node=True,
            inputs=[io.Int.Input("seed", default=1), io.Custom(IO.ANY).Input("group", optional=True)],
            outputs=[io.Int.Output()],
        )

    @classmethod
    def execute(cls, seed, group=None):
        return io.NodeOutput(seed + 1)


class Everywhere(ComfyExtension):
    async def get_node_list(self):
        return [SeedEverywhere]


async def comfy_entrypoint():
    return Everywhere()
""",
    "js/x.js": "",
}

PACKS["rgthree"] = {
    "__init__.py": """
from .py.nodes import AnySwitch, FlexibleText
from .py import server

NODE_CLASS_MAPPINGS = {"T2 Any Switch": AnySwitch, "T2 Text": FlexibleText}
NODE_DISPLAY_NAME_MAPPINGS = {"T2 Any Switch": "Any Switch"}
""",
    "py/__init__.py": "",
    "py/server.py": """
from aiohttp import web
from server import PromptServer

routes = PromptServer.instance.routes


@routes.get("/t2/api/models")
async def models(request):
    return web.json_response({})


@routes.post("/t2/api/config")
async def config(request):
    return web.Response(status=200)
""",
    "py/nodes.py": """
import execution
import comfy.samplers
import comfy.model_management
import comfy.utils
import folder_paths
from comfy_extras.nodes_clip_sdxl import CLIPTextEncodeSDXL
from comfy_extras.nodes_latent import LatentBatch
from nodes import MAX_RESOLUTION, CLIPTextEncode, EmptyLatentImage, ImageBatch, ImageScale, LoraLoader, PreviewImage

SAMPLERS = comfy.samplers.KSampler.SAMPLERS
SCHEDULERS = comfy.samplers.KSampler.SCHEDULERS


class AnyType(str):
    def __ne__(self, other):
        return False


class FlexibleInputs(dict):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def __contains__(self, key):
        return True

    def __getitem__(self, key):
        return (self.kind,)


any_type = AnyType("*")


class AnySwitch:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}, "optional": FlexibleInputs(any_type)}

    RETURN_TYPES = (any_type,)
    FUNCTION = "switch"
    CATEGORY = "t2"

    def switch(self, **given):
        for name in sorted(given):
            if given[name] is not None:
                return (given[name],)
        return (None,)


class FlexibleText:
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"sampler": (SAMPLERS,), "scheduler": (SCHEDULERS,)},
            "optional": {"lora": (["None"] + folder_paths.get_filename_list("loras"),)},
            "hidden": {"unique_id": "UNIQUE_ID", "prompt": "PROMPT"},
        }

    RETURN_TYPES = ("STRING", "IMAGE")
    FUNCTION = "go"
    CATEGORY = "t2"

    def go(self, sampler, scheduler, lora="None", unique_id=None, prompt=None):
        import torch

        pair = ImageBatch().batch(torch.zeros(1, 8, 8, 3), torch.ones(1, 8, 8, 3))[0]
        assert pair.shape == (2, 8, 8, 3) and prompt[unique_id]["class_type"] == "T2 Text"
        assert EmptyLatentImage().generate(64, 64)[0]["samples"].shape == (1, 4, 8, 8)
        assert ImageScale().upscale(pair, "nearest-exact", 4, 4, "disabled")[0].shape == (2, 4, 4, 3)
        comfy.model_management.unload_all_models()
        comfy.model_management.soft_empty_cache()
        return (f"{sampler} {scheduler} {MAX_RESOLUTION}", pair)
""",
}

PACKS["custom-scripts"] = {
    "__init__.py": """
import folder_paths
from aiohttp import web
from nodes import CheckpointLoaderSimple, LoraLoader
from server import PromptServer

PLACES = {kind: folder_paths.get_directory_by_type(kind) for kind in ("input", "output", "temp")}
PromptServer.instance.supports.append("t3")


@PromptServer.instance.routes.get("/t3/view/{name:.*}")
async def view(request):
    raise web.HTTPNotFound()


class CheckpointAndName(CheckpointLoaderSimple):
    RETURN_TYPES = (*CheckpointLoaderSimple.RETURN_TYPES, "STRING")
    RETURN_NAMES = (*CheckpointLoaderSimple.RETURN_NAMES, "name")

    @classmethod
    def INPUT_TYPES(s):
        types = super().INPUT_TYPES()
        names = types["required"]["ckpt_name"][0]
        types["optional"] = {"note": ("STRING", {"default": f"{len(names)} there"})}
        return types

    def load_checkpoint(self, **given):
        note = given.pop("note", "")
        return (*super().load_checkpoint(**given), given["ckpt_name"] + note)


class LoraAndName(LoraLoader):
    RETURN_TYPES = (*LoraLoader.RETURN_TYPES, "STRING")
    RETURN_NAMES = (*LoraLoader.RETURN_NAMES, "name")

    def load_lora(self, **given):
        path = folder_paths.get_full_path("loras", given["lora_name"])
        PromptServer.instance.send_sync("t3.loaded", {"path": path}, PromptServer.instance.client_id)
        return (*super().load_lora(**given), given["lora_name"])


NODE_CLASS_MAPPINGS = {"T3 Checkpoint": CheckpointAndName, "T3 Lora": LoraAndName}
"""
}

PACKS["comfyroll"] = {
    "__init__.py": """
import subprocess
import sys

import folder_paths
import comfy.controlnet
import comfy.model_management
import comfy.sd
import comfy.utils
from comfy_extras.chainner_models import model_loading
from nodes import MAX_RESOLUTION, ControlNetApply, ControlNetApplyAdvanced, LoraLoader, SaveImage
from server import BinaryEventTypes, PromptServer

try:
    import arabic_reshaper_that_is_not_there
except ImportError:
    try:
        subprocess.check_call([sys.executable, "-m", "pip", "install", "python_bidi", "arabic_reshaper"])
    except Exception:
        arabic = False

INPUTS = folder_paths.input_directory
KIND = BinaryEventTypes.PREVIEW_IMAGE


class TextList:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {"multiline": True, "default": ""})}}

    RETURN_TYPES = ("STRING", "STRING")
    OUTPUT_IS_LIST = (True, False)
    FUNCTION = "split"
    CATEGORY = "t4"

    def split(self, text):
        return (text.split(), INPUTS)


class Upscaler:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"name": ("STRING", {"default": "x"})}}

    RETURN_TYPES = ("UPSCALE_MODEL",)
    FUNCTION = "load"
    CATEGORY = "t4"

    def load(self, name):
        return (model_loading.load_state_dict({}),)


NODE_CLASS_MAPPINGS = {"T4 Text List": TextList, "T4 Upscaler": Upscaler}
"""
}

PACKS["essentials"] = {
    "__init__.py": """
import os

import folder_paths
import node_helpers
import torch
import torchvision.transforms.v2 as T
from comfy.utils import ProgressBar, common_upscale
from comfy_execution.graph import ExecutionBlocker
from nodes import (
    MAX_RESOLUTION, CLIPTextEncode, ConditioningCombine, ConditioningSetTimestepRange, ConditioningZeroOut, SaveImage,
    common_ksampler,
)

FOLDER = os.path.join(folder_paths.models_dir, "t5_luts")
folder_paths.add_model_folder_path("t5_luts", FOLDER)
folder_paths.folder_names_and_paths["t5_luts"][1].add(".cube")


class KSamplerVariations:
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": ("MODEL",),
                "clip": ("CLIP",),
                "text": ("STRING", {"default": "a red circle"}),
                "seed": ("INT", {"default": 1, "min": 0, "max": 0xFFFFFFFFFFFFFFFF}),
            }
        }

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "sample"
    CATEGORY = "t5"

    def sample(self, model, clip, text, seed):
        positive = CLIPTextEncode().encode(clip, text)[0]
        negative = ConditioningZeroOut().zero_out(positive)[0]
        early = ConditioningSetTimestepRange().set_range(positive, 0.0, 0.5)[0]
        both = ConditioningCombine().combine(early, positive)[0]
        both = node_helpers.conditioning_set_values(both, {"t5": 1})
        latent = {"samples": torch.zeros(1, 4, 8, 8)}
        return common_ksampler(model, seed, 2, 2.0, "euler", "normal", both, negative, latent, denoise=1.0)


class ResizeOrBlock:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"width": ("INT", {"default": 16, "max": MAX_RESOLUTION}), "block": ("BOOLEAN", {})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "go"
    CATEGORY = "t5"

    def go(self, width, block):
        bar = ProgressBar(2)
        bar.update(1)
        image = common_upscale(torch.ones(1, 3, 8, 8), width, width, "bilinear", "center").movedim(1, -1)
        bar.update(1)
        return (ExecutionBlocker(None) if block else image,)


class Rotate:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"lut": (folder_paths.get_filename_list("t5_luts"),), "image": ("IMAGE",)}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "rotate"
    CATEGORY = "t5"

    def rotate(self, lut, image):
        return (T.functional.rotate(image, 90),)


NODE_CLASS_MAPPINGS = {"T5 Sampler": KSamplerVariations, "T5 Resize": ResizeOrBlock, "T5 Rotate": Rotate}
"""
}

PACKS["video-helper"] = {
    "__init__.py": """
import os
import uuid

import folder_paths
import latent_preview
import nodes
import server
from comfy.k_diffusion.utils import FolderOfImages
from comfy.utils import ProgressBar, common_upscale
from nodes import VAEEncode

web = server.web
queue = server.PromptServer.instance.prompt_queue
folder_paths.folder_names_and_paths["T6_video_formats"] = ([os.path.dirname(__file__)], {".json"})
if not hasattr(nodes, "T6LoadFormats"):
    nodes.T6LoadFormats = {}
EXTENSIONS = FolderOfImages.IMG_EXTENSIONS
put = queue.put
queue.put = lambda item: put(item)


@server.PromptServer.instance.routes.get("/t6/viewvideo")
async def view(request):
    return web.FileResponse("x")


class Previewer(latent_preview.LatentPreviewer):
    pass


get_previewer = latent_preview.get_previewer
latent_preview.get_previewer = lambda device, latent_format: get_previewer(device, latent_format)


class Combine:
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"images": ("IMAGE",), "prefix": ("STRING", {"default": "clips/t6"})},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO", "unique_id": "UNIQUE_ID"},
        }

    RETURN_TYPES = ("T6_FILENAMES",)
    OUTPUT_NODE = True
    FUNCTION = "combine"
    CATEGORY = "t6"

    def combine(self, images, prefix, prompt=None, extra_pnginfo=None, unique_id=None):
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            prefix, folder_paths.get_output_directory(), images.shape[2], images.shape[1]
        )
        file = f"{name}_{counter:05}.txt"
        with open(os.path.join(folder, file), "w") as stream:
            stream.write(f"{len(images)} frames")
        shown = {"filename": file, "subfolder": subfolder, "type": "output", "format": "video/txt"}
        return {"ui": {"gifs": [shown]}, "result": ((True, [os.path.join(folder, file)]),)}


NODE_CLASS_MAPPINGS = {"T6 Combine": Combine}
"""
}

PACKS["framework"] = {
    "__init__.py": """
from comfy_api.latest import ComfyExtension
from comfy_api.latest import io as latest_io
from comfy_api.v0_0_2 import ComfyAPISync, io, ui
from server import PromptServer

api = ComfyAPISync()


class AssertEqual(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="T7 Equal", category="t7", is_output_node=True,
            inputs=[io.Float.Input("a"), io.Float.Input("b")], outputs=[io.Boolean.Output()],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def execute(cls, a, b):
        PromptServer.instance.send_progress_text("equal" if a == b else "not", cls.hidden.unique_id)
        api.execution.set_progress(1, 1)
        return io.NodeOutput(a == b, ui=ui.PreviewText(f"{a} {b}"))


class Framework(ComfyExtension):
    async def get_node_list(self):
        return [AssertEqual]


async def comfy_entrypoint() -> Framework:
    return Framework()
"""
}

PACKS["kjnodes"] = {
    "__init__.py": """
from .nodes import image_nodes
from .nodes.model_nodes import Attention, WanPatch

try:
    from .nodes.lt_nodes import GuideNode
except Exception:
    GuideNode = None
try:
    import comfy_aimdo
except ImportError:
    comfy_aimdo = None

NODE_CLASS_MAPPINGS = {**image_nodes.NODES, "T8 Attention": Attention, "T8 Wan": WanPatch}
if GuideNode is not None:
    NODE_CLASS_MAPPINGS["T8 Guide"] = GuideNode
""",
    "nodes/__init__.py": "",
    "nodes/image_nodes.py": """
import folder_paths
import torch
from comfy.cli_args import args
from comfy.comfy_types.node_typing import IO
from comfy.utils import ProgressBar, common_upscale, load_torch_file, save_torch_file
from comfy_extras.nodes_mask import composite
from comfy_api.latest import io
from nodes import MAX_RESOLUTION, NODE_CLASS_MAPPINGS

OFFLINE = args.disable_api_nodes


class Composite:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": (IO.ANY, {"forceInput": True})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "go"
    CATEGORY = "t8"

    def go(self, value):
        assert "KSampler" in NODE_CLASS_MAPPINGS
        done = composite(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 2, 2), 2, 2, None, 1, False)
        return (done.movedim(1, -1),)


NODES = {"T8 Composite": Composite}
""",
    "nodes/model_nodes.py": '''
import comfy.model_management as mm
import comfy.ops
from comfy.k_diffusion.sampling import to_d
from comfy.ldm.flux.math import apply_rope
from comfy.ldm.lumina.model import FeedForward
from comfy.ldm.modules.attention import attention_pytorch, optimized_attention, optimized_attention_masked, wrap_attn
from comfy.ldm.modules.diffusionmodules.model import ResnetBlock
from comfy.ldm.wan.model import WanI2VCrossAttention, WanT2VCrossAttention
from comfy.ldm.wan.vae import CausalConv3d, RMS_norm
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import CallbacksMP, WrappersMP
from comfy.sampler_helpers import prepare_mask
from comfy.samplers import KSAMPLER, CFGGuider, sampling_function

try:
    from comfy.ldm.minimax.model import MiniMaxH3Model, PackedLayout
except ImportError:
    MiniMaxH3Model = None
try:
    from comfy.quant_ops import ck
except (ImportError, AttributeError):
    ck = None

device = mm.get_torch_device()
offload = mm.unet_offload_device()


class Conv(comfy.ops.disable_weight_init.Conv3d):
    """Only made when a network of that kind is there."""


class Cross(WanT2VCrossAttention):
    pass


@wrap_attn
def attention_own(q, k, v, heads, **rest):
    return attention_pytorch(q, k, v, heads)


class Attention:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"heads": ("INT", {"default": 2})}}

    RETURN_TYPES = ("FLOAT",)
    FUNCTION = "go"
    CATEGORY = "t8"

    def go(self, heads):
        import torch

        assert MiniMaxH3Model is None
        q = torch.ones(1, 4, 8)
        return (float(optimized_attention(q, q, q, heads).mean()),)


class WanPatch:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "go"
    CATEGORY = "t8"

    def go(self):
        return (Cross(8),)
''',
    "nodes/lt_nodes.py": """
from comfy.ldm.lightricks.model import GuideAttentionMask, _attention_with_guide_mask, apply_rotary_emb
from comfy.ldm.lightricks.vae.causal_conv3d import CausalConv3d
from comfy_extras.nodes_lt import LTXVAddGuide, _append_guide_attention_entry, get_noise_mask


class GuideNode(LTXVAddGuide):
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "go"
    CATEGORY = "t8"

    def go(self):
        return (get_noise_mask({}),)
""",
}

PACKS["efficiency"] = {
    "__init__.py": """
import comfy.k_diffusion.sampling
import comfy.model_base
import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.sdxl_clip
import folder_paths
from comfy.cli_args import args
from comfy.controlnet import ControlBase
from comfy.ldm.modules.distributions.distributions import DiagonalGaussianDistribution
from comfy.model_patcher import ModelPatcher
from comfy.samplers import KSampler as Sampler
from comfy.samplers import KSamplerX0Inpaint
from comfy.sdxl_clip import SDXLClipG, SDXLClipModel, SDXLRefinerClipModel
from comfy_extras import nodes_custom_sampler
from comfy_extras.nodes_align_your_steps import AlignYourStepsScheduler
from comfy_extras.nodes_clip_sdxl import CLIPTextEncodeSDXL, CLIPTextEncodeSDXLRefiner
from comfy_extras.nodes_gits import GITSScheduler
from comfy_extras.nodes_upscale_model import ImageUpscaleWithModel, UpscaleModelLoader
from nodes import (
    MAX_RESOLUTION, CLIPSetLastLayer, CLIPTextEncode, ControlNetApply, ControlNetApplyAdvanced, ControlNetLoader,
    ImageScaleBy, KSampler, KSamplerAdvanced, LatentUpscaleBy, PreviewImage, VAEDecode, VAEDecodeTiled, VAEEncode,
    VAEEncodeTiled,
)

np = comfy.sample.np
METHODS = LatentUpscaleBy.INPUT_TYPES()["required"]["upscale_method"][0]
SCHEDULERS = comfy.samplers.KSampler.SCHEDULERS + ["AYS SD1"]
SCHEDULER_NAMES = comfy.samplers.SCHEDULER_NAMES
USED = []
prepare_noise = comfy.sample.prepare_noise


def counted(latent_image, seed, noise_inds=None):
    USED.append(seed)
    return prepare_noise(latent_image, seed, noise_inds)


comfy.sample.prepare_noise = counted


class Efficient:
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": ("MODEL",), "clip": ("CLIP",), "vae": ("VAE",), "scheduler": (SCHEDULERS,),
                "method": (METHODS,), "steps": ("INT", {"default": 2, "min": 1}),
            }
        }

    RETURN_TYPES = ("IMAGE", "LATENT", "INT")
    FUNCTION = "go"
    CATEGORY = "t9"

    def go(self, model, clip, vae, scheduler, method, steps):
        from nodes import common_ksampler

        clip = CLIPSetLastLayer().set_last_layer(clip, -1)[0]
        positive = CLIPTextEncode().encode(clip, "a blue square")[0]
        negative = CLIPTextEncode().encode(clip, "")[0]
        latent = {"samples": comfy.samplers.torch.zeros(1, 4, 8, 8)}
        samples = KSampler().sample(model, 3, steps, 2.0, "euler", "normal", positive, negative, latent, denoise=1.0)[0]
        again = common_ksampler(model, 3, steps, 2.0, "euler", "normal", positive, negative, latent)[0]
        assert comfy.samplers.torch.allclose(samples["samples"], again["samples"], atol=1e-4)
        larger = LatentUpscaleBy().upscale(samples, method, 1.5)[0]
        image = VAEDecode().decode(vae, larger)[0]
        image = VAEDecode().decode(vae, VAEEncode().encode(vae, image)[0])[0]
        return (image, larger, len(USED))


NODE_CLASS_MAPPINGS = {"T9 Efficient": Efficient}
"""
}

PACKS["was"] = {
    "__init__.py": """
import os
import subprocess
import sys

import comfy.samplers
import comfy.sd
import comfy.utils
import folder_paths
import nodes
from comfy_extras.chainner_models import model_loading

print("\\033[34mWAS:\\033[0m loading")
MODELS = os.path.join(folder_paths.base_path, "models")
CUSTOM_NODES_DIR = folder_paths.folder_names_and_paths["custom_nodes"][0][0]
assert os.path.isdir(os.path.join(CUSTOM_NODES_DIR, "was"))
folder_paths.folder_names_and_paths["t10_prompts"] = (
    [os.path.join(folder_paths.models_dir, "t10")], folder_paths.supported_pt_extensions
)
try:
    GIT = subprocess.run(["git", "fetch"], capture_output=True).stdout
except OSError:
    GIT = b""


class TextReplace:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {"default": ""}), "sampler": (comfy.samplers.KSampler.SAMPLERS,)}}

    RETURN_TYPES = ("STRING",)
    FUNCTION = "go"
    CATEGORY = "t10"

    def go(self, text, sampler):
        return (text.replace("a", "b") + str(len(GIT)),)


NODE_CLASS_MAPPINGS = {"T10 Replace": TextReplace}
"""
}

PACKS["upscale"] = {
    "__init__.py": """
import os
import urllib.request

import comfy.samplers
import comfy.utils
from comfy_extras.nodes_custom_sampler import SamplerCustom
from comfy_extras.nodes_upscale_model import ImageUpscaleWithModel
from nodes import VAEDecode, VAEDecodeTiled, VAEEncode, common_ksampler

if not os.path.exists(os.path.join(os.path.dirname(__file__), "repositories")):
    try:
        urllib.request.urlretrieve("https://example.com/scripts.zip", "scripts.zip")
    except OSError:
        pass


class Upscale:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "vae": ("VAE",), "model": ("MODEL",), "positive": ("CONDITIONING",)}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "go"
    CATEGORY = "t11"

    def go(self, image, vae, model, positive):
        comfy.utils.PROGRESS_BAR_ENABLED = False
        latent = VAEEncode().encode(vae, image)[0]
        sampler = comfy.samplers.sampler_object("euler")
        sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", 2)
        done, denoised = SamplerCustom().sample(model, True, 1, 1.0, positive, positive, sampler, sigmas, latent)
        comfy.utils.PROGRESS_BAR_ENABLED = True
        return (VAEDecodeTiled().decode(vae, done, 512)[0],)


NODE_CLASS_MAPPINGS = {"T11 Upscale": Upscale}
"""
}

PACKS["impact"] = {
    "__init__.py": """
import os
import subprocess
import sys

here = os.path.dirname(__file__)
sys.path.append(os.path.join(here, "modules"))
try:
    subprocess.check_call([sys.executable, os.path.join(here, "install.py")])
except OSError:
    print("no installer")

from t12_impact.core import NODE_CLASS_MAPPINGS
""",
    "modules/t12_impact/__init__.py": "",
    "modules/t12_impact/core.py": """
import comfy.sample
import comfy.samplers
import execution
import folder_paths
import latent_preview
import node_helpers
import nodes
from comfy.cli_args import LatentPreviewMethod, args
from comfy.k_diffusion.sampling import BrownianTreeNoiseSampler
from comfy_execution.graph import ExecutionBlocker
from comfy_extras.nodes_custom_sampler import Guider_Basic, Noise_EmptyNoise, Noise_RandomNoise
from comfy_extras.nodes_differential_diffusion import DifferentialDiffusion
from comfy_extras.nodes_mask import composite
from comfy_extras.nodes_upscale_model import ImageUpscaleWithModel
from latent_preview import TAESD, Latent2RGBPreviewer, TAESDPreviewerImpl
from server import PromptServer

folder_paths.folder_names_and_paths["t12_sams"] = ([folder_paths.models_dir], {".pth"})
sample = comfy.sample.sample


def on_prompt(data):
    return data


PromptServer.instance.add_on_prompt_handler(on_prompt)


class Executor(execution.PromptExecutor):
    pass


class Detailer:
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"image": ("IMAGE",)},
            "hidden": {"unique_id": "UNIQUE_ID"},
        }

    RETURN_TYPES = ("IMAGE", "STRING")
    FUNCTION = "go"
    CATEGORY = "t12"
    OUTPUT_NODE = True

    def go(self, image, unique_id):
        mappings = nodes.NODE_CLASS_MAPPINGS
        shown = nodes.PreviewImage().save_images(image)["ui"]["images"]
        PromptServer.instance.send_sync("t12-node-feedback", {"node_id": unique_id})
        other = mappings["T10 Replace"]().go("banana", "euler")[0]
        return {"ui": {"images": shown}, "result": (image, other)}


NODE_CLASS_MAPPINGS = {"T12 Detailer": Detailer}
""",
}
