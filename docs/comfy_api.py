"""Make the table of ComfyUI's API in docs/packs.md: what packs find, and what popular ones ask for that is not there.

python docs/comfy_api.py          # writes the table
python docs/comfy_api.py --check  # says whether it is what it would be
"""

from __future__ import annotations

import argparse
import importlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weft.engine.folders import Folders
from weft.engine.schema.registry import Registry
from weft.engine.settings import Settings
from weft.nodes import compat

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "packs.md"
MODULES = ROOT / "nodes" / "compat" / "modules"
BEGIN, END = "<!-- made by docs/comfy_api.py -->", "<!-- until here -->"
SHOWN = 16
"""So many names a row spells out."""
INSIDE = ("comfy_api.latest.io", "comfy_api.latest.ui")
"""What is no module of its own for packs; its rows spell out all names."""

# What twelve popular packs ask for by name: rgthree-comfy, Custom-Scripts, Comfyroll, essentials, VideoHelperSuite,
# KJNodes, efficiency-nodes, WAS, UltimateSDUpscale, Impact, use-everywhere, test-framework.
WANTED = {
    "comfy.cli_args": "LatentPreviewMethod args",
    "comfy.comfy_types.node_typing": "IO",
    "comfy.context_windows": (
        "ContextFuseMethod ContextSchedule IndexListContextHandler create_prepare_sampling_wrapper "
        "create_sampler_sample_wrapper get_matching_context_schedule get_matching_fuse_method"
    ),
    "comfy.controlnet": "ControlBase ControlNet T2IAdapter load_controlnet",
    "comfy.diffusers_convert": "load_diffusers",
    "comfy.k_diffusion.sampling": (
        "BrownianTreeNoiseSampler sample_dpmpp_2m_sde sample_dpmpp_2m_sde_gpu sample_dpmpp_3m_sde "
        "sample_dpmpp_3m_sde_gpu sample_dpmpp_sde sample_dpmpp_sde_gpu to_d"
    ),
    "comfy.k_diffusion.utils": "FolderOfImages",
    "comfy.latent_formats": "Flux SC_B SC_Prior SD15 SD3 SDXL SDXL_Playground_2_5 SD_X4 Wan21",
    "comfy.ldm.common_dit": "rms_norm",
    "comfy.ldm.flux.math": "apply_rope",
    "comfy.ldm.lightricks.model": "GuideAttentionMask _attention_with_guide_mask apply_rotary_emb",
    "comfy.ldm.lightricks.vae.causal_conv3d": "CausalConv3d",
    "comfy.ldm.lightricks.vae.causal_video_autoencoder": "Decoder Encoder ResnetBlock3D",
    "comfy.ldm.lightricks.vae.pixel_norm": "PixelNorm",
    "comfy.ldm.lumina.model": "FeedForward",
    "comfy.ldm.minimax.model": "MiniMaxH3Model PackedLayout",
    "comfy.ldm.modules.attention": (
        "attention_flash attention_pytorch attention_sage attention_xformers optimized_attention "
        "optimized_attention_masked wrap_attn"
    ),
    "comfy.ldm.modules.diffusionmodules.model": "ResnetBlock",
    "comfy.ldm.modules.distributions.distributions": "DiagonalGaussianDistribution",
    "comfy.ldm.wan.model": "WanI2VCrossAttention WanT2VCrossAttention",
    "comfy.ldm.wan.vae": "CausalConv3d RMS_norm",
    "comfy.lora": "load_lora model_lora_keys_unet",
    "comfy.model_base": "ModelType",
    "comfy.model_detection": "unet_prefix_from_state_dict",
    "comfy.model_management": (
        "OOM_EXCEPTION cast_to free_memory get_autocast_device get_free_memory get_torch_device "
        "get_torch_device_name in_training intermediate_device intermediate_dtype is_device_mps "
        "is_directml_enabled is_intel_xpu load_model_gpu load_models_gpu raise_non_oom "
        "should_use_fp16 soft_empty_cache text_encoder_device "
        "throw_exception_if_processing_interrupted unet_dtype unet_offload_device unload_all_models "
        "vae_device vae_dtype vae_offload_device"
    ),
    "comfy.model_patcher": "ModelPatcher",
    "comfy.model_sampling": "CONST time_snr_shift",
    "comfy.ops": "disable_weight_init linear_input_act",
    "comfy.patcher_extension": "CallbacksMP WrappersMP",
    "comfy.quant_ops": "ck",
    "comfy.sample": "fix_empty_latent_channels prepare_mask prepare_noise sample sample_custom",
    "comfy.sampler_helpers": "cleanup_additional_models convert_cond get_additional_models prepare_mask",
    "comfy.samplers": (
        "CFGGuider CFGNoisePredictor KSAMPLER KSampler KSamplerX0Inpaint SCHEDULER_NAMES Sampler "
        "calculate_sigmas can_concat_cond cond_cat get_area_and_mult k_diffusion_sampling sample "
        "sampler_object sampling_function wrap_model"
    ),
    "comfy.sd": (
        "VAE load_checkpoint load_checkpoint_guess_config load_controlnet "
        "load_diffusion_model_state_dict load_lora_for_models model_detection"
    ),
    "comfy.sdxl_clip": "SDXLClipG SDXLClipModel SDXLRefinerClipModel",
    "comfy.taesd.taesd": "Block Clamp conv",
    "comfy.utils": (
        "PROGRESS_BAR_ENABLED ProgressBar common_upscale get_attr get_tiled_scale_steps lanczos "
        "load_torch_file pack_latents save_torch_file set_attr state_dict_prefix_replace tiled_scale "
        "tiled_scale_multidim unpack_latents"
    ),
    "comfy_api.feature_flags": "supports_feature",
    "comfy_api.latest": "ComfyExtension InputImpl Types io ui",
    "comfy_api.torch_helpers": "set_torch_compile_wrapper",
    "comfy_api.v0_0_2": "ComfyAPISync io ui",
    "comfy_execution.graph": "ExecutionBlocker",
    "comfy_extras.chainner_models.model_loading": "load_state_dict",
    "comfy_extras.nodes_align_your_steps": "AlignYourStepsScheduler",
    "comfy_extras.nodes_clip_sdxl": "CLIPTextEncodeSDXL CLIPTextEncodeSDXLRefiner",
    "comfy_extras.nodes_custom_sampler": (
        "BasicGuider BasicScheduler Guider_Basic Noise_EmptyNoise Noise_RandomNoise SamplerCustom SamplerCustomAdvanced"
    ),
    "comfy_extras.nodes_differential_diffusion": "DifferentialDiffusion",
    "comfy_extras.nodes_gits": "GITSScheduler",
    "comfy_extras.nodes_latent": "LatentBatch",
    "comfy_extras.nodes_lt": "LTXVAddGuide _append_guide_attention_entry get_noise_mask",
    "comfy_extras.nodes_mask": "composite",
    "comfy_extras.nodes_model_advanced": "ModelSamplingAuraFlow ModelSamplingFlux",
    "comfy_extras.nodes_upscale_model": "ImageUpscaleWithModel UpscaleModelLoader",
    "execution": "PromptExecutor",
    "folder_paths": (
        "add_model_folder_path annotated_filepath base_path exists_annotated_filepath "
        "folder_names_and_paths get_annotated_filepath get_directory_by_type get_filename_list "
        "get_folder_paths get_full_path get_input_directory get_output_directory get_save_image_path "
        "get_temp_directory input_directory models_dir output_directory supported_pt_extensions "
        "temp_directory"
    ),
    "latent_preview": (
        "Latent2RGBPreviewer LatentPreviewMethod LatentPreviewer TAESD TAESDPreviewerImpl "
        "get_previewer prepare_callback"
    ),
    "node_helpers": "conditioning_set_values pillow",
    "nodes": (
        "CLIPSetLastLayer CLIPTextEncode CheckpointLoaderSimple ConditioningAverage "
        "ConditioningCombine ConditioningConcat ConditioningSetTimestepRange ConditioningZeroOut "
        "ControlNetApply ControlNetApplyAdvanced ControlNetLoader DiffusersLoader EmptyLatentImage "
        "ImageBatch ImageScale ImageScaleBy InpaintModelConditioning KSampler KSamplerAdvanced "
        "LatentComposite LatentUpscaleBy LoadImage LoraLoader MAX_RESOLUTION NODE_CLASS_MAPPINGS "
        "PreviewImage SaveImage SaveLatent VAEDecode VAEDecodeTiled VAEEncode VAEEncodeTiled "
        "common_ksampler interrupt_processing"
    ),
    "server": "BinaryEventTypes PromptServer web",
}


def written() -> Iterator[str]:
    """The modules that have a file of their own."""
    for file in sorted(MODULES.rglob("*.py")):
        parts = file.relative_to(MODULES).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name and name != "custom_nodes" and not any(part.startswith("_") for part in name.split(".")):
            yield name


def names_of(module: Any) -> set[str]:
    """What a module offers of its own: functions, classes and values, not what it imports to work with."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        found = set(listed)
    else:
        found = set()
    for name, value in vars(module).items():
        owner = getattr(value, "__module__", module.__name__)
        imported = isinstance(value, type(importlib)) or (isinstance(owner, str) and owner in ("typing", "__future__"))
        native = isinstance(owner, str) and owner == module.__name__
        if not name.startswith("_") and not imported and (native or name.isupper()):
            found.add(name)
    return {name for name in found if name not in ("Any", "annotations")}


def rows() -> Iterator[str]:
    """The rows of the table, modules sorted."""
    for name in sorted({*written(), *WANTED, *INSIDE}):
        wanted = set(WANTED.get(name, "").split())
        package, _, own = name.rpartition(".")
        try:
            module = getattr(importlib.import_module(package), own) if name in INSIDE else importlib.import_module(name)
        except ImportError:
            module = None
        there = {each for each in wanted if module is not None and hasattr(module, each)}
        offered = there | (names_of(module) if module is not None else set())
        if not offered and not wanted:
            continue
        shown = len(offered) if name in INSIDE else SHOWN
        first = [*sorted(there), *sorted(offered - there)][:shown]
        more = f", and {len(offered) - shown} more" if len(offered) > shown else ""
        spelled = ", ".join(f"`{each}`" for each in first) + more if offered else "nothing"
        yield f"| `{name}` | {spelled} | {', '.join(f'`{each}`' for each in sorted(wanted - there))} |"


def table() -> str:
    """The whole table."""
    registry = Registry.discover()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folders = Folders(models=[folder], input=folder, output=folder, temp=folder)
        compat.install(compat.Host(registry, folders, Settings()))
        try:
            body = list(rows())
        finally:
            compat.uninstall()
    head = ["| module | there | asked for by popular packs, and not there |", "| --- | --- | --- |"]
    return "\n".join([*head, *body])


def page(text: str) -> str:
    """The page with the table in its place."""
    return re.sub(
        f"({re.escape(BEGIN)}\n).*?({re.escape(END)})", lambda at: f"{at[1]}{table()}\n{at[2]}", text, flags=re.S
    )


def main() -> int:
    """Write the table, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where it differs")
    before = PAGE.read_text()
    after = page(before)
    if parser.parse_args().check:
        return int(before != after)
    PAGE.write_text(after)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
