"""weft.Graph as an editor and a type checker see it: the node classes that are installed.

Written by `weft stubs`; what is changed here is lost.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, TypedDict, Unpack, overload

from weft.engine.building.graph import Graph as _Graph
from weft.engine.building.nodes import GraphNode, GraphOutput, GraphSource, SoleNode

class _About(TypedDict, total=False):
    _id: str | int | None
    _title: str | None
    _meta: Mapping[str, Any] | None
    _as_is: object

class ARRAY: ...
class AUDIO: ...
class AUDIO_RECORD: ...
class BASIC_PIPE: ...
class BOOLEAN: ...
class BOUNDING_BOX: ...
class BOUNDING_BOXES: ...
class CLIP: ...
class CLIP_VISION: ...
class CLIP_VISION_OUTPUT: ...
class COLOR: ...
class COLORS: ...
class COMBO: ...
class COMFY_DYNAMICCOMBO_V3: ...
class CONDITIONING: ...
class CONTROL_NET: ...
class CONTROL_NET_STACK: ...
class DEPENDENCIES: ...
class DICT: ...
class FLOAT: ...
class FLOATS: ...
class GLIGEN: ...
class GUIDER: ...
class HOOKS: ...
class HOOK_KEYFRAMES: ...
class IMAGE: ...
class INT: ...
class LATENT: ...
class LATENT_OPERATION: ...
class LOAD3D_CAMERA: ...
class LORA_MODEL: ...
class LORA_STACK: ...
class LOSS_MAP: ...
class MASK: ...
class MODEL: ...
class MODEL_PATCH: ...
class NOISE: ...
class RESOLUTION_PREVIEW: ...
class RGTHREE_CONTEXT: ...
class SAMPLER: ...
class SCRIPT: ...
class SDXL_TUPLE: ...
class SIGMAS: ...
class STRING: ...
class STYLE_MODEL: ...
class SVG: ...
class TIMESTEPS_RANGE: ...
class TRACKS: ...
class UPSCALE_MODEL: ...
class VAE: ...
class VHS_BatchManager: ...
class VHS_FILENAMES: ...
class VHS_VIDEOINFO: ...
class VIDEO: ...
class WAN_CAMERA_EMBEDDING: ...
class WEBCAM: ...
class XY: ...

_SD1_or_2_more = Literal[
    "SD1",
    "SDXL",
    "SVD",
]
_dhash = Literal[
    "dhash",
]
_after_or_1_more = Literal[
    "after",
    "before",
]
_add_or_3_more = Literal[
    "add",
    "mean",
    "subtract",
    "multiply",
]
_simple_or_8_more = Literal[
    "simple",
    "sgm_uniform",
    "karras",
    "exponential",
    "ddim_uniform",
    "beta",
    "normal",
    "linear_quadratic",
    "kl_optimal",
]
_none_or_2_more = Literal[
    "none",
    "photo",
    "art_style",
]
_stable_diffusion_or_17_more = Literal[
    "stable_diffusion",
    "stable_cascade",
    "sd3",
    "stable_audio",
    "mochi",
    "ltxv",
    "pixart",
    "cosmos",
    "lumina2",
    "wan",
    "hidream",
    "chroma",
    "ace",
    "omnigen2",
    "qwen_image",
    "hunyuan_image",
    "flux2",
    "flux3",
]
_default_or_1_more = Literal[
    "default",
    "cpu",
]
_none_or_1_more = Literal[
    "none",
    "empty_prompt",
]
_center_or_1_more = Literal[
    "center",
    "none",
]
_Add_or_8_more = Literal[
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Mod",
    "Pow",
    "FloorDiv",
    "Max",
    "Min",
]
_Yes_or_1_more = Literal[
    "Yes",
    "No",
]
_UPPERCASE_or_3_more = Literal[
    "UPPERCASE",
    "lowercase",
    "Capitalize",
    "Title Case",
]
_reinhard_lab_or_2_more = Literal[
    "reinhard_lab",
    "mkl_lab",
    "histogram",
]
_per_frame_or_2_more = Literal[
    "per_frame",
    "uniform",
    "target_frame",
]
_default_or_1_more_2 = Literal[
    "default",
    "mask bounds",
]
_standard_static_or_3_more = Literal[
    "standard_static",
    "standard_uniform",
    "looped_uniform",
    "batched",
]
_pyramid_or_3_more = Literal[
    "pyramid",
    "relative",
    "flat",
    "overlap-linear",
]
_linear_or_3_more = Literal[
    "linear",
    "ease_in",
    "ease_out",
    "ease_in_out",
]
_regular_or_1_more = Literal[
    "regular",
    "nested",
]
_sdxl_or_5_more = Literal[
    "sdxl",
    "sd3",
    "flux",
    "hunyuan_video",
    "hidream",
    "hunyuan_image",
]
_none_or_3_more = Literal[
    "none",
    "mean",
    "length",
    "length+mean",
]
_comfy_or_4_more = Literal[
    "comfy",
    "A1111",
    "compel",
    "comfy++",
    "down_weight",
]
_False_or_1_more = Literal[
    "False",
    "True",
]
_linear_or_2_more = Literal[
    "linear",
    "cosine",
    "sine",
]
_offset_or_3_more = Literal[
    "offset",
    "index",
    "uxo/uno",
    "index_timestep_zero",
]
_linear_or_4_more = Literal[
    "linear",
    "ease_in",
    "ease_out",
    "ease_in_out",
    "constant",
]
_latent_or_2_more = Literal[
    "latent",
    "pixel",
    "both",
]
_nearest_exact_or_8_more = Literal[
    "nearest-exact",
    "bilinear",
    "area",
    "bicubic",
    "bislerp",
    "city96.v1",
    "city96.xl",
    "ttl_nn.SDXL",
    "ttl_nn.SD 1.x",
]
_choice_or_2_more = Literal[
    "_",
    False,
    True,
]
_None_or_3_more = Literal[
    "None",
    "Fit",
    "Resize by rescale_factor",
    "Resize to width & heigth",
]
_nearest_exact_or_2_more = Literal[
    "nearest-exact",
    "bilinear",
    "area",
]
_normal_or_5_more = Literal[
    "normal",
    "multiply",
    "screen",
    "overlay",
    "soft_light",
    "difference",
]
_x_axis_vertically_or_1_more = Literal[
    "x-axis: vertically",
    "y-axis: horizontally",
]
_none_or_5_more = Literal[
    "none",
    "floyd-steinberg",
    "bayer-2",
    "bayer-4",
    "bayer-8",
    "bayer-16",
]
_nearest_or_5_more = Literal[
    "nearest",
    "bilinear",
    "bicubic",
    "area",
    "nearest-exact",
    "lanczos",
]
_stretch_or_3_more = Literal[
    "stretch",
    "keep proportion",
    "fill / crop",
    "pad",
]
_always_or_4_more = Literal[
    "always",
    "downscale if bigger",
    "upscale if smaller",
    "if bigger area",
    "if smaller area",
]
_nearest_exact_or_4_more = Literal[
    "nearest-exact",
    "bilinear",
    "area",
    "bicubic",
    "lanczos",
]
_stretch_or_7_more = Literal[
    "stretch",
    "resize",
    "pad",
    "pad_edge",
    "pad_edge_pixel",
    "crop",
    "pillarbox_blur",
    "total_pixels",
]
_center_or_4_more = Literal[
    "center",
    "top",
    "bottom",
    "left",
    "right",
]
_cpu_or_1_more = Literal[
    "cpu",
    "gpu",
]
_none_or_3_more_2 = Literal[
    "none",
    "90 degrees",
    "180 degrees",
    "270 degrees",
]
_disabled_or_1_more = Literal[
    "disabled",
    "center",
]
_area_or_4_more = Literal[
    "area",
    "lanczos",
    "bilinear",
    "nearest-exact",
    "bicubic",
]
_right_or_3_more = Literal[
    "right",
    "down",
    "left",
    "up",
]
_white_or_4_more = Literal[
    "white",
    "black",
    "red",
    "green",
    "blue",
]
_red_or_3_more = Literal[
    "red",
    "green",
    "blue",
    "alpha",
]
_a_b_or_7_more = Literal[
    "a = b",
    "a <> b",
    "a > b",
    "a < b",
    "a >= b",
    "a <= b",
    "tt",
    "ff",
]
_euler_or_43_more = Literal[
    "euler",
    "euler_cfg_pp",
    "euler_ancestral",
    "euler_ancestral_cfg_pp",
    "heun",
    "heunpp2",
    "exp_heun_2_x0",
    "exp_heun_2_x0_sde",
    "dpm_2",
    "dpm_2_ancestral",
    "lms",
    "dpm_fast",
    "dpm_adaptive",
    "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp",
    "dpmpp_sde",
    "dpmpp_sde_gpu",
    "dpmpp_2m",
    "dpmpp_2m_cfg_pp",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu",
    "dpmpp_2m_sde_heun",
    "dpmpp_2m_sde_heun_gpu",
    "dpmpp_3m_sde",
    "dpmpp_3m_sde_gpu",
    "ddpm",
    "lcm",
    "ipndm",
    "ipndm_v",
    "deis",
    "res_multistep",
    "res_multistep_cfg_pp",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
    "gradient_estimation",
    "gradient_estimation_cfg_pp",
    "er_sde",
    "seeds_2",
    "seeds_3",
    "sa_solver",
    "sa_solver_pece",
    "ddim",
    "uni_pc",
    "uni_pc_bh2",
]
_simple_or_12_more = Literal[
    "simple",
    "sgm_uniform",
    "karras",
    "exponential",
    "ddim_uniform",
    "beta",
    "normal",
    "linear_quadratic",
    "kl_optimal",
    "AYS SD1",
    "AYS SDXL",
    "AYS SVD",
    "GITS",
]
_auto_or_4_more = Literal[
    "auto",
    "latent2rgb",
    "taesd",
    "vae_decoded_only",
    "none",
]
_true_or_2_more = Literal[
    "true",
    "true (tiled)",
    "false",
]
_enable_or_1_more = Literal[
    "enable",
    "disable",
]
_disable_or_1_more = Literal[
    "disable",
    "enable",
]
_auto_or_3_more = Literal[
    "auto",
    "latent2rgb",
    "taesd",
    "none",
]
_true_or_4_more = Literal[
    "true",
    "true (tiled)",
    "false",
    "output only",
    "output only (tiled)",
]
_random_or_1_more = Literal[
    "random",
    "fixed",
]
_x_or_5_more = Literal[
    "x",
    "-x",
    "y",
    "-y",
    "t",
    "-t",
]
_x_or_2_more = Literal[
    "x",
    "y",
    "t",
]
_t_or_2_more = Literal[
    "t",
    "x",
    "y",
]
_nearest_exact_or_4_more_2 = Literal[
    "nearest-exact",
    "bilinear",
    "area",
    "bicubic",
    "bislerp",
]
_simple_or_1_more = Literal[
    "simple",
    "advanced",
]
_alpha_or_3_more = Literal[
    "alpha",
    "red",
    "green",
    "blue",
]
_None_or_3_more_2 = Literal[
    "None",
    "Stretch",
    "Crop",
    "Pad",
]
_standard_or_1_more = Literal[
    "standard",
    "full_diff",
]
_multiply_or_5_more = Literal[
    "multiply",
    "add",
    "subtract",
    "and",
    "or",
    "xor",
]
_x_or_2_more_2 = Literal[
    "x",
    "y",
    "xy",
]
_default_or_3_more = Literal[
    "default",
    "fp32",
    "fp16",
    "bf16",
]
_v_prediction_or_4_more = Literal[
    "v_prediction",
    "edm",
    "edm_playground_v2.5",
    "eps",
    "cosmos_rflow",
]
_v_prediction = Literal[
    "v_prediction",
]
_eps_or_4_more = Literal[
    "eps",
    "v_prediction",
    "lcm",
    "x0",
    "img_to_img",
]
_erode_or_6_more = Literal[
    "erode",
    "dilate",
    "open",
    "close",
    "gradient",
    "bottom_hat",
    "top_hat",
]
_cpu_or_2_more = Literal[
    "cpu",
    "gpu",
    "nv",
]
_FLUX_or_2_more = Literal[
    "FLUX",
    "Wan",
    "Chroma",
]
_bicubic_or_4_more = Literal[
    "bicubic",
    "nearest-exact",
    "bilinear",
    "area",
    "bislerp",
]
_object_patch_first_or_1_more = Literal[
    "object_patch_first",
    "weight_patch_first",
]
_enabled_or_2_more = Literal[
    "enabled",
    "disabled",
    "auto",
]
_always_or_1_more = Literal[
    "always",
    "on empty queue",
]
_ADD_or_17_more = Literal[
    "ADD",
    "CLEAR",
    "DARKEN",
    "DST",
    "DST_ATOP",
    "DST_IN",
    "DST_OUT",
    "DST_OVER",
    "LIGHTEN",
    "MULTIPLY",
    "OVERLAY",
    "SCREEN",
    "SRC",
    "SRC_ATOP",
    "SRC_IN",
    "SRC_OUT",
    "SRC_OVER",
    "XOR",
]
_auto_or_3_more_2 = Literal[
    "auto",
    "gpu",
    "cpu",
    "off",
]
_default_or_2_more = Literal[
    "default",
    "int8",
    "int4",
]
_keep_resolution_or_1_more = Literal[
    "keep resolution",
    "resize",
]
_First_Match_or_3_more = Literal[
    "First Match",
    "All Matches",
    "First Group",
    "All Groups",
]
_white_or_1_more = Literal[
    "white",
    "black",
]
_area_or_4_more_2 = Literal[
    "area",
    "bicubic",
    "nearest-exact",
    "bilinear",
    "lanczos",
]
_scale_dimensions_or_8_more = Literal[
    "scale dimensions",
    "scale by multiplier",
    "scale longer dimension",
    "scale shorter dimension",
    "scale width",
    "scale height",
    "scale total pixels",
    "match size",
    "scale to multiple",
]
_1_1_Square_or_7_more = Literal[
    "1:1 (Square)",
    "2:3 (Portrait Photo)",
    "3:2 (Photo)",
    "3:4 (Portrait Standard)",
    "4:3 (Standard)",
    "9:16 (Portrait Widescreen)",
    "16:9 (Widescreen)",
    "21:9 (Ultrawide)",
]
_midpoint_or_1_more = Literal[
    "midpoint",
    "heun",
]
_gpu_or_1_more = Literal[
    "gpu",
    "cpu",
]
_ER_SDE_or_2_more = Literal[
    "ER-SDE",
    "Reverse-time SDE",
    "ODE",
]
_regular_or_1_more_2 = Literal[
    "regular",
    "alternative",
]
_bislerp_or_4_more = Literal[
    "bislerp",
    "nearest-exact",
    "bilinear",
    "area",
    "bicubic",
]
_default_or_2_more_2 = Literal[
    "default",
    "fastest",
    "slowest",
]
_flac_or_2_more = Literal[
    "flac",
    "mp3",
    "opus",
]
_V0_or_2_more = Literal[
    "V0",
    "128k",
    "320k",
]
_64k_or_4_more = Literal[
    "64k",
    "96k",
    "128k",
    "192k",
    "320k",
]
_png_or_1_more = Literal[
    "png",
    "exr",
]
_txt_or_3_more = Literal[
    "txt",
    "csv",
    "md",
    "json",
]
_auto_or_1_more = Literal[
    "auto",
    "mp4",
]
_auto_or_1_more_2 = Literal[
    "auto",
    "h264",
]
_vp9_or_1_more = Literal[
    "vp9",
    "av1",
]
_auto_or_8_more = Literal[
    "auto",
    "openpose",
    "depth",
    "hed/pidi/scribble/ted",
    "canny/lineart/anime_lineart/mlsd",
    "normal",
    "segment",
    "tile",
    "repaint",
]
_Starts_With_or_2_more = Literal[
    "Starts With",
    "Ends With",
    "Equal",
]
_append_or_1_more = Literal[
    "append",
    "replace",
]
_yes_or_1_more = Literal[
    "yes",
    "no",
]
_Both_or_2_more = Literal[
    "Both",
    "Left",
    "Right",
]
_multiply_or_1_more = Literal[
    "multiply",
    "attn_bias",
]
_black_or_3_more = Literal[
    "black",
    "white",
    "noise",
    "face",
]
_true_or_1_more = Literal[
    "true",
    "false",
]
_on_or_1_more = Literal[
    "on",
    "off",
]
_random_or_4_more = Literal[
    "random",
    "random strict",
    "padded",
    "simple",
    "none",
]
_inductor_or_1_more = Literal[
    "inductor",
    "cudagraphs",
]
_AdamW_or_3_more = Literal[
    "AdamW",
    "Adam",
    "SGD",
    "RMSprop",
]
_MSE_or_3_more = Literal[
    "MSE",
    "L1",
    "Huber",
    "SmoothL1",
]
_bf16_or_1_more = Literal[
    "bf16",
    "fp32",
]
_LoRA_or_3_more = Literal[
    "LoRA",
    "LoHa",
    "LoKr",
    "OFT",
]
_default_or_3_more_2 = Literal[
    "default",
    "fp8_e4m3fn",
    "fp8_e4m3fn_fast",
    "fp8_e5m2",
]
_default_or_4_more = Literal[
    "default",
    "target",
    "float32",
    "float16",
    "bfloat16",
]
_image_gif_or_13_more = Literal[
    "image/gif",
    "image/webp",
    "video/h264-mp4",
    "video/h265-mp4",
    "video/webm",
    "video/av1-webm",
    "video/8bit-png",
    "video/16bit-png",
    "video/ProRes",
    "video/ffv1-mkv",
    "video/ffmpeg-gif",
    "video/nvenc_h264-mp4",
    "video/nvenc_hevc-mp4",
    "video/nvenc_av1-mp4",
]
_Static_or_8_more = Literal[
    "Static",
    "Pan Up",
    "Pan Down",
    "Pan Left",
    "Pan Right",
    "Zoom In",
    "Zoom Out",
    "Anti Clockwise (ACW)",
    "ClockWise (CW)",
]
_add_noise_or_1_more = Literal[
    "add_noise",
    "return_with_leftover_noise",
]
_positive_or_1_more = Literal[
    "positive",
    "negative",
]
_Base_or_1_more = Literal[
    "Base",
    "Refiner",
]
_Ckpt_Names_or_3_more = Literal[
    "Ckpt Names",
    "Ckpt Names+ClipSkip",
    "Ckpt Names+ClipSkip+VAE",
    "Checkpoint Batch",
]
_ascending_or_1_more = Literal[
    "ascending",
    "descending",
]
_strength_or_2_more = Literal[
    "strength",
    "start_percent",
    "end_percent",
]
_X_Strength_Y_Start_or_5_more = Literal[
    "X: Strength, Y: Start%",
    "X: Strength, Y: End%",
    "X: Start%, Y: Strength",
    "X: Start%, Y: End%",
    "X: End%, Y: Strength",
    "X: End%, Y: Start%",
]
_LoRA_Names_or_2_more = Literal[
    "LoRA Names",
    "LoRA Names+Weights",
    "LoRA Batch",
]
_X_LoRA_Batch_Y_LoRA_Weig_or_3_more = Literal[
    "X: LoRA Batch, Y: LoRA Weight",
    "X: LoRA Batch, Y: Model Strength",
    "X: LoRA Batch, Y: Clip Strength",
    "X: Model Strength, Y: Clip Strength",
]
_Enabled = Literal[
    "Enabled",
]
_Nothing_or_14_more = Literal[
    "Nothing",
    "Seeds++ Batch",
    "Steps",
    "StartStep",
    "EndStep",
    "CFG Scale",
    "Sampler",
    "Scheduler",
    "Denoise",
    "VAE",
    "Positive Prompt S/R",
    "Negative Prompt S/R",
    "Checkpoint",
    "Clip Skip",
    "LoRA",
]
_sampler_or_2_more = Literal[
    "sampler",
    "scheduler",
    "sampler & scheduler",
]
_None_or_44_more = Literal[
    "None",
    "euler",
    "euler_cfg_pp",
    "euler_ancestral",
    "euler_ancestral_cfg_pp",
    "heun",
    "heunpp2",
    "exp_heun_2_x0",
    "exp_heun_2_x0_sde",
    "dpm_2",
    "dpm_2_ancestral",
    "lms",
    "dpm_fast",
    "dpm_adaptive",
    "dpmpp_2s_ancestral",
    "dpmpp_2s_ancestral_cfg_pp",
    "dpmpp_sde",
    "dpmpp_sde_gpu",
    "dpmpp_2m",
    "dpmpp_2m_cfg_pp",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu",
    "dpmpp_2m_sde_heun",
    "dpmpp_2m_sde_heun_gpu",
    "dpmpp_3m_sde",
    "dpmpp_3m_sde_gpu",
    "ddpm",
    "lcm",
    "ipndm",
    "ipndm_v",
    "deis",
    "res_multistep",
    "res_multistep_cfg_pp",
    "res_multistep_ancestral",
    "res_multistep_ancestral_cfg_pp",
    "gradient_estimation",
    "gradient_estimation_cfg_pp",
    "er_sde",
    "seeds_2",
    "seeds_3",
    "sa_solver",
    "sa_solver_pece",
    "ddim",
    "uni_pc",
    "uni_pc_bh2",
]
_None_or_13_more = Literal[
    "None",
    "simple",
    "sgm_uniform",
    "karras",
    "exponential",
    "ddim_uniform",
    "beta",
    "normal",
    "linear_quadratic",
    "kl_optimal",
    "AYS SD1",
    "AYS SDXL",
    "AYS SVD",
    "GITS",
]
_steps_or_3_more = Literal[
    "steps",
    "start_at_step",
    "end_at_step",
    "refine_at_step",
]
_VAE_Names_or_1_more = Literal[
    "VAE Names",
    "VAE Batch",
]
_Horizontal_or_1_more = Literal[
    "Horizontal",
    "Vertical",
]
_True_or_1_more = Literal[
    "True",
    "False",
]
_Images_or_1_more = Literal[
    "Images",
    "Plot",
]
_add_or_5_more = Literal[
    "add",
    "subtract",
    "multiply",
    "divide",
    "modulo",
    "power",
]

class _model(SoleNode[MODEL]):
    model: GraphOutput[MODEL]

class _latent(SoleNode[LATENT]):
    latent: GraphOutput[LATENT]

class _sigmas(SoleNode[SIGMAS]):
    sigmas: GraphOutput[SIGMAS]

class _output(SoleNode[Any]):
    output: GraphOutput[Any]

class _conditioning_plus_conditioning_minus(GraphNode):
    conditioning_plus: GraphOutput[CONDITIONING]
    conditioning_minus: GraphOutput[CONDITIONING]

class _audio(SoleNode[AUDIO]):
    audio: GraphOutput[AUDIO]

class _guider(SoleNode[GUIDER]):
    guider: GraphOutput[GUIDER]

class _image(SoleNode[IMAGE]):
    image: GraphOutput[IMAGE]

class _mask(SoleNode[MASK]):
    mask: GraphOutput[MASK]

class _prompt(SoleNode[DICT]):
    prompt: GraphOutput[DICT]

class _patched_model(SoleNode[MODEL]):
    patched_model: GraphOutput[MODEL]

class _clip(SoleNode[CLIP]):
    clip: GraphOutput[CLIP]

class _conditioning(SoleNode[CONDITIONING]):
    conditioning: GraphOutput[CONDITIONING]

class _clip_vision_output(SoleNode[CLIP_VISION_OUTPUT]):
    clip_vision_output: GraphOutput[CLIP_VISION_OUTPUT]

class _clip_vision(SoleNode[CLIP_VISION]):
    clip_vision: GraphOutput[CLIP_VISION]

class _float(SoleNode[FLOAT]):
    float: GraphOutput[FLOAT]

class _int(SoleNode[INT]):
    int: GraphOutput[INT]

class _index_show_help(GraphNode):
    index: GraphOutput[INT]
    show_help: GraphOutput[STRING]

class _string_show_help(GraphNode):
    string: GraphOutput[STRING]
    show_help: GraphOutput[STRING]

class _prompt_show_help(GraphNode):
    prompt: GraphOutput[STRING]
    show_help: GraphOutput[STRING]

class _seed_show_help(GraphNode):
    seed: GraphOutput[INT]
    show_help: GraphOutput[STRING]

class _text_show_help(GraphNode):
    text: GraphOutput[Any]
    show_help: GraphOutput[STRING]

class _camera_info_prompt(GraphNode):
    camera_info: GraphOutput[LOAD3D_CAMERA]
    prompt: GraphOutput[STRING]

class _string(SoleNode[STRING]):
    string: GraphOutput[STRING]

class _model_clip_vae(GraphNode):
    model: GraphOutput[MODEL]
    clip: GraphOutput[CLIP]
    vae: GraphOutput[VAE]

class _rgb_int_hex_alpha(GraphNode):
    rgb_int: GraphOutput[INT]
    hex: GraphOutput[COLOR]
    alpha: GraphOutput[FLOAT]

class _hooks(SoleNode[HOOKS]):
    hooks: GraphOutput[HOOKS]

class _float_int_bool(GraphNode):
    float: GraphOutput[FLOAT]
    int: GraphOutput[INT]
    bool: GraphOutput[BOOLEAN]

class _float_int(GraphNode):
    float: GraphOutput[FLOAT]
    int: GraphOutput[INT]

class _positive_negative(GraphNode):
    positive: GraphOutput[CONDITIONING]
    negative: GraphOutput[CONDITIONING]

class _timesteps_range_before_range_after_range(GraphNode):
    timesteps_range: GraphOutput[TIMESTEPS_RANGE]
    before_range: GraphOutput[TIMESTEPS_RANGE]
    after_range: GraphOutput[TIMESTEPS_RANGE]

class _context_model_clip_vae_and_5_more(GraphNode):
    context: GraphOutput[RGTHREE_CONTEXT]
    model: GraphOutput[MODEL]
    clip: GraphOutput[CLIP]
    vae: GraphOutput[VAE]
    positive: GraphOutput[CONDITIONING]
    negative: GraphOutput[CONDITIONING]
    latent: GraphOutput[LATENT]
    image: GraphOutput[IMAGE]
    seed: GraphOutput[INT]

class _context_model_clip_vae_and_19_more(GraphNode):
    context: GraphOutput[RGTHREE_CONTEXT]
    model: GraphOutput[MODEL]
    clip: GraphOutput[CLIP]
    vae: GraphOutput[VAE]
    positive: GraphOutput[CONDITIONING]
    negative: GraphOutput[CONDITIONING]
    latent: GraphOutput[LATENT]
    image: GraphOutput[IMAGE]
    seed: GraphOutput[INT]
    steps: GraphOutput[INT]
    step_refiner: GraphOutput[INT]
    cfg: GraphOutput[FLOAT]
    ckpt_name: GraphOutput[Any]
    sampler: GraphOutput[COMBO]
    scheduler: GraphOutput[COMBO]
    clip_width: GraphOutput[INT]
    clip_height: GraphOutput[INT]
    text_pos_g: GraphOutput[STRING]
    text_pos_l: GraphOutput[STRING]
    text_neg_g: GraphOutput[STRING]
    text_neg_l: GraphOutput[STRING]
    mask: GraphOutput[MASK]
    control_net: GraphOutput[CONTROL_NET]

class _cnet_stack(SoleNode[CONTROL_NET_STACK]):
    cnet_stack: GraphOutput[CONTROL_NET_STACK]

class _control_net(SoleNode[CONTROL_NET]):
    control_net: GraphOutput[CONTROL_NET]

class _preview_bboxes_elements(GraphNode):
    preview: GraphOutput[IMAGE]
    bboxes: GraphOutput[BOUNDING_BOX]
    elements: GraphOutput[ARRAY]

class _hook_kf(SoleNode[HOOK_KEYFRAMES]):
    hook_kf: GraphOutput[HOOK_KEYFRAMES]

class _list(SoleNode[Any]):
    list: GraphOutput[Any]

class _video(SoleNode[VIDEO]):
    video: GraphOutput[VIDEO]

class _string_index(GraphNode):
    string: GraphOutput[STRING]
    index: GraphOutput[INT]

class _noise(SoleNode[NOISE]):
    noise: GraphOutput[NOISE]

class _out_image(SoleNode[IMAGE]):
    out_image: GraphOutput[IMAGE]

class _basic_pipe(SoleNode[BASIC_PIPE]):
    basic_pipe: GraphOutput[BASIC_PIPE]

class _sdxl_tuple_latent_vae_dependencies(GraphNode):
    sdxl_tuple: GraphOutput[SDXL_TUPLE]
    latent: GraphOutput[LATENT]
    vae: GraphOutput[VAE]
    dependencies: GraphOutput[DEPENDENCIES]

class _model_conditioning_plus_conditioning_minus_latent_and_3_more(GraphNode):
    model: GraphOutput[MODEL]
    conditioning_plus: GraphOutput[CONDITIONING]
    conditioning_minus: GraphOutput[CONDITIONING]
    latent: GraphOutput[LATENT]
    vae: GraphOutput[VAE]
    clip: GraphOutput[CLIP]
    dependencies: GraphOutput[DEPENDENCIES]

class _int_float_string(GraphNode):
    int: GraphOutput[INT]
    float: GraphOutput[FLOAT]
    string: GraphOutput[STRING]

class _value(SoleNode[FLOAT]):
    value: GraphOutput[FLOAT]

class _prompt_2(SoleNode[STRING]):
    prompt: GraphOutput[STRING]

class _model_clip_vae_positive_and_1_more(GraphNode):
    model: GraphOutput[MODEL]
    clip: GraphOutput[CLIP]
    vae: GraphOutput[VAE]
    positive: GraphOutput[CONDITIONING]
    negative: GraphOutput[CONDITIONING]

class _basic_pipe_model_clip_vae_and_2_more(GraphNode):
    basic_pipe: GraphOutput[BASIC_PIPE]
    model: GraphOutput[MODEL]
    clip: GraphOutput[CLIP]
    vae: GraphOutput[VAE]
    positive: GraphOutput[CONDITIONING]
    negative: GraphOutput[CONDITIONING]

class _gligen(SoleNode[GLIGEN]):
    gligen: GraphOutput[GLIGEN]

class _tracks_track_length(GraphNode):
    tracks: GraphOutput[TRACKS]
    track_length: GraphOutput[INT]

class _width_height_batch_size(GraphNode):
    width: GraphOutput[INT]
    height: GraphOutput[INT]
    batch_size: GraphOutput[INT]

class _width_height_count(GraphNode):
    width: GraphOutput[INT]
    height: GraphOutput[INT]
    count: GraphOutput[INT]

class _image_width_height_count(GraphNode):
    image: GraphOutput[IMAGE]
    width: GraphOutput[INT]
    height: GraphOutput[INT]
    count: GraphOutput[INT]

class _images_audio_fps(GraphNode):
    images: GraphOutput[IMAGE]
    audio: GraphOutput[AUDIO]
    fps: GraphOutput[FLOAT]

class _script(SoleNode[SCRIPT]):
    script: GraphOutput[SCRIPT]

class _value_2(SoleNode[INT]):
    value: GraphOutput[INT]

class _images(SoleNode[IMAGE]):
    images: GraphOutput[IMAGE]

class _model_clip_vision_vae(GraphNode):
    model: GraphOutput[MODEL]
    clip_vision: GraphOutput[CLIP_VISION]
    vae: GraphOutput[VAE]

class _image_mask(GraphNode):
    image: GraphOutput[IMAGE]
    mask: GraphOutput[MASK]

class _y_u_v(GraphNode):
    y: GraphOutput[IMAGE]
    u: GraphOutput[IMAGE]
    v: GraphOutput[IMAGE]

class _image_width_height(GraphNode):
    image: GraphOutput[IMAGE]
    width: GraphOutput[INT]
    height: GraphOutput[INT]

class _image_width_height_mask(GraphNode):
    image: GraphOutput[IMAGE]
    width: GraphOutput[INT]
    height: GraphOutput[INT]
    mask: GraphOutput[MASK]

class _boolean(SoleNode[BOOLEAN]):
    boolean: GraphOutput[BOOLEAN]

class _signal_value(GraphNode):
    signal: GraphOutput[Any]
    value: GraphOutput[Any]

class _batch_height_width_channel(GraphNode):
    batch: GraphOutput[INT]
    height: GraphOutput[INT]
    width: GraphOutput[INT]
    channel: GraphOutput[INT]

class _basic_pipe_latent_vae(GraphNode):
    basic_pipe: GraphOutput[BASIC_PIPE]
    latent: GraphOutput[LATENT]
    vae: GraphOutput[VAE]

class _selected_value_selected_label_selected_index(GraphNode):
    selected_value: GraphOutput[Any]
    selected_label: GraphOutput[STRING]
    selected_index: GraphOutput[INT]

class _positive_negative_latent(GraphNode):
    positive: GraphOutput[CONDITIONING]
    negative: GraphOutput[CONDITIONING]
    latent: GraphOutput[LATENT]

class _x_or_y(SoleNode[XY]):
    x_or_y: GraphOutput[XY]

class _model_conditioning_plus_conditioning_minus_latent_and_2_more(GraphNode):
    model: GraphOutput[MODEL]
    conditioning_plus: GraphOutput[CONDITIONING]
    conditioning_minus: GraphOutput[CONDITIONING]
    latent: GraphOutput[LATENT]
    vae: GraphOutput[VAE]
    image: GraphOutput[IMAGE]

class _steps_refiner_step_cfg_sampler_and_1_more(GraphNode):
    steps: GraphOutput[INT]
    refiner_step: GraphOutput[INT]
    cfg: GraphOutput[FLOAT]
    sampler: GraphOutput[COMBO]
    scheduler: GraphOutput[COMBO]

class _sdxl_tuple_latent_vae_image(GraphNode):
    sdxl_tuple: GraphOutput[SDXL_TUPLE]
    latent: GraphOutput[LATENT]
    vae: GraphOutput[VAE]
    image: GraphOutput[IMAGE]

class _sampler(SoleNode[SAMPLER]):
    sampler: GraphOutput[SAMPLER]

class _output_image(SoleNode[IMAGE]):
    output_image: GraphOutput[IMAGE]

class _latent_operation(SoleNode[LATENT_OPERATION]):
    latent_operation: GraphOutput[LATENT_OPERATION]

class _lora_stack(SoleNode[LORA_STACK]):
    lora_stack: GraphOutput[LORA_STACK]

class _images_texts(GraphNode):
    images: GraphOutput[IMAGE]
    texts: GraphOutput[STRING]

class _image_conditioning(GraphNode):
    image: GraphOutput[IMAGE]
    conditioning: GraphOutput[CONDITIONING]

class _model_clip(GraphNode):
    model: GraphOutput[MODEL]
    clip: GraphOutput[CLIP]

class _int_float(GraphNode):
    int: GraphOutput[INT]
    float: GraphOutput[FLOAT]

class _model_patch(SoleNode[MODEL_PATCH]):
    model_patch: GraphOutput[MODEL_PATCH]

class _sdxl_tuple(SoleNode[SDXL_TUPLE]):
    sdxl_tuple: GraphOutput[SDXL_TUPLE]

class _bounding_box(SoleNode[BOUNDING_BOX]):
    bounding_box: GraphOutput[BOUNDING_BOX]

class _positive_negative_empty_latent(GraphNode):
    positive: GraphOutput[CONDITIONING]
    negative: GraphOutput[CONDITIONING]
    empty_latent: GraphOutput[LATENT]

class _matches(SoleNode[BOOLEAN]):
    matches: GraphOutput[BOOLEAN]

class _resized(SoleNode[Any]):
    resized: GraphOutput[Any]

class _width_height(GraphNode):
    width: GraphOutput[INT]
    height: GraphOutput[INT]

class _latent_clip_width_clip_height(GraphNode):
    latent: GraphOutput[LATENT]
    clip_width: GraphOutput[INT]
    clip_height: GraphOutput[INT]

class _output_denoised_output(GraphNode):
    output: GraphOutput[LATENT]
    denoised_output: GraphOutput[LATENT]

class _sigma_value(SoleNode[FLOAT]):
    sigma_value: GraphOutput[FLOAT]

class _svg(SoleNode[SVG]):
    svg: GraphOutput[SVG]

class _text(SoleNode[STRING]):
    text: GraphOutput[STRING]

class _seed(SoleNode[INT]):
    seed: GraphOutput[INT]

class _step(SoleNode[INT]):
    step: GraphOutput[INT]

class _left_right(GraphNode):
    left: GraphOutput[AUDIO]
    right: GraphOutput[AUDIO]

class _high_sigmas_low_sigmas(GraphNode):
    high_sigmas: GraphOutput[SIGMAS]
    low_sigmas: GraphOutput[SIGMAS]

class _stage_c_stage_b(GraphNode):
    stage_c: GraphOutput[LATENT]
    stage_b: GraphOutput[LATENT]

class _contains(SoleNode[BOOLEAN]):
    contains: GraphOutput[BOOLEAN]

class _length(SoleNode[INT]):
    length: GraphOutput[INT]

class _style_model(SoleNode[STYLE_MODEL]):
    style_model: GraphOutput[STYLE_MODEL]

class _string_string_2_string_3_string_4(GraphNode):
    string: GraphOutput[STRING]
    string_2: GraphOutput[STRING]
    string_3: GraphOutput[STRING]
    string_4: GraphOutput[STRING]

class _generated_text_thinking(GraphNode):
    generated_text: GraphOutput[STRING]
    thinking: GraphOutput[STRING]

class _model_with_lora_lora_loss_steps(GraphNode):
    model_with_lora: GraphOutput[MODEL]
    lora: GraphOutput[LORA_MODEL]
    loss: GraphOutput[LOSS_MAP]
    steps: GraphOutput[INT]

class _base_model_base_clip_base_conditioning_plus_base_conditioning_minus_and_4_more(GraphNode):
    base_model: GraphOutput[MODEL]
    base_clip: GraphOutput[CLIP]
    base_conditioning_plus: GraphOutput[CONDITIONING]
    base_conditioning_minus: GraphOutput[CONDITIONING]
    refiner_model: GraphOutput[MODEL]
    refiner_clip: GraphOutput[CLIP]
    refiner_conditioning_plus: GraphOutput[CONDITIONING]
    refiner_conditioning_minus: GraphOutput[CONDITIONING]

class _upscale_model(SoleNode[UPSCALE_MODEL]):
    upscale_model: GraphOutput[UPSCALE_MODEL]

class _vae(SoleNode[VAE]):
    vae: GraphOutput[VAE]

class _image_frame_count_audio_video_info(GraphNode):
    image: GraphOutput[IMAGE]
    frame_count: GraphOutput[INT]
    audio: GraphOutput[AUDIO]
    video_info: GraphOutput[VHS_VIDEOINFO]

class _filenames(SoleNode[VHS_FILENAMES]):
    filenames: GraphOutput[VHS_FILENAMES]

class _camera_embedding_width_height_length(GraphNode):
    camera_embedding: GraphOutput[WAN_CAMERA_EMBEDDING]
    width: GraphOutput[INT]
    height: GraphOutput[INT]
    length: GraphOutput[INT]

class _tracks(SoleNode[TRACKS]):
    tracks: GraphOutput[TRACKS]

class _positive_negative_latent_trim_latent(GraphNode):
    positive: GraphOutput[CONDITIONING]
    negative: GraphOutput[CONDITIONING]
    latent: GraphOutput[LATENT]
    trim_latent: GraphOutput[INT]

class _x_y(GraphNode):
    x: GraphOutput[XY]
    y: GraphOutput[XY]

class _value_3(SoleNode[Any]):
    value: GraphOutput[Any]

class _negative(SoleNode[STRING]):
    negative: GraphOutput[STRING]

class _positive(SoleNode[STRING]):
    positive: GraphOutput[STRING]

class _x(SoleNode[Any]):
    x: GraphOutput[Any]

class _x_y_2(GraphNode):
    x: GraphOutput[Any]
    y: GraphOutput[Any]

class _model_clip_vae_clip_vision(GraphNode):
    model: GraphOutput[MODEL]
    clip: GraphOutput[CLIP]
    vae: GraphOutput[VAE]
    clip_vision: GraphOutput[CLIP_VISION]

class _Any_Switch_rgthree(Protocol):
    def __call__(
        self,
        any_01: Any = None,
        any_02: Any = None,
        any_03: Any = None,
        any_04: Any = None,
        any_05: Any = None,
        **_more: Any
    ) -> _output:
        """The first of its inputs that is linked and not muted. More of them may be linked: any_06, any_07, ..."""

class _Apply_ControlNet_Stack(Protocol):
    def __call__(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        cnet_stack: GraphSource[CONTROL_NET_STACK] | None = None,
        **_about: Unpack[_About]
    ) -> _conditioning_plus_conditioning_minus:
        """Put the control nets of a stack on two conditionings, in their order."""

class _CR_Current_Frame(Protocol):
    def __call__(
        self,
        index: GraphSource[INT],
        print_to_console: _Yes_or_1_more | GraphSource[COMBO] = "Yes",
        **_about: Unpack[_About]
    ) -> _index_show_help:
        """Pass the number of a frame on."""

class _CR_Float_To_String(Protocol):
    def __call__(
        self,
        float_: GraphSource[FLOAT],
        **_about: Unpack[_About]
    ) -> _string_show_help:
        """A number as text."""

class _CR_Integer_To_String(Protocol):
    def __call__(
        self,
        int_: GraphSource[INT],
        **_about: Unpack[_About]
    ) -> _string_show_help:
        """A whole number as text."""

class _CR_Prompt_Text(Protocol):
    def __call__(
        self,
        prompt: str | GraphSource[STRING] = "prompt",
        **_about: Unpack[_About]
    ) -> _prompt_show_help:
        """A text of several lines."""

class _CR_Seed(Protocol):
    def __call__(
        self,
        seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _seed_show_help:
        """A seed for any number of samplers."""

class _CR_Text(Protocol):
    def __call__(
        self,
        text: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _text_show_help:
        """A text of several lines."""

class _Concat_Text__O(Protocol):
    def __call__(
        self,
        text1: GraphSource[STRING],
        text2: GraphSource[STRING],
        separator: str | GraphSource[STRING] = ",",
        **_about: Unpack[_About]
    ) -> _string:
        """Put two texts together."""

class _Context_rgthree(Protocol):
    def __call__(
        self,
        base_ctx: GraphSource[RGTHREE_CONTEXT] | None = None,
        model: GraphSource[MODEL] | None = None,
        clip: GraphSource[CLIP] | None = None,
        vae: GraphSource[VAE] | None = None,
        positive: GraphSource[CONDITIONING] | None = None,
        negative: GraphSource[CONDITIONING] | None = None,
        latent: GraphSource[LATENT] | None = None,
        images: GraphSource[IMAGE] | None = None,
        seed: GraphSource[INT] | None = None,
        **_about: Unpack[_About]
    ) -> _context_model_clip_vae_and_5_more:
        """Put what several nodes share into one link, and take it out again."""

class _Context_Big_rgthree(Protocol):
    def __call__(
        self,
        base_ctx: GraphSource[RGTHREE_CONTEXT] | None = None,
        model: GraphSource[MODEL] | None = None,
        clip: GraphSource[CLIP] | None = None,
        vae: GraphSource[VAE] | None = None,
        positive: GraphSource[CONDITIONING] | None = None,
        negative: GraphSource[CONDITIONING] | None = None,
        latent: GraphSource[LATENT] | None = None,
        images: GraphSource[IMAGE] | None = None,
        seed: GraphSource[INT] | None = None,
        steps: GraphSource[INT] | None = None,
        step_refiner: GraphSource[INT] | None = None,
        cfg: GraphSource[FLOAT] | None = None,
        ckpt_name: Any = None,
        sampler: Any = None,
        scheduler: Any = None,
        clip_width: GraphSource[INT] | None = None,
        clip_height: GraphSource[INT] | None = None,
        text_pos_g: GraphSource[STRING] | None = None,
        text_pos_l: GraphSource[STRING] | None = None,
        text_neg_g: GraphSource[STRING] | None = None,
        text_neg_l: GraphSource[STRING] | None = None,
        mask: GraphSource[MASK] | None = None,
        control_net: GraphSource[CONTROL_NET] | None = None,
        **_about: Unpack[_About]
    ) -> _context_model_clip_vae_and_19_more:
        """Put what several nodes share into one link, and take it out again; more than Context has."""

class _Context_Merge_rgthree(Protocol):
    def __call__(
        self,
        ctx_01: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_02: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_03: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_04: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_05: GraphSource[RGTHREE_CONTEXT] | None = None,
        **_more: Any
    ) -> _context_model_clip_vae_and_5_more:
        """Several contexts as one: of what more than one has, the last one's."""

class _Context_Merge_Big_rgthree(Protocol):
    def __call__(
        self,
        ctx_01: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_02: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_03: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_04: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_05: GraphSource[RGTHREE_CONTEXT] | None = None,
        **_more: Any
    ) -> _context_model_clip_vae_and_19_more:
        """Several contexts as one: of what more than one has, the last one's; more than Context Merge has."""

class _Context_Switch_rgthree(Protocol):
    def __call__(
        self,
        ctx_01: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_02: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_03: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_04: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_05: GraphSource[RGTHREE_CONTEXT] | None = None,
        **_more: Any
    ) -> _context_model_clip_vae_and_5_more:
        """The first context that is linked, not muted and not empty, and its parts."""

class _Context_Switch_Big_rgthree(Protocol):
    def __call__(
        self,
        ctx_01: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_02: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_03: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_04: GraphSource[RGTHREE_CONTEXT] | None = None,
        ctx_05: GraphSource[RGTHREE_CONTEXT] | None = None,
        **_more: Any
    ) -> _context_model_clip_vae_and_19_more:
        """The first context that is linked, not muted and not empty, and its parts; more than Context Switch has."""

class _Control_Net_Stacker(Protocol):
    def __call__(
        self,
        control_net: GraphSource[CONTROL_NET],
        image: GraphSource[IMAGE],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        cnet_stack: GraphSource[CONTROL_NET_STACK] | None = None,
        **_about: Unpack[_About]
    ) -> _cnet_stack:
        """Add a control net to those that a loader puts on its prompts."""

class _Display_Any_rgthree(Protocol):
    def __call__(
        self,
        source: Any,
        **_more: Any
    ) -> GraphNode:
        """Show any value as text."""

class _Display_Int_rgthree(Protocol):
    def __call__(
        self,
        input: GraphSource[INT],
        **_more: Any
    ) -> GraphNode:
        """Show a whole number."""

class _Eff_Loader_SDXL(Protocol):
    def __call__(
        self,
        base_ckpt_name: str | GraphSource[COMBO],
        base_clip_skip: Annotated[int, "-24 to -1"] | GraphSource[INT] = -2,
        refiner_ckpt_name: str | GraphSource[COMBO] = "None",
        refiner_clip_skip: Annotated[int, "-24 to -1"] | GraphSource[INT] = -2,
        positive_ascore: Annotated[float, "0.0 to 1000.0"] | GraphSource[FLOAT] = 6.0,
        negative_ascore: Annotated[float, "0.0 to 1000.0"] | GraphSource[FLOAT] = 2.0,
        vae_name: str | GraphSource[COMBO] = "Baked VAE",
        positive: str | GraphSource[STRING] = "CLIP_POSITIVE",
        negative: str | GraphSource[STRING] = "CLIP_NEGATIVE",
        token_normalization: _none_or_3_more | GraphSource[COMBO] = "none",
        weight_interpretation: _comfy_or_4_more | GraphSource[COMBO] = "comfy",
        empty_latent_width: Annotated[int, "64 to 16384"] | GraphSource[INT] = 1024,
        empty_latent_height: Annotated[int, "64 to 16384"] | GraphSource[INT] = 1024,
        batch_size: Annotated[int, "1 to 64"] | GraphSource[INT] = 1,
        lora_stack: GraphSource[LORA_STACK] | None = None,
        cnet_stack: GraphSource[CONTROL_NET_STACK] | None = None,
        **_about: Unpack[_About]
    ) -> _sdxl_tuple_latent_vae_dependencies:
        """Load SDXL's base with LoRAs, and its refiner if there is one; encode the prompts for both; make an empty latent."""

class _Efficient_Loader(Protocol):
    def __call__(
        self,
        ckpt_name: str | GraphSource[COMBO],
        vae_name: str | GraphSource[COMBO] = "Baked VAE",
        clip_skip: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        lora_name: str | GraphSource[COMBO] = "None",
        lora_model_strength: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_clip_strength: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        positive: str | GraphSource[STRING] = "CLIP_POSITIVE",
        negative: str | GraphSource[STRING] = "CLIP_NEGATIVE",
        token_normalization: _none_or_3_more | GraphSource[COMBO] = "none",
        weight_interpretation: _comfy_or_4_more | GraphSource[COMBO] = "comfy",
        empty_latent_width: Annotated[int, "64 to 16384"] | GraphSource[INT] = 512,
        empty_latent_height: Annotated[int, "64 to 16384"] | GraphSource[INT] = 512,
        batch_size: Annotated[int, "1 to 262144"] | GraphSource[INT] = 1,
        lora_stack: GraphSource[LORA_STACK] | None = None,
        cnet_stack: GraphSource[CONTROL_NET_STACK] | None = None,
        **_about: Unpack[_About]
    ) -> _model_conditioning_plus_conditioning_minus_latent_and_3_more:
        """Load a checkpoint with LoRAs, encode both prompts, put control nets on them, and make an empty latent."""

class _Epsilon_Scaling(Protocol):
    def __call__(
        self,
        model: GraphSource[MODEL],
        scaling_factor: Annotated[float, "0.5 to 1.5"] | GraphSource[FLOAT] = 1.005,
        **_about: Unpack[_About]
    ) -> _model:
        """Divide the predicted noise, against errors that add up over the steps: 1.005 sharpens a little."""

class _Evaluate_Floats(Protocol):
    def __call__(
        self,
        python_expression: str | GraphSource[STRING] = "((a + b) - c) / 2",
        print_to_console: _False_or_1_more | GraphSource[COMBO] = "False",
        a: Annotated[float, "-9.223372036854776e+18 to 9.223372036854776e+18"] | GraphSource[FLOAT] = 0.0,
        b: Annotated[float, "-9.223372036854776e+18 to 9.223372036854776e+18"] | GraphSource[FLOAT] = 0.0,
        c: Annotated[float, "-9.223372036854776e+18 to 9.223372036854776e+18"] | GraphSource[FLOAT] = 0.0,
        **_about: Unpack[_About]
    ) -> _int_float_string:
        """Compute with numbers: a Python expression of a, b and c."""

class _Evaluate_Integers(Protocol):
    def __call__(
        self,
        python_expression: str | GraphSource[STRING] = "((a + b) - c) / 2",
        print_to_console: _False_or_1_more | GraphSource[COMBO] = "False",
        a: Annotated[int, "-9223372036854775807 to 9223372036854775807"] | GraphSource[INT] = 0,
        b: Annotated[int, "-9223372036854775807 to 9223372036854775807"] | GraphSource[INT] = 0,
        c: Annotated[int, "-9223372036854775807 to 9223372036854775807"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _int_float_string:
        """Compute with whole numbers: a Python expression of a, b and c."""

class _Evaluate_Strings(Protocol):
    def __call__(
        self,
        python_expression: str | GraphSource[STRING] = "a + b + c",
        print_to_console: _False_or_1_more | GraphSource[COMBO] = "False",
        a: str | GraphSource[STRING] = "",
        b: str | GraphSource[STRING] = "",
        c: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string:
        """Compute with text: a Python expression of a, b and c."""

class _GetImageSize(Protocol):
    def __call__(
        self,
        image: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _width_height_count:
        """The size of pictures, and how many they are."""

class _HighRes_Fix_Script(Protocol):
    def __call__(
        self,
        upscale_type: _latent_or_2_more | GraphSource[COMBO] = "latent",
        hires_ckpt_name: str | GraphSource[COMBO] = "(use same)",
        latent_upscaler: _nearest_exact_or_8_more | GraphSource[COMBO] = "nearest-exact",
        *,
        pixel_upscaler: str | GraphSource[COMBO],
        upscale_by: Annotated[float, "0.01 to 8.0"] | GraphSource[FLOAT] = 1.25,
        use_same_seed: bool | GraphSource[BOOLEAN] = True,
        seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        hires_steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 12,
        denoise: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.56,
        iterations: Annotated[int, "0 to 5"] | GraphSource[INT] = 1,
        use_controlnet: _choice_or_2_more | GraphSource[COMBO] = "_",
        control_net_name: str | GraphSource[COMBO],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        preprocessor: Any = ...,
        preprocessor_imgs: bool | GraphSource[BOOLEAN] = False,
        script: GraphSource[SCRIPT] | None = None,
        **_about: Unpack[_About]
    ) -> _script:
        """After sampling, enlarge the result and sample it again."""

class _Image_Comparer_rgthree(Protocol):
    def __call__(
        self,
        image_a: GraphSource[IMAGE] | None = None,
        image_b: GraphSource[IMAGE] | None = None,
        **_more: Any
    ) -> GraphNode:
        """Write two batches of pictures to the folder for temporary files, to be compared."""

class _Image_Overlay(Protocol):
    def __call__(
        self,
        base_image: GraphSource[IMAGE],
        overlay_image: GraphSource[IMAGE],
        overlay_resize: _None_or_3_more | GraphSource[COMBO] = "None",
        resize_method: _nearest_exact_or_2_more | GraphSource[COMBO] = "nearest-exact",
        rescale_factor: Annotated[float, "0.01 to 16.0"] | GraphSource[FLOAT] = 1.0,
        width: Annotated[int, "0 to 16384"] | GraphSource[INT] = 512,
        height: Annotated[int, "0 to 16384"] | GraphSource[INT] = 512,
        x_offset: Annotated[int, "-48000 to 48000"] | GraphSource[INT] = 0,
        y_offset: Annotated[int, "-48000 to 48000"] | GraphSource[INT] = 0,
        rotation: Annotated[int, "-180 to 180"] | GraphSource[INT] = 0,
        opacity: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 0.0,
        optional_mask: GraphSource[MASK] | None = None,
        **_about: Unpack[_About]
    ) -> _image:
        """Lay a picture over every picture of a batch: resized, turned, and more or less transparent."""

class _ImageFromBatch(Protocol):
    def __call__(
        self,
        image: GraphSource[IMAGE],
        start: int | GraphSource[INT] = 0,
        length: int | GraphSource[INT] = -1,
        **_about: Unpack[_About]
    ) -> _image:
        """Take some pictures out of a batch."""

class _ImageRemoveAlpha(Protocol):
    def __call__(
        self,
        image: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _image:
        """Pictures without their alpha channel."""

class _ImageResize(Protocol):
    def __call__(
        self,
        image: GraphSource[IMAGE],
        width: Annotated[int, "0 to 16384"] | GraphSource[INT] = 512,
        height: Annotated[int, "0 to 16384"] | GraphSource[INT] = 512,
        interpolation: _nearest_or_5_more | GraphSource[COMBO] = "nearest",
        method: _stretch_or_3_more | GraphSource[COMBO] = "stretch",
        condition: _always_or_4_more | GraphSource[COMBO] = "always",
        multiple_of: Annotated[int, "0 to 512"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _image_width_height:
        """Resize pictures."""

class _Join_XY_Inputs_of_Same_Type(Protocol):
    def __call__(
        self,
        XY_1: GraphSource[XY],
        XY_2: GraphSource[XY],
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """One axis behind another of the same type. Seeds are numbered on; the search text is the first one's."""

class _KSampler_Efficient(Protocol):
    def __call__(
        self,
        model: GraphSource[MODEL],
        seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 7.0,
        sampler_name: _euler_or_43_more | GraphSource[COMBO] = "euler",
        scheduler: _simple_or_12_more | GraphSource[COMBO] = "simple",
        *,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        latent_image: GraphSource[LATENT],
        denoise: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        preview_method: _auto_or_4_more | GraphSource[COMBO] = "auto",
        vae_decode: _true_or_2_more | GraphSource[COMBO] = "true",
        optional_vae: GraphSource[VAE] | None = None,
        script: GraphSource[SCRIPT] | None = None,
        **_about: Unpack[_About]
    ) -> _model_conditioning_plus_conditioning_minus_latent_and_2_more:
        """Sample as KSampler does, run scripts, decode and show the result."""

class _KSampler_Adv_Efficient(Protocol):
    def __call__(
        self,
        model: GraphSource[MODEL],
        add_noise: _enable_or_1_more | GraphSource[COMBO] = "enable",
        noise_seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 7.0,
        sampler_name: _euler_or_43_more | GraphSource[COMBO] = "euler",
        scheduler: _simple_or_12_more | GraphSource[COMBO] = "simple",
        *,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        latent_image: GraphSource[LATENT],
        start_at_step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 0,
        end_at_step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 10000,
        return_with_leftover_noise: _disable_or_1_more | GraphSource[COMBO] = "disable",
        preview_method: _auto_or_3_more | GraphSource[COMBO] = "auto",
        vae_decode: _true_or_4_more | GraphSource[COMBO] = "true",
        optional_vae: GraphSource[VAE] | None = None,
        script: GraphSource[SCRIPT] | None = None,
        **_about: Unpack[_About]
    ) -> _model_conditioning_plus_conditioning_minus_latent_and_2_more:
        """Run a stretch of a schedule as KSampler (Advanced) does, run scripts, decode and show the result."""

class _KSampler_Config_rgthree(Protocol):
    def __call__(
        self,
        steps_total: Annotated[int, "1 to 10000"] | GraphSource[INT] = 30,
        refiner_step: Annotated[int, "1 to 10000"] | GraphSource[INT] = 24,
        cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 8.0,
        sampler_name: _euler_or_43_more | GraphSource[COMBO] = "euler",
        scheduler: _simple_or_8_more | GraphSource[COMBO] = "simple",
        **_about: Unpack[_About]
    ) -> _steps_refiner_step_cfg_sampler_and_1_more:
        """The settings that several samplers share."""

class _KSampler_SDXL_Eff(Protocol):
    def __call__(
        self,
        sdxl_tuple: GraphSource[SDXL_TUPLE],
        noise_seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 7.0,
        sampler_name: _euler_or_43_more | GraphSource[COMBO] = "euler",
        scheduler: _simple_or_12_more | GraphSource[COMBO] = "simple",
        *,
        latent_image: GraphSource[LATENT],
        start_at_step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 0,
        refine_at_step: Annotated[int, "-1 to 10000"] | GraphSource[INT] = -1,
        preview_method: _auto_or_3_more | GraphSource[COMBO] = "auto",
        vae_decode: _true_or_4_more | GraphSource[COMBO] = "true",
        optional_vae: GraphSource[VAE] | None = None,
        script: GraphSource[SCRIPT] | None = None,
        **_about: Unpack[_About]
    ) -> _sdxl_tuple_latent_vae_image:
        """Sample with SDXL's base and, from a step on, its refiner; run scripts, decode and show the result."""

class _LoRA_Stack_to_String_converter(Protocol):
    def __call__(
        self,
        lora_stack: GraphSource[LORA_STACK],
        **_about: Unpack[_About]
    ) -> _string:
        """Write a LoRA stack as text: `<lora:name:model strength:clip strength>`, with spaces between."""

class _LoRA_Stacker(Protocol):
    def __call__(
        self,
        input_mode: _simple_or_1_more | GraphSource[COMBO] = "simple",
        lora_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        lora_name_1: str | GraphSource[COMBO] = "None",
        lora_wt_1: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_1: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_1: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_2: str | GraphSource[COMBO] = "None",
        lora_wt_2: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_2: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_2: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_3: str | GraphSource[COMBO] = "None",
        lora_wt_3: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_3: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_3: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_4: str | GraphSource[COMBO] = "None",
        lora_wt_4: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_4: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_4: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_5: str | GraphSource[COMBO] = "None",
        lora_wt_5: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_5: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_5: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_6: str | GraphSource[COMBO] = "None",
        lora_wt_6: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_6: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_6: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_7: str | GraphSource[COMBO] = "None",
        lora_wt_7: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_7: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_7: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_8: str | GraphSource[COMBO] = "None",
        lora_wt_8: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_8: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_8: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_9: str | GraphSource[COMBO] = "None",
        lora_wt_9: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_9: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_9: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_10: str | GraphSource[COMBO] = "None",
        lora_wt_10: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_10: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_10: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_11: str | GraphSource[COMBO] = "None",
        lora_wt_11: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_11: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_11: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_12: str | GraphSource[COMBO] = "None",
        lora_wt_12: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_12: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_12: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_13: str | GraphSource[COMBO] = "None",
        lora_wt_13: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_13: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_13: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_14: str | GraphSource[COMBO] = "None",
        lora_wt_14: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_14: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_14: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_15: str | GraphSource[COMBO] = "None",
        lora_wt_15: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_15: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_15: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_16: str | GraphSource[COMBO] = "None",
        lora_wt_16: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_16: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_16: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_17: str | GraphSource[COMBO] = "None",
        lora_wt_17: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_17: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_17: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_18: str | GraphSource[COMBO] = "None",
        lora_wt_18: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_18: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_18: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_19: str | GraphSource[COMBO] = "None",
        lora_wt_19: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_19: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_19: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_20: str | GraphSource[COMBO] = "None",
        lora_wt_20: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_20: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_20: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_21: str | GraphSource[COMBO] = "None",
        lora_wt_21: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_21: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_21: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_22: str | GraphSource[COMBO] = "None",
        lora_wt_22: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_22: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_22: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_23: str | GraphSource[COMBO] = "None",
        lora_wt_23: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_23: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_23: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_24: str | GraphSource[COMBO] = "None",
        lora_wt_24: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_24: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_24: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_25: str | GraphSource[COMBO] = "None",
        lora_wt_25: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_25: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_25: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_26: str | GraphSource[COMBO] = "None",
        lora_wt_26: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_26: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_26: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_27: str | GraphSource[COMBO] = "None",
        lora_wt_27: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_27: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_27: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_28: str | GraphSource[COMBO] = "None",
        lora_wt_28: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_28: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_28: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_29: str | GraphSource[COMBO] = "None",
        lora_wt_29: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_29: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_29: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_30: str | GraphSource[COMBO] = "None",
        lora_wt_30: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_30: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_30: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_31: str | GraphSource[COMBO] = "None",
        lora_wt_31: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_31: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_31: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_32: str | GraphSource[COMBO] = "None",
        lora_wt_32: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_32: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_32: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_33: str | GraphSource[COMBO] = "None",
        lora_wt_33: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_33: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_33: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_34: str | GraphSource[COMBO] = "None",
        lora_wt_34: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_34: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_34: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_35: str | GraphSource[COMBO] = "None",
        lora_wt_35: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_35: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_35: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_36: str | GraphSource[COMBO] = "None",
        lora_wt_36: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_36: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_36: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_37: str | GraphSource[COMBO] = "None",
        lora_wt_37: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_37: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_37: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_38: str | GraphSource[COMBO] = "None",
        lora_wt_38: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_38: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_38: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_39: str | GraphSource[COMBO] = "None",
        lora_wt_39: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_39: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_39: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_40: str | GraphSource[COMBO] = "None",
        lora_wt_40: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_40: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_40: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_41: str | GraphSource[COMBO] = "None",
        lora_wt_41: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_41: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_41: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_42: str | GraphSource[COMBO] = "None",
        lora_wt_42: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_42: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_42: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_43: str | GraphSource[COMBO] = "None",
        lora_wt_43: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_43: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_43: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_44: str | GraphSource[COMBO] = "None",
        lora_wt_44: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_44: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_44: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_45: str | GraphSource[COMBO] = "None",
        lora_wt_45: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_45: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_45: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_46: str | GraphSource[COMBO] = "None",
        lora_wt_46: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_46: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_46: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_47: str | GraphSource[COMBO] = "None",
        lora_wt_47: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_47: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_47: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_48: str | GraphSource[COMBO] = "None",
        lora_wt_48: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_48: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_48: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_49: str | GraphSource[COMBO] = "None",
        lora_wt_49: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_49: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_49: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_50: str | GraphSource[COMBO] = "None",
        lora_wt_50: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        model_str_50: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_50: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_stack: GraphSource[LORA_STACK] | None = None,
        **_about: Unpack[_About]
    ) -> _lora_stack:
        """List LoRAs for a loader to apply, in this order, before those of the stack given."""

class _Lora_Loader_Stack_rgthree(Protocol):
    def __call__(
        self,
        model: GraphSource[MODEL],
        clip: GraphSource[CLIP],
        lora_01: str | GraphSource[COMBO] = "None",
        strength_01: Annotated[float, "-100.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        lora_02: str | GraphSource[COMBO] = "None",
        strength_02: Annotated[float, "-100.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        lora_03: str | GraphSource[COMBO] = "None",
        strength_03: Annotated[float, "-100.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        lora_04: str | GraphSource[COMBO] = "None",
        strength_04: Annotated[float, "-100.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model_clip:
        """Apply up to four LoRAs, one after the other."""

class _Manual_XY_Entry_Info(Protocol):
    def __call__(
        self,
        notes: str | GraphSource[STRING] = ...,
        **_about: Unpack[_About]
    ) -> GraphNode:
        """How a Manual XY Entry is written."""

class _MaskFlip(Protocol):
    def __call__(
        self,
        mask: GraphSource[MASK],
        axis: _x_or_2_more_2 | GraphSource[COMBO] = "x",
        **_about: Unpack[_About]
    ) -> _mask:
        """Mirror masks."""

class _MaskPreview(Protocol):
    def __call__(
        self,
        mask: GraphSource[MASK],
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write masks to the folder for temporary files, as grey pictures."""

class _MathExpression_pysssss(Protocol):
    def __call__(
        self,
        expression: str | GraphSource[STRING] = "",
        a: int | float | GraphSource[INT] | GraphSource[FLOAT] | GraphSource[IMAGE] | GraphSource[LATENT] | None = None,
        b: int | float | GraphSource[INT] | GraphSource[FLOAT] | GraphSource[IMAGE] | GraphSource[LATENT] | None = None,
        c: int | float | GraphSource[INT] | GraphSource[FLOAT] | GraphSource[IMAGE] | GraphSource[LATENT] | None = None,
        **_about: Unpack[_About]
    ) -> _int_float:
        """Compute with numbers, as Python does; whole numbers of the result are cut, not rounded."""

class _Noise_Control_Script(Protocol):
    def __call__(
        self,
        rng_source: _cpu_or_2_more | GraphSource[COMBO] = "cpu",
        cfg_denoiser: bool | GraphSource[BOOLEAN] = False,
        add_seed_noise: bool | GraphSource[BOOLEAN] = False,
        seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        weight: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.015,
        script: GraphSource[SCRIPT] | None = None,
        **_about: Unpack[_About]
    ) -> _script:
        """Draw the noise that sampling starts from in another way. What samplers add on their way stays as it is."""

class _Pack_SDXL_Tuple(Protocol):
    def __call__(
        self,
        base_model: GraphSource[MODEL],
        base_clip: GraphSource[CLIP],
        base_positive: GraphSource[CONDITIONING],
        base_negative: GraphSource[CONDITIONING],
        refiner_model: GraphSource[MODEL],
        refiner_clip: GraphSource[CLIP],
        refiner_positive: GraphSource[CONDITIONING],
        refiner_negative: GraphSource[CONDITIONING],
        **_about: Unpack[_About]
    ) -> _sdxl_tuple:
        """Put SDXL's base and refiner, with their prompts, into one value."""

class _PlaySound_pysssss(Protocol):
    def __call__(
        self,
        any: Any,
        mode: _always_or_1_more | GraphSource[COMBO] = "always",
        volume: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.5,
        file: str | GraphSource[STRING] = "notify.mp3",
        **_about: Unpack[_About]
    ) -> _output:
        """Pass a value on. The editor plays a sound then; here there is none."""

class _Power_Lora_Loader_rgthree(Protocol):
    def __call__(
        self,
        model: GraphSource[MODEL] | None = None,
        clip: GraphSource[CLIP] | None = None,
        **_more: Any
    ) -> _model_clip:
        """Apply any number of LoRAs: `lora_1`, `lora_2`, ... are {"on": true, "lora": name, "strength": 1.0}."""

class _SDXL_Empty_Latent_Image_rgthree(Protocol):
    def __call__(
        self,
        dimensions: Any = ...,
        clip_scale: Annotated[float, "1.0 to 10.0"] | GraphSource[FLOAT] = 2.0,
        batch_size: Annotated[int, "1 to 64"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent_clip_width_clip_height:
        """Empty latents in one of the sizes of SDXL, and that size scaled for its text encoders."""

class _Seed_rgthree(Protocol):
    def __call__(
        self,
        seed: Annotated[int, "-1125899906842624 to 1125899906842624"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _seed:
        """A seed for any number of samplers; -1, -2 and -3 stand for another one in each run."""

class _ShowText_pysssss(Protocol):
    def __call__(
        self,
        text: GraphSource[STRING],
        **_more: Any
    ) -> _string:
        """Show texts, and pass them on."""

class _SimpleMath(Protocol):
    def __call__(
        self,
        value: str | GraphSource[STRING] = "",
        a: int | float | GraphSource[INT] | GraphSource[FLOAT] | None = None,
        b: int | float | GraphSource[INT] | GraphSource[FLOAT] | None = None,
        c: int | float | GraphSource[INT] | GraphSource[FLOAT] | None = None,
        **_about: Unpack[_About]
    ) -> _int_float:
        """Compute with numbers, as Python does; the whole number is rounded."""

class _StringFunction_pysssss(Protocol):
    def __call__(
        self,
        action: _append_or_1_more | GraphSource[COMBO] = "append",
        tidy_tags: _yes_or_1_more | GraphSource[COMBO] = "yes",
        text_a: str | GraphSource[STRING] = "",
        text_b: str | GraphSource[STRING] = "",
        text_c: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string:
        """Put texts together, or replace one within another."""

class _SystemNotification_pysssss(Protocol):
    def __call__(
        self,
        any: Any,
        message: str | GraphSource[STRING] = "Your notification has triggered.",
        mode: _always_or_1_more | GraphSource[COMBO] = "always",
        **_about: Unpack[_About]
    ) -> _output:
        """Pass a value on. The editor shows a message then; here there is none."""

class _Text_Concatenate(Protocol):
    def __call__(
        self,
        delimiter: str | GraphSource[STRING] = ", ",
        clean_whitespace: _true_or_1_more | GraphSource[COMBO] = "true",
        text_a: GraphSource[STRING] | None = None,
        text_b: GraphSource[STRING] | None = None,
        text_c: GraphSource[STRING] | None = None,
        text_d: GraphSource[STRING] | None = None,
        **_about: Unpack[_About]
    ) -> _string:
        """Put texts together; those that are empty are left out."""

class _Text_Multiline(Protocol):
    def __call__(
        self,
        text: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string:
        """A text of several lines; those that begin with # are left out."""

class _Text_String(Protocol):
    def __call__(
        self,
        text: str | GraphSource[STRING] = "",
        text_b: str | GraphSource[STRING] = "",
        text_c: str | GraphSource[STRING] = "",
        text_d: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string_string_2_string_3_string_4:
        """Up to four texts."""

class _Text__O(Protocol):
    def __call__(
        self,
        text: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string:
        """A text of several lines."""

class _Text_to_Conditioning(Protocol):
    def __call__(
        self,
        clip: GraphSource[CLIP],
        text: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Encode a prompt."""

class _Text_to_Console(Protocol):
    def __call__(
        self,
        text: GraphSource[STRING],
        label: str | GraphSource[STRING] = "Text Output",
        **_about: Unpack[_About]
    ) -> _string:
        """Show a text, and pass it on."""

class _Tiled_Upscaler_Script(Protocol):
    def __call__(
        self,
        upscale_by: Annotated[float, "0.01 to 8.0"] | GraphSource[FLOAT] = 1.25,
        tile_size: Annotated[int, "256 to 16384"] | GraphSource[INT] = 512,
        tiling_strategy: _random_or_4_more | GraphSource[COMBO] = "random",
        tiling_steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 30,
        seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        denoise: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.4,
        use_controlnet: bool | GraphSource[BOOLEAN] = False,
        *,
        tile_controlnet: str | GraphSource[COMBO],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        script: GraphSource[SCRIPT] | None = None,
        **_about: Unpack[_About]
    ) -> _script:
        """After sampling, enlarge the picture and sample it again tile by tile, which takes the memory of one tile."""

class _Unpack_SDXL_Tuple(Protocol):
    def __call__(
        self,
        sdxl_tuple: GraphSource[SDXL_TUPLE],
        **_about: Unpack[_About]
    ) -> _base_model_base_clip_base_conditioning_plus_base_conditioning_minus_and_4_more:
        """Take SDXL's base and refiner, with their prompts, out of one value."""

class _Video_Slice(Protocol):
    def __call__(
        self,
        video: GraphSource[VIDEO],
        start_time: Annotated[float, "-100000.0 to 100000.0"] | GraphSource[FLOAT] = 0.0,
        duration: float | GraphSource[FLOAT] = 0.0,
        strict_duration: bool | GraphSource[BOOLEAN] = False,
        **_about: Unpack[_About]
    ) -> _video:
        """A stretch of a video, with its sound."""

class _XY_Input_Add_Return_Noise(Protocol):
    def __call__(
        self,
        XY_type: _add_noise_or_1_more | GraphSource[COMBO] = "add_noise",
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Compare a sampler with and without its initial noise, or with and without the noise that is left."""

class _XY_Input_Aesthetic_Score(Protocol):
    def __call__(
        self,
        target_ascore: _positive_or_1_more | GraphSource[COMBO] = "positive",
        batch_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        first_ascore: Annotated[float, "0.0 to 1000.0"] | GraphSource[FLOAT] = 0.0,
        last_ascore: Annotated[float, "0.0 to 1000.0"] | GraphSource[FLOAT] = 10.0,
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Vary the aesthetic score that SDXL's refiner is told with a prompt."""

class _XY_Input_CFG_Scale(Protocol):
    def __call__(
        self,
        batch_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        first_cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 7.0,
        last_cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 9.0,
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Vary the strength of classifier-free guidance."""

class _XY_Input_Checkpoint(Protocol):
    def __call__(
        self,
        target_ckpt: _Base_or_1_more | GraphSource[COMBO] = "Base",
        input_mode: _Ckpt_Names_or_3_more | GraphSource[COMBO] = "Ckpt Names",
        batch_path: str | GraphSource[STRING] = "/example_folder",
        subdirectories: bool | GraphSource[BOOLEAN] = False,
        batch_sort: _ascending_or_1_more | GraphSource[COMBO] = "ascending",
        batch_max: Annotated[int, "-1 to 50"] | GraphSource[INT] = -1,
        ckpt_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        ckpt_name_1: str | GraphSource[COMBO] = "None",
        clip_skip_1: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_1: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_2: str | GraphSource[COMBO] = "None",
        clip_skip_2: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_2: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_3: str | GraphSource[COMBO] = "None",
        clip_skip_3: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_3: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_4: str | GraphSource[COMBO] = "None",
        clip_skip_4: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_4: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_5: str | GraphSource[COMBO] = "None",
        clip_skip_5: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_5: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_6: str | GraphSource[COMBO] = "None",
        clip_skip_6: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_6: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_7: str | GraphSource[COMBO] = "None",
        clip_skip_7: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_7: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_8: str | GraphSource[COMBO] = "None",
        clip_skip_8: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_8: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_9: str | GraphSource[COMBO] = "None",
        clip_skip_9: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_9: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_10: str | GraphSource[COMBO] = "None",
        clip_skip_10: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_10: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_11: str | GraphSource[COMBO] = "None",
        clip_skip_11: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_11: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_12: str | GraphSource[COMBO] = "None",
        clip_skip_12: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_12: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_13: str | GraphSource[COMBO] = "None",
        clip_skip_13: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_13: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_14: str | GraphSource[COMBO] = "None",
        clip_skip_14: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_14: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_15: str | GraphSource[COMBO] = "None",
        clip_skip_15: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_15: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_16: str | GraphSource[COMBO] = "None",
        clip_skip_16: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_16: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_17: str | GraphSource[COMBO] = "None",
        clip_skip_17: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_17: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_18: str | GraphSource[COMBO] = "None",
        clip_skip_18: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_18: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_19: str | GraphSource[COMBO] = "None",
        clip_skip_19: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_19: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_20: str | GraphSource[COMBO] = "None",
        clip_skip_20: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_20: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_21: str | GraphSource[COMBO] = "None",
        clip_skip_21: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_21: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_22: str | GraphSource[COMBO] = "None",
        clip_skip_22: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_22: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_23: str | GraphSource[COMBO] = "None",
        clip_skip_23: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_23: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_24: str | GraphSource[COMBO] = "None",
        clip_skip_24: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_24: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_25: str | GraphSource[COMBO] = "None",
        clip_skip_25: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_25: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_26: str | GraphSource[COMBO] = "None",
        clip_skip_26: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_26: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_27: str | GraphSource[COMBO] = "None",
        clip_skip_27: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_27: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_28: str | GraphSource[COMBO] = "None",
        clip_skip_28: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_28: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_29: str | GraphSource[COMBO] = "None",
        clip_skip_29: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_29: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_30: str | GraphSource[COMBO] = "None",
        clip_skip_30: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_30: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_31: str | GraphSource[COMBO] = "None",
        clip_skip_31: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_31: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_32: str | GraphSource[COMBO] = "None",
        clip_skip_32: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_32: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_33: str | GraphSource[COMBO] = "None",
        clip_skip_33: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_33: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_34: str | GraphSource[COMBO] = "None",
        clip_skip_34: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_34: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_35: str | GraphSource[COMBO] = "None",
        clip_skip_35: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_35: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_36: str | GraphSource[COMBO] = "None",
        clip_skip_36: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_36: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_37: str | GraphSource[COMBO] = "None",
        clip_skip_37: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_37: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_38: str | GraphSource[COMBO] = "None",
        clip_skip_38: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_38: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_39: str | GraphSource[COMBO] = "None",
        clip_skip_39: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_39: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_40: str | GraphSource[COMBO] = "None",
        clip_skip_40: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_40: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_41: str | GraphSource[COMBO] = "None",
        clip_skip_41: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_41: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_42: str | GraphSource[COMBO] = "None",
        clip_skip_42: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_42: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_43: str | GraphSource[COMBO] = "None",
        clip_skip_43: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_43: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_44: str | GraphSource[COMBO] = "None",
        clip_skip_44: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_44: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_45: str | GraphSource[COMBO] = "None",
        clip_skip_45: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_45: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_46: str | GraphSource[COMBO] = "None",
        clip_skip_46: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_46: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_47: str | GraphSource[COMBO] = "None",
        clip_skip_47: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_47: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_48: str | GraphSource[COMBO] = "None",
        clip_skip_48: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_48: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_49: str | GraphSource[COMBO] = "None",
        clip_skip_49: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_49: str | GraphSource[COMBO] = "Baked VAE",
        ckpt_name_50: str | GraphSource[COMBO] = "None",
        clip_skip_50: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        vae_name_50: str | GraphSource[COMBO] = "Baked VAE",
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Compare checkpoints, each with its own clip skip and VAE where the mode says so."""

class _XY_Input_Clip_Skip(Protocol):
    def __call__(
        self,
        target_ckpt: _Base_or_1_more | GraphSource[COMBO] = "Base",
        batch_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        first_clip_skip: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        last_clip_skip: Annotated[int, "-24 to -1"] | GraphSource[INT] = -3,
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Vary the layer at which the text encoder stops."""

class _XY_Input_Control_Net(Protocol):
    def __call__(
        self,
        control_net: GraphSource[CONTROL_NET],
        image: GraphSource[IMAGE],
        target_parameter: _strength_or_2_more | GraphSource[COMBO] = "strength",
        batch_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        first_strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 0.0,
        last_strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        first_start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        last_start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        first_end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        last_end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        cnet_stack: GraphSource[CONTROL_NET_STACK] | None = None,
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Vary one setting of a control net."""

class _XY_Input_Control_Net_Plot(Protocol):
    def __call__(
        self,
        control_net: GraphSource[CONTROL_NET],
        image: GraphSource[IMAGE],
        plot_type: _X_Strength_Y_Start_or_5_more | GraphSource[COMBO] = "X: Strength, Y: Start%",
        strength: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        X_batch_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        X_first_value: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 0.0,
        X_last_value: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        Y_batch_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        Y_first_value: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 0.0,
        Y_last_value: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        cnet_stack: GraphSource[CONTROL_NET_STACK] | None = None,
        **_about: Unpack[_About]
    ) -> _x_y:
        """Vary two settings of a control net, one on each axis."""

class _XY_Input_Denoise(Protocol):
    def __call__(
        self,
        batch_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        first_denoise: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        last_denoise: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Vary how much of the picture is made anew."""

class _XY_Input_LoRA(Protocol):
    def __call__(
        self,
        input_mode: _LoRA_Names_or_2_more | GraphSource[COMBO] = "LoRA Names",
        batch_path: str | GraphSource[STRING] = "/example_folder",
        subdirectories: bool | GraphSource[BOOLEAN] = False,
        batch_sort: _ascending_or_1_more | GraphSource[COMBO] = "ascending",
        batch_max: Annotated[int, "-1 to 50"] | GraphSource[INT] = -1,
        lora_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        model_strength: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_strength: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_1: str | GraphSource[COMBO] = "None",
        model_str_1: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_1: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_2: str | GraphSource[COMBO] = "None",
        model_str_2: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_2: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_3: str | GraphSource[COMBO] = "None",
        model_str_3: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_3: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_4: str | GraphSource[COMBO] = "None",
        model_str_4: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_4: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_5: str | GraphSource[COMBO] = "None",
        model_str_5: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_5: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_6: str | GraphSource[COMBO] = "None",
        model_str_6: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_6: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_7: str | GraphSource[COMBO] = "None",
        model_str_7: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_7: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_8: str | GraphSource[COMBO] = "None",
        model_str_8: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_8: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_9: str | GraphSource[COMBO] = "None",
        model_str_9: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_9: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_10: str | GraphSource[COMBO] = "None",
        model_str_10: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_10: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_11: str | GraphSource[COMBO] = "None",
        model_str_11: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_11: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_12: str | GraphSource[COMBO] = "None",
        model_str_12: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_12: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_13: str | GraphSource[COMBO] = "None",
        model_str_13: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_13: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_14: str | GraphSource[COMBO] = "None",
        model_str_14: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_14: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_15: str | GraphSource[COMBO] = "None",
        model_str_15: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_15: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_16: str | GraphSource[COMBO] = "None",
        model_str_16: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_16: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_17: str | GraphSource[COMBO] = "None",
        model_str_17: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_17: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_18: str | GraphSource[COMBO] = "None",
        model_str_18: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_18: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_19: str | GraphSource[COMBO] = "None",
        model_str_19: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_19: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_20: str | GraphSource[COMBO] = "None",
        model_str_20: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_20: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_21: str | GraphSource[COMBO] = "None",
        model_str_21: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_21: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_22: str | GraphSource[COMBO] = "None",
        model_str_22: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_22: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_23: str | GraphSource[COMBO] = "None",
        model_str_23: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_23: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_24: str | GraphSource[COMBO] = "None",
        model_str_24: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_24: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_25: str | GraphSource[COMBO] = "None",
        model_str_25: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_25: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_26: str | GraphSource[COMBO] = "None",
        model_str_26: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_26: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_27: str | GraphSource[COMBO] = "None",
        model_str_27: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_27: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_28: str | GraphSource[COMBO] = "None",
        model_str_28: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_28: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_29: str | GraphSource[COMBO] = "None",
        model_str_29: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_29: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_30: str | GraphSource[COMBO] = "None",
        model_str_30: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_30: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_31: str | GraphSource[COMBO] = "None",
        model_str_31: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_31: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_32: str | GraphSource[COMBO] = "None",
        model_str_32: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_32: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_33: str | GraphSource[COMBO] = "None",
        model_str_33: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_33: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_34: str | GraphSource[COMBO] = "None",
        model_str_34: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_34: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_35: str | GraphSource[COMBO] = "None",
        model_str_35: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_35: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_36: str | GraphSource[COMBO] = "None",
        model_str_36: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_36: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_37: str | GraphSource[COMBO] = "None",
        model_str_37: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_37: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_38: str | GraphSource[COMBO] = "None",
        model_str_38: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_38: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_39: str | GraphSource[COMBO] = "None",
        model_str_39: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_39: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_40: str | GraphSource[COMBO] = "None",
        model_str_40: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_40: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_41: str | GraphSource[COMBO] = "None",
        model_str_41: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_41: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_42: str | GraphSource[COMBO] = "None",
        model_str_42: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_42: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_43: str | GraphSource[COMBO] = "None",
        model_str_43: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_43: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_44: str | GraphSource[COMBO] = "None",
        model_str_44: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_44: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_45: str | GraphSource[COMBO] = "None",
        model_str_45: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_45: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_46: str | GraphSource[COMBO] = "None",
        model_str_46: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_46: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_47: str | GraphSource[COMBO] = "None",
        model_str_47: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_47: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_48: str | GraphSource[COMBO] = "None",
        model_str_48: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_48: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_49: str | GraphSource[COMBO] = "None",
        model_str_49: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_49: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_name_50: str | GraphSource[COMBO] = "None",
        model_str_50: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_str_50: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_stack: GraphSource[LORA_STACK] | None = None,
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Compare LoRAs, each in front of the stack given."""

class _XY_Input_LoRA_Plot(Protocol):
    def __call__(
        self,
        input_mode: _X_LoRA_Batch_Y_LoRA_Weig_or_3_more | GraphSource[COMBO] = "X: LoRA Batch, Y: LoRA Weight",
        lora_name: str | GraphSource[COMBO] = "None",
        model_strength: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        clip_strength: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        X_batch_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        X_batch_path: str | GraphSource[STRING] = "/example_folder",
        X_subdirectories: bool | GraphSource[BOOLEAN] = False,
        X_batch_sort: _ascending_or_1_more | GraphSource[COMBO] = "ascending",
        X_first_value: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 0.0,
        X_last_value: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        Y_batch_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        Y_first_value: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 0.0,
        Y_last_value: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        lora_stack: GraphSource[LORA_STACK] | None = None,
        **_about: Unpack[_About]
    ) -> _x_y:
        """Both axes of a LoRA's plot: files against strengths, or one strength against the other."""

class _XY_Input_LoRA_Stacks(Protocol):
    def __call__(
        self,
        node_state: _Enabled | GraphSource[COMBO] = "Enabled",
        lora_stack_1: GraphSource[LORA_STACK] | None = None,
        lora_stack_2: GraphSource[LORA_STACK] | None = None,
        lora_stack_3: GraphSource[LORA_STACK] | None = None,
        lora_stack_4: GraphSource[LORA_STACK] | None = None,
        lora_stack_5: GraphSource[LORA_STACK] | None = None,
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Compare whole stacks of LoRAs."""

class _XY_Input_Manual_XY_Entry(Protocol):
    def __call__(
        self,
        plot_type: _Nothing_or_14_more | GraphSource[COMBO] = "Nothing",
        plot_value: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Write an axis by hand; Manual XY Entry Info says how."""

class _XY_Input_Prompt_S_R(Protocol):
    def __call__(
        self,
        target_prompt: _positive_or_1_more | GraphSource[COMBO] = "positive",
        search_txt: str | GraphSource[STRING] = "",
        replace_count: Annotated[int, "0 to 49"] | GraphSource[INT] = 3,
        replace_1: str | GraphSource[STRING] = "",
        replace_2: str | GraphSource[STRING] = "",
        replace_3: str | GraphSource[STRING] = "",
        replace_4: str | GraphSource[STRING] = "",
        replace_5: str | GraphSource[STRING] = "",
        replace_6: str | GraphSource[STRING] = "",
        replace_7: str | GraphSource[STRING] = "",
        replace_8: str | GraphSource[STRING] = "",
        replace_9: str | GraphSource[STRING] = "",
        replace_10: str | GraphSource[STRING] = "",
        replace_11: str | GraphSource[STRING] = "",
        replace_12: str | GraphSource[STRING] = "",
        replace_13: str | GraphSource[STRING] = "",
        replace_14: str | GraphSource[STRING] = "",
        replace_15: str | GraphSource[STRING] = "",
        replace_16: str | GraphSource[STRING] = "",
        replace_17: str | GraphSource[STRING] = "",
        replace_18: str | GraphSource[STRING] = "",
        replace_19: str | GraphSource[STRING] = "",
        replace_20: str | GraphSource[STRING] = "",
        replace_21: str | GraphSource[STRING] = "",
        replace_22: str | GraphSource[STRING] = "",
        replace_23: str | GraphSource[STRING] = "",
        replace_24: str | GraphSource[STRING] = "",
        replace_25: str | GraphSource[STRING] = "",
        replace_26: str | GraphSource[STRING] = "",
        replace_27: str | GraphSource[STRING] = "",
        replace_28: str | GraphSource[STRING] = "",
        replace_29: str | GraphSource[STRING] = "",
        replace_30: str | GraphSource[STRING] = "",
        replace_31: str | GraphSource[STRING] = "",
        replace_32: str | GraphSource[STRING] = "",
        replace_33: str | GraphSource[STRING] = "",
        replace_34: str | GraphSource[STRING] = "",
        replace_35: str | GraphSource[STRING] = "",
        replace_36: str | GraphSource[STRING] = "",
        replace_37: str | GraphSource[STRING] = "",
        replace_38: str | GraphSource[STRING] = "",
        replace_39: str | GraphSource[STRING] = "",
        replace_40: str | GraphSource[STRING] = "",
        replace_41: str | GraphSource[STRING] = "",
        replace_42: str | GraphSource[STRING] = "",
        replace_43: str | GraphSource[STRING] = "",
        replace_44: str | GraphSource[STRING] = "",
        replace_45: str | GraphSource[STRING] = "",
        replace_46: str | GraphSource[STRING] = "",
        replace_47: str | GraphSource[STRING] = "",
        replace_48: str | GraphSource[STRING] = "",
        replace_49: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Search and replace: the prompt as it is, then with one text in the place of another, once for each."""

class _XY_Input_Refiner_On_Off(Protocol):
    def __call__(
        self,
        refine_at_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.8,
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Compare SDXL with and without its refiner."""

class _XY_Input_Sampler_Scheduler(Protocol):
    def __call__(
        self,
        target_parameter: _sampler_or_2_more | GraphSource[COMBO] = "sampler",
        input_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        sampler_1: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_1: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_2: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_2: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_3: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_3: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_4: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_4: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_5: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_5: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_6: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_6: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_7: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_7: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_8: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_8: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_9: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_9: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_10: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_10: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_11: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_11: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_12: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_12: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_13: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_13: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_14: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_14: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_15: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_15: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_16: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_16: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_17: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_17: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_18: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_18: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_19: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_19: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_20: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_20: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_21: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_21: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_22: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_22: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_23: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_23: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_24: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_24: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_25: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_25: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_26: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_26: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_27: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_27: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_28: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_28: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_29: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_29: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_30: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_30: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_31: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_31: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_32: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_32: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_33: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_33: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_34: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_34: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_35: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_35: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_36: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_36: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_37: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_37: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_38: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_38: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_39: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_39: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_40: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_40: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_41: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_41: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_42: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_42: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_43: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_43: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_44: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_44: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_45: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_45: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_46: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_46: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_47: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_47: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_48: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_48: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_49: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_49: _None_or_13_more | GraphSource[COMBO] = "None",
        sampler_50: _None_or_44_more | GraphSource[COMBO] = "None",
        scheduler_50: _None_or_13_more | GraphSource[COMBO] = "None",
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Compare samplers, schedulers, or pairs of them."""

class _XY_Input_Seeds_Batch(Protocol):
    def __call__(
        self,
        batch_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Vary the seed: the sampler's own, and those that follow it."""

class _XY_Input_Steps(Protocol):
    def __call__(
        self,
        target_parameter: _steps_or_3_more | GraphSource[COMBO] = "steps",
        batch_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        first_step: Annotated[int, "1 to 10000"] | GraphSource[INT] = 10,
        last_step: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        first_start_step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 0,
        last_start_step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 10,
        first_end_step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 10,
        last_end_step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 20,
        first_refine_step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 10,
        last_refine_step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 20,
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Vary the number of steps, or the step at which a sampler starts, ends, or hands over to the refiner."""

class _XY_Input_VAE(Protocol):
    def __call__(
        self,
        input_mode: _VAE_Names_or_1_more | GraphSource[COMBO] = "VAE Names",
        batch_path: str | GraphSource[STRING] = "/example_folder",
        subdirectories: bool | GraphSource[BOOLEAN] = False,
        batch_sort: _ascending_or_1_more | GraphSource[COMBO] = "ascending",
        batch_max: Annotated[int, "-1 to 50"] | GraphSource[INT] = -1,
        vae_count: Annotated[int, "0 to 50"] | GraphSource[INT] = 3,
        vae_name_1: str | GraphSource[COMBO] = "None",
        vae_name_2: str | GraphSource[COMBO] = "None",
        vae_name_3: str | GraphSource[COMBO] = "None",
        vae_name_4: str | GraphSource[COMBO] = "None",
        vae_name_5: str | GraphSource[COMBO] = "None",
        vae_name_6: str | GraphSource[COMBO] = "None",
        vae_name_7: str | GraphSource[COMBO] = "None",
        vae_name_8: str | GraphSource[COMBO] = "None",
        vae_name_9: str | GraphSource[COMBO] = "None",
        vae_name_10: str | GraphSource[COMBO] = "None",
        vae_name_11: str | GraphSource[COMBO] = "None",
        vae_name_12: str | GraphSource[COMBO] = "None",
        vae_name_13: str | GraphSource[COMBO] = "None",
        vae_name_14: str | GraphSource[COMBO] = "None",
        vae_name_15: str | GraphSource[COMBO] = "None",
        vae_name_16: str | GraphSource[COMBO] = "None",
        vae_name_17: str | GraphSource[COMBO] = "None",
        vae_name_18: str | GraphSource[COMBO] = "None",
        vae_name_19: str | GraphSource[COMBO] = "None",
        vae_name_20: str | GraphSource[COMBO] = "None",
        vae_name_21: str | GraphSource[COMBO] = "None",
        vae_name_22: str | GraphSource[COMBO] = "None",
        vae_name_23: str | GraphSource[COMBO] = "None",
        vae_name_24: str | GraphSource[COMBO] = "None",
        vae_name_25: str | GraphSource[COMBO] = "None",
        vae_name_26: str | GraphSource[COMBO] = "None",
        vae_name_27: str | GraphSource[COMBO] = "None",
        vae_name_28: str | GraphSource[COMBO] = "None",
        vae_name_29: str | GraphSource[COMBO] = "None",
        vae_name_30: str | GraphSource[COMBO] = "None",
        vae_name_31: str | GraphSource[COMBO] = "None",
        vae_name_32: str | GraphSource[COMBO] = "None",
        vae_name_33: str | GraphSource[COMBO] = "None",
        vae_name_34: str | GraphSource[COMBO] = "None",
        vae_name_35: str | GraphSource[COMBO] = "None",
        vae_name_36: str | GraphSource[COMBO] = "None",
        vae_name_37: str | GraphSource[COMBO] = "None",
        vae_name_38: str | GraphSource[COMBO] = "None",
        vae_name_39: str | GraphSource[COMBO] = "None",
        vae_name_40: str | GraphSource[COMBO] = "None",
        vae_name_41: str | GraphSource[COMBO] = "None",
        vae_name_42: str | GraphSource[COMBO] = "None",
        vae_name_43: str | GraphSource[COMBO] = "None",
        vae_name_44: str | GraphSource[COMBO] = "None",
        vae_name_45: str | GraphSource[COMBO] = "None",
        vae_name_46: str | GraphSource[COMBO] = "None",
        vae_name_47: str | GraphSource[COMBO] = "None",
        vae_name_48: str | GraphSource[COMBO] = "None",
        vae_name_49: str | GraphSource[COMBO] = "None",
        vae_name_50: str | GraphSource[COMBO] = "None",
        **_about: Unpack[_About]
    ) -> _x_or_y:
        """Compare VAEs."""

class _XY_Plot(Protocol):
    def __call__(
        self,
        grid_spacing: Annotated[int, "0 to 500"] | GraphSource[INT] = 0,
        XY_flip: _False_or_1_more | GraphSource[COMBO] = "False",
        Y_label_orientation: _Horizontal_or_1_more | GraphSource[COMBO] = "Horizontal",
        cache_models: _True_or_1_more | GraphSource[COMBO] = "True",
        ksampler_output_image: _Images_or_1_more | GraphSource[COMBO] = "Images",
        dependencies: GraphSource[DEPENDENCIES] | None = None,
        X: GraphSource[XY] | None = None,
        Y: GraphSource[XY] | None = None,
        **_about: Unpack[_About]
    ) -> _script:
        """Let a sampler draw every value of one axis against every value of the other."""

class _easy_anythingIndexSwitch(Protocol):
    def __call__(
        self,
        index: Annotated[int, "0 to 9"] | GraphSource[INT] = 0,
        value0: Any = None,
        value1: Any = None,
        value2: Any = None,
        value3: Any = None,
        value4: Any = None,
        value5: Any = None,
        value6: Any = None,
        value7: Any = None,
        value8: Any = None,
        value9: Any = None,
        **_about: Unpack[_About]
    ) -> _value_3:
        """One of several values, by its number."""

class _easy_boolean(Protocol):
    def __call__(
        self,
        value: bool | GraphSource[BOOLEAN] = False,
        **_about: Unpack[_About]
    ) -> _boolean:
        """True or false."""

class _easy_cleanGpuUsed(Protocol):
    def __call__(
        self,
        anything: Any,
        **_about: Unpack[_About]
    ) -> _output:
        """Pass a value on. Memory of the device is freed here whenever it is needed, not by a node."""

class _easy_clearCacheAll(Protocol):
    def __call__(
        self,
        anything: Any,
        **_about: Unpack[_About]
    ) -> _output:
        """Pass a value on. The cache is the engine's here: `weft cache clear` empties it."""

class _easy_float(Protocol):
    def __call__(
        self,
        value: Annotated[float, "-9223372036854775807 to 9223372036854775807"] | GraphSource[FLOAT] = 0.0,
        **_about: Unpack[_About]
    ) -> _float:
        """A number."""

class _easy_int(Protocol):
    def __call__(
        self,
        value: Annotated[int, "-9223372036854775807 to 9223372036854775807"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _int:
        """A whole number."""

class _easy_mathInt(Protocol):
    def __call__(
        self,
        a: Annotated[int, "-9223372036854775807 to 9223372036854775807"] | GraphSource[INT] = 0,
        b: Annotated[int, "-9223372036854775807 to 9223372036854775807"] | GraphSource[INT] = 0,
        operation: _add_or_5_more | GraphSource[COMBO] = "add",
        **_about: Unpack[_About]
    ) -> _int:
        """Compute with two whole numbers; a fraction of the result is cut."""

class _easy_negative(Protocol):
    def __call__(
        self,
        negative: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _negative:
        """A prompt of what should not be in the picture."""

class _easy_positive(Protocol):
    def __call__(
        self,
        positive: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _positive:
        """A prompt of what should be in the picture."""

class _easy_showAnything(Protocol):
    def __call__(
        self,
        anything: Any = None,
        **_more: Any
    ) -> _output:
        """Show a value as text, and pass it on."""

class _easy_string(Protocol):
    def __call__(
        self,
        value: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string:
        """A text."""

class Graph(_Graph):
    @overload
    def __getitem__(self, name: Literal["Any Switch (rgthree)"]) -> _Any_Switch_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["Apply ControlNet Stack"]) -> _Apply_ControlNet_Stack: ...
    @overload
    def __getitem__(self, name: Literal["CR Current Frame"]) -> _CR_Current_Frame: ...
    @overload
    def __getitem__(self, name: Literal["CR Float To String"]) -> _CR_Float_To_String: ...
    @overload
    def __getitem__(self, name: Literal["CR Integer To String"]) -> _CR_Integer_To_String: ...
    @overload
    def __getitem__(self, name: Literal["CR Prompt Text"]) -> _CR_Prompt_Text: ...
    @overload
    def __getitem__(self, name: Literal["CR Seed"]) -> _CR_Seed: ...
    @overload
    def __getitem__(self, name: Literal["CR Text"]) -> _CR_Text: ...
    @overload
    def __getitem__(self, name: Literal["Concat Text _O"]) -> _Concat_Text__O: ...
    @overload
    def __getitem__(self, name: Literal["Context (rgthree)"]) -> _Context_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["Context Big (rgthree)"]) -> _Context_Big_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["Context Merge (rgthree)"]) -> _Context_Merge_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["Context Merge Big (rgthree)"]) -> _Context_Merge_Big_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["Context Switch (rgthree)"]) -> _Context_Switch_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["Context Switch Big (rgthree)"]) -> _Context_Switch_Big_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["Control Net Stacker"]) -> _Control_Net_Stacker: ...
    @overload
    def __getitem__(self, name: Literal["Display Any (rgthree)"]) -> _Display_Any_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["Display Int (rgthree)"]) -> _Display_Int_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["Eff. Loader SDXL"]) -> _Eff_Loader_SDXL: ...
    @overload
    def __getitem__(self, name: Literal["Efficient Loader"]) -> _Efficient_Loader: ...
    @overload
    def __getitem__(self, name: Literal["Epsilon Scaling"]) -> _Epsilon_Scaling: ...
    @overload
    def __getitem__(self, name: Literal["Evaluate Floats"]) -> _Evaluate_Floats: ...
    @overload
    def __getitem__(self, name: Literal["Evaluate Integers"]) -> _Evaluate_Integers: ...
    @overload
    def __getitem__(self, name: Literal["Evaluate Strings"]) -> _Evaluate_Strings: ...
    @overload
    def __getitem__(self, name: Literal["GetImageSize+"]) -> _GetImageSize: ...
    @overload
    def __getitem__(self, name: Literal["HighRes-Fix Script"]) -> _HighRes_Fix_Script: ...
    @overload
    def __getitem__(self, name: Literal["Image Comparer (rgthree)"]) -> _Image_Comparer_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["Image Overlay"]) -> _Image_Overlay: ...
    @overload
    def __getitem__(self, name: Literal["ImageFromBatch+"]) -> _ImageFromBatch: ...
    @overload
    def __getitem__(self, name: Literal["ImageRemoveAlpha+"]) -> _ImageRemoveAlpha: ...
    @overload
    def __getitem__(self, name: Literal["ImageResize+"]) -> _ImageResize: ...
    @overload
    def __getitem__(self, name: Literal["Join XY Inputs of Same Type"]) -> _Join_XY_Inputs_of_Same_Type: ...
    @overload
    def __getitem__(self, name: Literal["KSampler (Efficient)"]) -> _KSampler_Efficient: ...
    @overload
    def __getitem__(self, name: Literal["KSampler Adv. (Efficient)"]) -> _KSampler_Adv_Efficient: ...
    @overload
    def __getitem__(self, name: Literal["KSampler Config (rgthree)"]) -> _KSampler_Config_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["KSampler SDXL (Eff.)"]) -> _KSampler_SDXL_Eff: ...
    @overload
    def __getitem__(self, name: Literal["LoRA Stack to String converter"]) -> _LoRA_Stack_to_String_converter: ...
    @overload
    def __getitem__(self, name: Literal["LoRA Stacker"]) -> _LoRA_Stacker: ...
    @overload
    def __getitem__(self, name: Literal["Lora Loader Stack (rgthree)"]) -> _Lora_Loader_Stack_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["Manual XY Entry Info"]) -> _Manual_XY_Entry_Info: ...
    @overload
    def __getitem__(self, name: Literal["MaskFlip+"]) -> _MaskFlip: ...
    @overload
    def __getitem__(self, name: Literal["MaskPreview+"]) -> _MaskPreview: ...
    @overload
    def __getitem__(self, name: Literal["MathExpression|pysssss"]) -> _MathExpression_pysssss: ...
    @overload
    def __getitem__(self, name: Literal["Noise Control Script"]) -> _Noise_Control_Script: ...
    @overload
    def __getitem__(self, name: Literal["Pack SDXL Tuple"]) -> _Pack_SDXL_Tuple: ...
    @overload
    def __getitem__(self, name: Literal["PlaySound|pysssss"]) -> _PlaySound_pysssss: ...
    @overload
    def __getitem__(self, name: Literal["Power Lora Loader (rgthree)"]) -> _Power_Lora_Loader_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["SDXL Empty Latent Image (rgthree)"]) -> _SDXL_Empty_Latent_Image_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["Seed (rgthree)"]) -> _Seed_rgthree: ...
    @overload
    def __getitem__(self, name: Literal["ShowText|pysssss"]) -> _ShowText_pysssss: ...
    @overload
    def __getitem__(self, name: Literal["SimpleMath+"]) -> _SimpleMath: ...
    @overload
    def __getitem__(self, name: Literal["StringFunction|pysssss"]) -> _StringFunction_pysssss: ...
    @overload
    def __getitem__(self, name: Literal["SystemNotification|pysssss"]) -> _SystemNotification_pysssss: ...
    @overload
    def __getitem__(self, name: Literal["Text Concatenate"]) -> _Text_Concatenate: ...
    @overload
    def __getitem__(self, name: Literal["Text Multiline"]) -> _Text_Multiline: ...
    @overload
    def __getitem__(self, name: Literal["Text String"]) -> _Text_String: ...
    @overload
    def __getitem__(self, name: Literal["Text _O"]) -> _Text__O: ...
    @overload
    def __getitem__(self, name: Literal["Text to Conditioning"]) -> _Text_to_Conditioning: ...
    @overload
    def __getitem__(self, name: Literal["Text to Console"]) -> _Text_to_Console: ...
    @overload
    def __getitem__(self, name: Literal["Tiled Upscaler Script"]) -> _Tiled_Upscaler_Script: ...
    @overload
    def __getitem__(self, name: Literal["Unpack SDXL Tuple"]) -> _Unpack_SDXL_Tuple: ...
    @overload
    def __getitem__(self, name: Literal["Video Slice"]) -> _Video_Slice: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: Add/Return Noise"]) -> _XY_Input_Add_Return_Noise: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: Aesthetic Score"]) -> _XY_Input_Aesthetic_Score: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: CFG Scale"]) -> _XY_Input_CFG_Scale: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: Checkpoint"]) -> _XY_Input_Checkpoint: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: Clip Skip"]) -> _XY_Input_Clip_Skip: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: Control Net"]) -> _XY_Input_Control_Net: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: Control Net Plot"]) -> _XY_Input_Control_Net_Plot: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: Denoise"]) -> _XY_Input_Denoise: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: LoRA"]) -> _XY_Input_LoRA: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: LoRA Plot"]) -> _XY_Input_LoRA_Plot: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: LoRA Stacks"]) -> _XY_Input_LoRA_Stacks: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: Manual XY Entry"]) -> _XY_Input_Manual_XY_Entry: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: Prompt S/R"]) -> _XY_Input_Prompt_S_R: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: Refiner On/Off"]) -> _XY_Input_Refiner_On_Off: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: Sampler/Scheduler"]) -> _XY_Input_Sampler_Scheduler: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: Seeds++ Batch"]) -> _XY_Input_Seeds_Batch: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: Steps"]) -> _XY_Input_Steps: ...
    @overload
    def __getitem__(self, name: Literal["XY Input: VAE"]) -> _XY_Input_VAE: ...
    @overload
    def __getitem__(self, name: Literal["XY Plot"]) -> _XY_Plot: ...
    @overload
    def __getitem__(self, name: Literal["easy anythingIndexSwitch"]) -> _easy_anythingIndexSwitch: ...
    @overload
    def __getitem__(self, name: Literal["easy boolean"]) -> _easy_boolean: ...
    @overload
    def __getitem__(self, name: Literal["easy cleanGpuUsed"]) -> _easy_cleanGpuUsed: ...
    @overload
    def __getitem__(self, name: Literal["easy clearCacheAll"]) -> _easy_clearCacheAll: ...
    @overload
    def __getitem__(self, name: Literal["easy float"]) -> _easy_float: ...
    @overload
    def __getitem__(self, name: Literal["easy int"]) -> _easy_int: ...
    @overload
    def __getitem__(self, name: Literal["easy mathInt"]) -> _easy_mathInt: ...
    @overload
    def __getitem__(self, name: Literal["easy negative"]) -> _easy_negative: ...
    @overload
    def __getitem__(self, name: Literal["easy positive"]) -> _easy_positive: ...
    @overload
    def __getitem__(self, name: Literal["easy showAnything"]) -> _easy_showAnything: ...
    @overload
    def __getitem__(self, name: Literal["easy string"]) -> _easy_string: ...
    @overload
    def __getitem__(self, name: str) -> Any: ...
    def APG(
        self,
        model: GraphSource[MODEL],
        eta: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        norm_threshold: Annotated[float, "0.0 to 50.0"] | GraphSource[FLOAT] = 5.0,
        momentum: Annotated[float, "-5.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Guide strongly without burning colours: limit what guidance adds, and weigh what only makes it stronger."""
    def AddNoise(
        self,
        model: GraphSource[MODEL],
        noise: GraphSource[NOISE],
        sigmas: GraphSource[SIGMAS],
        latent_image: GraphSource[LATENT],
        **_about: Unpack[_About]
    ) -> _latent:
        """Bring a latent to a noise level without sampling it."""
    def AlignYourStepsScheduler(
        self,
        model_type: _SD1_or_2_more | GraphSource[COMBO] = "SD1",
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 10,
        denoise: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """The schedule that NVIDIA optimised for a family of models: good pictures in 10 steps."""
    def AssertContainsColor(
        self,
        image: GraphSource[IMAGE],
        color: str | GraphSource[STRING] = "#FF0000",
        tolerance: Annotated[int, "0 to 255"] | GraphSource[INT] = 10,
        min_pixels: Annotated[int, "1 to 1000000"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Fail where too few pixels of the batch have a colour."""
    def AssertEqual(
        self,
        input1: Any,
        input2: Any,
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Fail where two values differ: by type, keys, length or shape, tensors by more than rounding (1e-5 of the value)."""
    def AssertExecuted(
        self,
        input: Any,
        **_about: Unpack[_About]
    ) -> _output:
        """Pass a value on, and fail where the node that it comes from was not called in this run but served by the cache."""
    def AssertImageMatch(
        self,
        image: GraphSource[IMAGE],
        perceptual_hash: str | GraphSource[STRING] = "",
        delta: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.05,
        hash_function: _dhash | GraphSource[COMBO] = "dhash",
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Fail where a picture of the batch looks different from what its perceptual hash remembers."""
    def AssertInRange(
        self,
        tensor: Any,
        min_value: Annotated[float, "-10000000000.0 to 10000000000.0"] | GraphSource[FLOAT] = 0.0,
        max_value: Annotated[float, "-10000000000.0 to 10000000000.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Fail where a tensor or a number has a value outside of a range; NaN is outside of every range."""
    def AssertNotEqual(
        self,
        input1: Any,
        input2: Any,
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Fail where two values are equal, tensors to rounding (1e-5 of the value)."""
    def AssertTensorShape(
        self,
        tensor: Any,
        batch: Annotated[int, "-1 to 16384"] | GraphSource[INT] = -1,
        height: Annotated[int, "-1 to 16384"] | GraphSource[INT] = -1,
        width: Annotated[int, "-1 to 16384"] | GraphSource[INT] = -1,
        channels: Annotated[int, "-1 to 16384"] | GraphSource[INT] = -1,
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Fail where a tensor with the axes batch, height, width, channels has another shape."""
    def AudioAdjustVolume(
        self,
        audio: GraphSource[AUDIO],
        volume: Annotated[int, "-100 to 100"] | GraphSource[INT] = ...,
        **_about: Unpack[_About]
    ) -> _audio:
        """Make a sound louder or quieter."""
    def AudioConcat(
        self,
        audio1: GraphSource[AUDIO],
        audio2: GraphSource[AUDIO],
        direction: _after_or_1_more | GraphSource[COMBO] = "after",
        **_about: Unpack[_About]
    ) -> _audio:
        """One sound and then another one, at the higher of their rates, in stereo."""
    def AudioMerge(
        self,
        audio1: GraphSource[AUDIO],
        audio2: GraphSource[AUDIO],
        merge_method: _add_or_3_more | GraphSource[COMBO] = "add",
        **_about: Unpack[_About]
    ) -> _audio:
        """Two sounds at once, as long as the first; made quieter where they are louder than full scale together."""
    def BasicGuider(
        self,
        model: GraphSource[MODEL],
        conditioning: GraphSource[CONDITIONING],
        **_about: Unpack[_About]
    ) -> _guider:
        """Steer by one prompt, without a negative one."""
    def BasicScheduler(
        self,
        model: GraphSource[MODEL],
        scheduler: _simple_or_8_more | GraphSource[COMBO] = "simple",
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        denoise: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """A schedule as KSampler makes it, except that no sampler leaves its last level but one out."""
    def BatchImagesNode(
        self,
        images: Sequence[GraphSource[IMAGE]] | Mapping[str, GraphSource[IMAGE]],
        **_more: Any
    ) -> _image:
        """Put pictures into one batch."""
    def BatchLatentsNode(
        self,
        latents: Sequence[GraphSource[LATENT]] | Mapping[str, GraphSource[LATENT]],
        **_more: Any
    ) -> _latent:
        """Put latents into one batch."""
    def BatchMasksNode(
        self,
        masks: Sequence[GraphSource[MASK]] | Mapping[str, GraphSource[MASK]],
        **_more: Any
    ) -> _mask:
        """Put masks into one batch."""
    def BetaSamplingScheduler(
        self,
        model: GraphSource[MODEL],
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        alpha: Annotated[float, "0.0 to 50.0"] | GraphSource[FLOAT] = 0.6,
        beta: Annotated[float, "0.0 to 50.0"] | GraphSource[FLOAT] = 0.6,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """Timesteps spread as a Beta distribution: dense at both ends for low alpha and beta."""
    def BuildJsonPromptIdeogram(
        self,
        element: GraphSource[ARRAY],
        high_level_description: str | GraphSource[STRING] = "",
        background: str | GraphSource[STRING] = "",
        style: _none_or_2_more | Mapping[str, Any] | GraphSource[COMFY_DYNAMICCOMBO_V3] = "none",
        aesthetics: str | GraphSource[STRING] = "",
        lighting: str | GraphSource[STRING] = "",
        medium: str | GraphSource[STRING] = "",
        color_palette: Any = ...,
        **_more: Any
    ) -> _prompt:
        """A prompt as Ideogram 4 reads it: a picture taken apart into its style, its background and what stands on it."""
    def CFGGuider(
        self,
        model: GraphSource[MODEL],
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 8.0,
        **_about: Unpack[_About]
    ) -> _guider:
        """Steer towards one prompt and away from another: classifier-free guidance."""
    def CFGNorm(
        self,
        model: GraphSource[MODEL],
        strength: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _patched_model:
        """Let guidance nowhere make the prediction stronger than the positive one: against burnt colours."""
    def CFGZeroStar(
        self,
        model: GraphSource[MODEL],
        **_about: Unpack[_About]
    ) -> _patched_model:
        """Scale the negative prediction so that it fits the positive one best, then guide: CFG-Zero*."""
    def CLIPAttentionMultiply(
        self,
        clip: GraphSource[CLIP],
        q: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        k: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        v: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        out: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _clip:
        """Multiply the projections of the text encoders' attention."""
    def CLIPLoader(
        self,
        clip_name: str | GraphSource[COMBO],
        type: _stable_diffusion_or_17_more | GraphSource[COMBO] = "stable_diffusion",
        device: _default_or_1_more | GraphSource[COMBO] = "default",
        **_about: Unpack[_About]
    ) -> _clip:
        """Open a text encoder that stands in a file of its own: CLIP L for SD 1.x, H for 2.x, bigG for the SDXL refiner."""
    def CLIPLoaderGGUF(
        self,
        clip_name: str | GraphSource[COMBO],
        type: _stable_diffusion_or_17_more | GraphSource[COMBO] = "stable_diffusion",
        **_about: Unpack[_About]
    ) -> _clip:
        """Open a text encoder in a GGUF file, or in any other. A Qwen2.5-VL sees pictures by the mmproj file beside it."""
    def CLIPMergeAdd(
        self,
        clip1: GraphSource[CLIP],
        clip2: GraphSource[CLIP],
        **_about: Unpack[_About]
    ) -> _clip:
        """Add the weights of the text encoders of two checkpoints of one family."""
    def CLIPMergeSimple(
        self,
        clip1: GraphSource[CLIP],
        clip2: GraphSource[CLIP],
        ratio: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _clip:
        """Mix the text encoders of two checkpoints of one family."""
    def CLIPMergeSubtract(
        self,
        clip1: GraphSource[CLIP],
        clip2: GraphSource[CLIP],
        multiplier: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _clip:
        """The difference between the text encoders of two checkpoints of one family."""
    def CLIPSave(
        self,
        clip: GraphSource[CLIP],
        filename_prefix: str | GraphSource[STRING] = "clip/ComfyUI",
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write text encoders, each to a file of its own."""
    def CLIPSetLastLayer(
        self,
        clip: GraphSource[CLIP],
        stop_at_clip_layer: Annotated[int, "-24 to -1"] | GraphSource[INT] = -1,
        **_about: Unpack[_About]
    ) -> _clip:
        """Take the text encoder's output from an earlier layer ("clip skip")."""
    def CLIPTextEncode(
        self,
        text: str | GraphSource[STRING] = "",
        *,
        clip: GraphSource[CLIP],
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Encode a prompt. `(red:1.3)` weighs words, `embedding:name` brings in a textual inversion."""
    def CLIPTextEncodeControlnet(
        self,
        clip: GraphSource[CLIP],
        conditioning: GraphSource[CONDITIONING],
        text: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Encode a prompt for the ControlNets of a conditioning alone; the model goes on reading its own."""
    def CLIPTextEncodeFlux(
        self,
        clip: GraphSource[CLIP],
        clip_l: str | GraphSource[STRING] = "",
        t5xxl: str | GraphSource[STRING] = "",
        guidance: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 3.5,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Encode a prompt for each of FLUX's two text encoders, and say how strongly it is followed."""
    def CLIPTextEncodeSD3(
        self,
        clip: GraphSource[CLIP],
        clip_l: str | GraphSource[STRING] = "",
        clip_g: str | GraphSource[STRING] = "",
        t5xxl: str | GraphSource[STRING] = "",
        empty_padding: _none_or_1_more | GraphSource[COMBO] = "none",
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Encode a prompt for each of the text encoders of Stable Diffusion 3. Texts for those that are missing are unread."""
    def CLIPTextEncodeSDXL(
        self,
        clip: GraphSource[CLIP],
        width: Annotated[int, "0 to 16384"] | GraphSource[INT] = 1024,
        height: Annotated[int, "0 to 16384"] | GraphSource[INT] = 1024,
        crop_w: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        crop_h: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        target_width: Annotated[int, "0 to 16384"] | GraphSource[INT] = 1024,
        target_height: Annotated[int, "0 to 16384"] | GraphSource[INT] = 1024,
        text_g: str | GraphSource[STRING] = "",
        text_l: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Encode a prompt for each of SDXL's two text encoders, and say which sizes the model is to imagine."""
    def CLIPTextEncodeSDXLRefiner(
        self,
        ascore: Annotated[float, "0.0 to 1000.0"] | GraphSource[FLOAT] = 6.0,
        width: Annotated[int, "0 to 16384"] | GraphSource[INT] = 1024,
        height: Annotated[int, "0 to 16384"] | GraphSource[INT] = 1024,
        text: str | GraphSource[STRING] = "",
        *,
        clip: GraphSource[CLIP],
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Encode a prompt for SDXL's refiner, and say which size and beauty the model is to imagine."""
    def CLIPVisionEncode(
        self,
        clip_vision: GraphSource[CLIP_VISION],
        image: GraphSource[IMAGE],
        crop: _center_or_1_more | GraphSource[COMBO] = "center",
        **_about: Unpack[_About]
    ) -> _clip_vision_output:
        """Read pictures with a vision model."""
    def CLIPVisionLoader(
        self,
        clip_name: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _clip_vision:
        """Open a model that reads pictures: CLIP's vision tower, or SigLIP's."""
    def CM_FloatBinaryOperation(
        self,
        op: _Add_or_8_more | GraphSource[COMBO] = "Add",
        a: float | GraphSource[FLOAT] = 0.0,
        b: float | GraphSource[FLOAT] = 0.0,
        **_about: Unpack[_About]
    ) -> _float:
        """Compute with two numbers."""
    def CM_FloatToInt(
        self,
        a: float | GraphSource[FLOAT] = 0.0,
        **_about: Unpack[_About]
    ) -> _int:
        """A number without its fraction."""
    def CM_IntBinaryOperation(
        self,
        op: _Add_or_8_more | GraphSource[COMBO] = "Add",
        a: int | GraphSource[INT] = 0,
        b: int | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _int:
        """Compute with two whole numbers; a fraction of the result is cut off."""
    def CM_IntToFloat(
        self,
        a: int | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _float:
        """A whole number as a number."""
    def CameraAngle(
        self,
        horizontal_angle: Annotated[int, "0 to 360"] | GraphSource[INT] = 0,
        vertical_angle: Annotated[int, "-30 to 60"] | GraphSource[INT] = 0,
        zoom: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 5.0,
        image: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> _camera_info_prompt:
        """Say from where a subject is seen, as LoRAs of angles read it: "front view eye-level shot medium shot"."""
    def Canny(
        self,
        image: GraphSource[IMAGE],
        low_threshold: Annotated[float, "0.01 to 0.99"] | GraphSource[FLOAT] = 0.4,
        high_threshold: Annotated[float, "0.01 to 0.99"] | GraphSource[FLOAT] = 0.8,
        **_about: Unpack[_About]
    ) -> _image:
        """Draw the edges of pictures, white on black, for a ControlNet of that kind."""
    def CaseConverter(
        self,
        string: str | GraphSource[STRING] = "",
        mode: _UPPERCASE_or_3_more | GraphSource[COMBO] = "UPPERCASE",
        **_about: Unpack[_About]
    ) -> _string:
        """Write a text in capital or small letters."""
    def CheckpointLoader(
        self,
        config_name: str | GraphSource[COMBO] = "anything_v3.yaml",
        *,
        ckpt_name: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _model_clip_vae:
        """Open a checkpoint, and take two things from a configuration: whether it was trained for v, and its clip skip."""
    def CheckpointLoaderSimple(
        self,
        ckpt_name: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _model_clip_vae:
        """Open a checkpoint: the diffusion model, its text encoders and its VAE."""
    def CheckpointSave(
        self,
        model: GraphSource[MODEL],
        clip: GraphSource[CLIP],
        vae: GraphSource[VAE],
        filename_prefix: str | GraphSource[STRING] = "checkpoints/ComfyUI",
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write a checkpoint, with all LoRAs and merges multiplied out, and with the workflow that made it."""
    def ColorToRGBInt(
        self,
        color: Any = ...,
        **_about: Unpack[_About]
    ) -> _rgb_int_hex_alpha:
        """A colour as a number, as text, and how opaque it is."""
    def ColorTransfer(
        self,
        image_target: GraphSource[IMAGE],
        image_ref: GraphSource[IMAGE],
        method: _reinhard_lab_or_2_more | GraphSource[COMBO] = "reinhard_lab",
        source_stats: _per_frame_or_2_more | Mapping[str, Any] | GraphSource[COMFY_DYNAMICCOMBO_V3] = "per_frame",
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_more: Any
    ) -> _image:
        """Give pictures the colours of others."""
    def CombineHooks2(
        self,
        hooks_A: GraphSource[HOOKS] | None = None,
        hooks_B: GraphSource[HOOKS] | None = None,
        **_about: Unpack[_About]
    ) -> _hooks:
        """Several hooks as one; what stands in more than one of them counts once."""
    def CombineHooks4(
        self,
        hooks_A: GraphSource[HOOKS] | None = None,
        hooks_B: GraphSource[HOOKS] | None = None,
        hooks_C: GraphSource[HOOKS] | None = None,
        hooks_D: GraphSource[HOOKS] | None = None,
        **_about: Unpack[_About]
    ) -> _hooks:
        """Several hooks as one; what stands in more than one of them counts once."""
    def CombineHooks8(
        self,
        hooks_A: GraphSource[HOOKS] | None = None,
        hooks_B: GraphSource[HOOKS] | None = None,
        hooks_C: GraphSource[HOOKS] | None = None,
        hooks_D: GraphSource[HOOKS] | None = None,
        hooks_E: GraphSource[HOOKS] | None = None,
        hooks_F: GraphSource[HOOKS] | None = None,
        hooks_G: GraphSource[HOOKS] | None = None,
        hooks_H: GraphSource[HOOKS] | None = None,
        **_about: Unpack[_About]
    ) -> _hooks:
        """Several hooks as one; what stands in more than one of them counts once."""
    def ComfyMathExpression(
        self,
        expression: str | GraphSource[STRING] = "a + b",
        *,
        values: Sequence[float | int | bool | GraphSource[FLOAT] | GraphSource[INT] | GraphSource[BOOLEAN]] | Mapping[str, float | int | bool | GraphSource[FLOAT] | GraphSource[INT] | GraphSource[BOOLEAN]],
        **_more: Any
    ) -> _float_int_bool:
        """Compute with numbers, as Python does."""
    def ComfyNumberConvert(
        self,
        value: int | float | str | bool | GraphSource[INT] | GraphSource[FLOAT] | GraphSource[STRING] | GraphSource[BOOLEAN],
        **_about: Unpack[_About]
    ) -> _float_int:
        """Make a number of a text, or of true and false; whole numbers are cut, not rounded."""
    def ComfySwitchNode(
        self,
        switch: bool | GraphSource[BOOLEAN] = False,
        on_false: Any = None,
        on_true: Any = None,
        **_about: Unpack[_About]
    ) -> _output:
        """One of two values; what the other would come from does not run."""
    def ConditioningAverage(
        self,
        conditioning_to: GraphSource[CONDITIONING],
        conditioning_from: GraphSource[CONDITIONING],
        conditioning_to_strength: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Mix two prompts into one, token by token."""
    def ConditioningCombine(
        self,
        conditioning_1: GraphSource[CONDITIONING],
        conditioning_2: GraphSource[CONDITIONING],
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Steer by several prompts at once: each is predicted on its own, and the predictions are averaged."""
    def ConditioningConcat(
        self,
        conditioning_to: GraphSource[CONDITIONING],
        conditioning_from: GraphSource[CONDITIONING],
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Put the tokens of one prompt behind those of another, as if both had been one long prompt."""
    def ConditioningSetArea(
        self,
        conditioning: GraphSource[CONDITIONING],
        width: Annotated[int, "64 to 16384"] | GraphSource[INT] = 64,
        height: Annotated[int, "64 to 16384"] | GraphSource[INT] = 64,
        x: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        y: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Let a prompt act in a box of the picture only; at sides inside the picture it fades in."""
    def ConditioningSetAreaPercentage(
        self,
        conditioning: GraphSource[CONDITIONING],
        width: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        height: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        x: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        y: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Let a prompt act in a box of the picture only, given in shares of the picture's size."""
    def ConditioningSetAreaPercentageVideo(
        self,
        conditioning: GraphSource[CONDITIONING],
        width: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        height: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        temporal: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        x: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        y: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        z: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Let a prompt act in a box of a video only, given in shares of its sides and of its length."""
    def ConditioningSetAreaStrength(
        self,
        conditioning: GraphSource[CONDITIONING],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Set how much a prompt counts beside others; its area, if it has one, stays."""
    def ConditioningSetDefaultCombine(
        self,
        cond: GraphSource[CONDITIONING],
        cond_DEFAULT: GraphSource[CONDITIONING],
        hooks: GraphSource[HOOKS] | None = None,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Put prompts beside others, to act where the masks and areas of these leave room."""
    def ConditioningSetMask(
        self,
        conditioning: GraphSource[CONDITIONING],
        mask: GraphSource[MASK],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        set_cond_area: _default_or_1_more_2 | GraphSource[COMBO] = "default",
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Let a prompt act where a mask is, as much as the mask says."""
    def ConditioningSetProperties(
        self,
        cond_NEW: GraphSource[CONDITIONING],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        set_cond_area: _default_or_1_more_2 | GraphSource[COMBO] = "default",
        mask: GraphSource[MASK] | None = None,
        hooks: GraphSource[HOOKS] | None = None,
        timesteps: GraphSource[TIMESTEPS_RANGE] | None = None,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Say where, when and with which hooks prompts act."""
    def ConditioningSetPropertiesAndCombine(
        self,
        cond: GraphSource[CONDITIONING],
        cond_NEW: GraphSource[CONDITIONING],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        set_cond_area: _default_or_1_more_2 | GraphSource[COMBO] = "default",
        mask: GraphSource[MASK] | None = None,
        hooks: GraphSource[HOOKS] | None = None,
        timesteps: GraphSource[TIMESTEPS_RANGE] | None = None,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Say where, when and with which hooks prompts act, and put them beside others."""
    def ConditioningSetTimestepRange(
        self,
        conditioning: GraphSource[CONDITIONING],
        start: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        end: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Let a prompt act in a part of the run only."""
    def ConditioningStableAudio(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        seconds_start: Annotated[float, "0.0 to 1000.0"] | GraphSource[FLOAT] = 0.0,
        seconds_total: Annotated[float, "0.0 to 1000.0"] | GraphSource[FLOAT] = 47.0,
        **_about: Unpack[_About]
    ) -> _positive_negative:
        """Tell Stable Audio which part of how long a piece it makes."""
    def ConditioningTimestepsRange(
        self,
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _timesteps_range_before_range_after_range:
        """A stretch of the run, and what lies before and after it."""
    def ConditioningZeroOut(
        self,
        conditioning: GraphSource[CONDITIONING],
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Replace a prompt by zeros, which says less than an empty prompt does."""
    def ContextWindowsManual(
        self,
        model: GraphSource[MODEL],
        context_length: int | GraphSource[INT] = 16,
        context_overlap: int | GraphSource[INT] = 4,
        context_schedule: _standard_static_or_3_more | GraphSource[COMBO] = "standard_static",
        context_stride: int | GraphSource[INT] = 1,
        closed_loop: bool | GraphSource[BOOLEAN] = False,
        fuse_method: _pyramid_or_3_more | GraphSource[COMBO] = "pyramid",
        dim: Annotated[int, "0 to 5"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _model:
        """Sample long runs of latents in windows that overlap. Along the batch that changes nothing: the networks here look at each item by itself; along another axis more than one window is an error."""
    def ControlNetApply(
        self,
        conditioning: GraphSource[CONDITIONING],
        control_net: GraphSource[CONTROL_NET],
        image: GraphSource[IMAGE],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Steer with a picture, on the positive and the negative side alike."""
    def ControlNetApplyAdvanced(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        control_net: GraphSource[CONTROL_NET],
        image: GraphSource[IMAGE],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        vae: GraphSource[VAE] | None = None,
        **_about: Unpack[_About]
    ) -> _positive_negative:
        """Steer with a picture through a part of the sampling."""
    def ControlNetApplySD3(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        control_net: GraphSource[CONTROL_NET],
        vae: GraphSource[VAE],
        image: GraphSource[IMAGE],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _positive_negative:
        """Steer with a picture through a part of the sampling; the same as Apply ControlNet."""
    def ControlNetInpaintingAliMamaApply(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        control_net: GraphSource[CONTROL_NET],
        vae: GraphSource[VAE],
        image: GraphSource[IMAGE],
        mask: GraphSource[MASK],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _positive_negative:
        """Steer with a picture of which a part is painted anew, for ControlNets that read a mask: those of other families."""
    def ControlNetLoader(
        self,
        control_net_name: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _control_net:
        """Open a ControlNet."""
    def ConvertArrayToString(
        self,
        array: GraphSource[ARRAY],
        indent: Annotated[int, "0 to 8"] | GraphSource[INT] = 2,
        **_about: Unpack[_About]
    ) -> _string:
        """Write a row of values as JSON."""
    def ConvertDictionaryToString(
        self,
        dictionary: GraphSource[DICT],
        indent: Annotated[int, "0 to 8"] | GraphSource[INT] = 2,
        **_about: Unpack[_About]
    ) -> _string:
        """Write named values as JSON."""
    def CreateBoundingBoxes(
        self,
        width: Annotated[int, "64 to 16384"] | GraphSource[INT] = 1024,
        height: Annotated[int, "64 to 16384"] | GraphSource[INT] = 1024,
        editor_state: Any = ...,
        background: GraphSource[IMAGE] | None = None,
        bboxes: str | GraphSource[BOUNDING_BOX] | GraphSource[ARRAY] | GraphSource[STRING] | None = None,
        last_incoming: Any = ...,
        **_about: Unpack[_About]
    ) -> _preview_bboxes_elements:
        """Boxes drawn in the editor, as a picture, as boxes, and as elements of a prompt with what is said of each."""
    def CreateHookKeyframe(
        self,
        strength_mult: Annotated[float, "-20.0 to 20.0"] | GraphSource[FLOAT] = 1.0,
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        prev_hook_kf: GraphSource[HOOK_KEYFRAMES] | None = None,
        **_about: Unpack[_About]
    ) -> _hook_kf:
        """A point from which on a hook is as strong as this says; it lasts one step at least."""
    def CreateHookKeyframesFromFloats(
        self,
        floats_strength: GraphSource[FLOATS],
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        print_keyframes: bool | GraphSource[BOOLEAN] = False,
        prev_hook_kf: GraphSource[HOOK_KEYFRAMES] | None = None,
        **_about: Unpack[_About]
    ) -> _hook_kf:
        """Keyframes of given factors, evenly spread over a stretch of the run."""
    def CreateHookKeyframesInterpolated(
        self,
        strength_start: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        strength_end: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        interpolation: _linear_or_3_more | GraphSource[COMBO] = "linear",
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        keyframes_count: Annotated[int, "2 to 100"] | GraphSource[INT] = 5,
        print_keyframes: bool | GraphSource[BOOLEAN] = False,
        prev_hook_kf: GraphSource[HOOK_KEYFRAMES] | None = None,
        **_about: Unpack[_About]
    ) -> _hook_kf:
        """Keyframes on the way from one strength to another."""
    def CreateHookLora(
        self,
        lora_name: str | GraphSource[COMBO],
        strength_model: Annotated[float, "-20.0 to 20.0"] | GraphSource[FLOAT] = 1.0,
        strength_clip: Annotated[float, "-20.0 to 20.0"] | GraphSource[FLOAT] = 1.0,
        prev_hooks: GraphSource[HOOKS] | None = None,
        **_about: Unpack[_About]
    ) -> _hooks:
        """A LoRA that prompts carry with them, instead of one that a model has throughout."""
    def CreateHookLoraModelOnly(
        self,
        lora_name: str | GraphSource[COMBO],
        strength_model: Annotated[float, "-20.0 to 20.0"] | GraphSource[FLOAT] = 1.0,
        prev_hooks: GraphSource[HOOKS] | None = None,
        **_about: Unpack[_About]
    ) -> _hooks:
        """A LoRA that prompts carry with them, for the diffusion model alone."""
    def CreateHookModelAsLora(
        self,
        ckpt_name: str | GraphSource[COMBO],
        strength_model: Annotated[float, "-20.0 to 20.0"] | GraphSource[FLOAT] = 1.0,
        strength_clip: Annotated[float, "-20.0 to 20.0"] | GraphSource[FLOAT] = 1.0,
        prev_hooks: GraphSource[HOOKS] | None = None,
        **_about: Unpack[_About]
    ) -> _hooks:
        """Another checkpoint as a LoRA: prompts carry with them what it has over the model that samples them."""
    def CreateHookModelAsLoraModelOnly(
        self,
        ckpt_name: str | GraphSource[COMBO],
        strength_model: Annotated[float, "-20.0 to 20.0"] | GraphSource[FLOAT] = 1.0,
        prev_hooks: GraphSource[HOOKS] | None = None,
        **_about: Unpack[_About]
    ) -> _hooks:
        """Another checkpoint as a LoRA, for the diffusion model alone."""
    def CreateList(
        self,
        inputs: Sequence[Any] | Mapping[str, Any],
        **_more: Any
    ) -> _list:
        """Put values, and those of lists, into one list; what takes it is called for each."""
    def CreateVideo(
        self,
        images: GraphSource[IMAGE],
        fps: Annotated[float, "1.0 to 120.0"] | GraphSource[FLOAT] = 30.0,
        audio: GraphSource[AUDIO] | None = None,
        **_more: Any
    ) -> _video:
        """Make a video of pictures and a sound, 8 bits a colour. Save Video writes it."""
    def CropMask(
        self,
        mask: GraphSource[MASK],
        x: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        y: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        width: Annotated[int, "1 to 16384"] | GraphSource[INT] = 512,
        height: Annotated[int, "1 to 16384"] | GraphSource[INT] = 512,
        **_about: Unpack[_About]
    ) -> _mask:
        """Cut a box out of a mask."""
    def CustomCombo(
        self,
        choice: Any,
        index: int | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _string_index:
        """One of the texts that the workflow lists, and its place among them."""
    def DiffControlNetLoader(
        self,
        model: GraphSource[MODEL],
        control_net_name: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _control_net:
        """Open a ControlNet that is stored as the difference to a diffusion model's weights."""
    def DifferentialDiffusion(
        self,
        model: GraphSource[MODEL],
        strength: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Let a grey noise mask say from which step on each pixel may change, not how much."""
    def DiffusersLoader(
        self,
        model_path: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _model_clip_vae:
        """Open a model in diffusers' form: a folder with a model_index.json, and unet, vae and text_encoder in it."""
    def DisableNoise(
        self,
        **_about: Unpack[_About]
    ) -> _noise:
        """No noise at the start, for a latent that is noisy already."""
    def DrawBBoxes(
        self,
        bboxes: GraphSource[BOUNDING_BOX],
        image: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> _out_image:
        """Show boxes on pictures, with their labels and scores."""
    def DualCFGGuider(
        self,
        model: GraphSource[MODEL],
        cond1: GraphSource[CONDITIONING],
        cond2: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        cfg_conds: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 8.0,
        cfg_cond2_negative: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 8.0,
        style: _regular_or_1_more | GraphSource[COMBO] = "regular",
        **_about: Unpack[_About]
    ) -> _guider:
        """Steer by two prompts at two scales: towards the second from the negative, towards the first from the second."""
    def DualCLIPLoader(
        self,
        clip_name1: str | GraphSource[COMBO],
        clip_name2: str | GraphSource[COMBO],
        type: _sdxl_or_5_more | GraphSource[COMBO] = "sdxl",
        device: _default_or_1_more | GraphSource[COMBO] = "default",
        **_about: Unpack[_About]
    ) -> _clip:
        """Open two text encoders from files of their own: CLIP L and bigG for SDXL, CLIP L and T5 for FLUX."""
    def DualCLIPLoaderGGUF(
        self,
        clip_name1: str | GraphSource[COMBO],
        clip_name2: str | GraphSource[COMBO],
        type: _sdxl_or_5_more | GraphSource[COMBO] = "sdxl",
        **_about: Unpack[_About]
    ) -> _clip:
        """Open two text encoders, each in a GGUF file or in any other."""
    def EasyCache(
        self,
        model: GraphSource[MODEL],
        reuse_threshold: Annotated[float, "0.0 to 3.0"] | GraphSource[FLOAT] = 0.2,
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.15,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.95,
        verbose: bool | GraphSource[BOOLEAN] = False,
        **_about: Unpack[_About]
    ) -> _model:
        """Leave the network out where its last output, carried on, is near enough: faster, and a little different."""
    def EditBasicPipe(
        self,
        basic_pipe: GraphSource[BASIC_PIPE],
        model: GraphSource[MODEL] | None = None,
        clip: GraphSource[CLIP] | None = None,
        vae: GraphSource[VAE] | None = None,
        positive: GraphSource[CONDITIONING] | None = None,
        negative: GraphSource[CONDITIONING] | None = None,
        **_about: Unpack[_About]
    ) -> _basic_pipe:
        """A pipe with other things in the place of some."""
    def EmptyAudio(
        self,
        duration: Annotated[float, "0.0 to 18446744073709551615"] | GraphSource[FLOAT] = 60.0,
        sample_rate: int | GraphSource[INT] = 44100,
        channels: Annotated[int, "1 to 2"] | GraphSource[INT] = 2,
        **_about: Unpack[_About]
    ) -> _audio:
        """Silence."""
    def EmptyChromaRadianceLatentImage(
        self,
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 1024,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 1024,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Empty latents that are the pixels themselves: for Chroma Radiance."""
    def EmptyCosmosLatentVideo(
        self,
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 1280,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 704,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 121,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Empty latents of a video, 16 channels, eight frames an element: for Cosmos."""
    def EmptyFlux2LatentImage(
        self,
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 1024,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 1024,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Empty latents of 128 channels, each element of 16 pixels: for FLUX.2."""
    def EmptyHunyuanImageLatent(
        self,
        width: Annotated[int, "64 to 16384"] | GraphSource[INT] = 2048,
        height: Annotated[int, "64 to 16384"] | GraphSource[INT] = 2048,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Empty latents of 64 channels, each element of 32 pixels: for HunyuanImage 2.1."""
    def EmptyHunyuanLatentVideo(
        self,
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 848,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 480,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 25,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Empty latents of a video, 16 channels, four frames an element: for HunyuanVideo and Wan 2.1."""
    def EmptyHunyuanVideo15Latent(
        self,
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 848,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 480,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 25,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Empty latents of a video, 32 channels, four frames and 16 pixels an element: for HunyuanVideo 1.5."""
    def EmptyImage(
        self,
        width: Annotated[int, "1 to 16384"] | GraphSource[INT] = 512,
        height: Annotated[int, "1 to 16384"] | GraphSource[INT] = 512,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        color: Annotated[int, "0 to 16777215"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _image:
        """Pictures of one colour."""
    def EmptyLTXVLatentVideo(
        self,
        width: Annotated[int, "64 to 16384"] | GraphSource[INT] = 768,
        height: Annotated[int, "64 to 16384"] | GraphSource[INT] = 512,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 97,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Empty latents of a video, 128 channels, eight frames and 32 pixels an element: for LTX-Video."""
    def EmptyLatentImage(
        self,
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 512,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 512,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """A batch of empty latents, to be filled by sampling."""
    def EmptyMochiLatentVideo(
        self,
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 848,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 480,
        length: Annotated[int, "7 to 16384"] | GraphSource[INT] = 25,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Empty latents of a video, 12 channels, six frames an element: for Mochi."""
    def EmptyQwenImageLayeredLatentImage(
        self,
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 640,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 640,
        layers: Annotated[int, "0 to 16384"] | GraphSource[INT] = 3,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Empty latents for Qwen-Image Layered: one for the whole picture and one for each of its layers."""
    def EmptySD3LatentImage(
        self,
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 1024,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 1024,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Empty latents of 16 channels: for Stable Diffusion 3, FLUX, Qwen-Image, Z-Image and others."""
    def ExponentialScheduler(
        self,
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        sigma_max: Annotated[float, "0.0 to 5000.0"] | GraphSource[FLOAT] = 14.614642,
        sigma_min: Annotated[float, "0.0 to 5000.0"] | GraphSource[FLOAT] = 0.0291675,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """Every noise level is the same share of the one before."""
    def ExtendIntermediateSigmas(
        self,
        sigmas: GraphSource[SIGMAS],
        steps: Annotated[int, "1 to 100"] | GraphSource[INT] = 2,
        start_at_sigma: Annotated[float, "-1.0 to 20000.0"] | GraphSource[FLOAT] = -1.0,
        end_at_sigma: Annotated[float, "0.0 to 20000.0"] | GraphSource[FLOAT] = 12.0,
        spacing: _linear_or_2_more | GraphSource[COMBO] = "linear",
        **_about: Unpack[_About]
    ) -> _sigmas:
        """Divide the steps of a part of a schedule into more steps."""
    def FeatherMask(
        self,
        mask: GraphSource[MASK],
        left: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        top: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        right: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        bottom: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _mask:
        """Let a mask fade out towards its sides."""
    def FlipSigmas(
        self,
        sigmas: GraphSource[SIGMAS],
        **_about: Unpack[_About]
    ) -> _sigmas:
        """Turn a schedule round, to sample from a picture to its noise. A first level of 0 becomes 0.0001."""
    def Float(
        self,
        Number: str | GraphSource[STRING] = "0",
        **_about: Unpack[_About]
    ) -> _float:
        """A number, typed as text."""
    def FloatConstant(
        self,
        value: Annotated[float, "-9223372036854775807 to 9223372036854775807"] | GraphSource[FLOAT] = 0.0,
        **_about: Unpack[_About]
    ) -> _value:
        """A number."""
    def Flux2Scheduler(
        self,
        steps: Annotated[int, "1 to 4096"] | GraphSource[INT] = 20,
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 1024,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 1024,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """The schedule of FLUX.2: shifted towards noise by the size of the picture and the number of steps."""
    def Flux3LayoutPrompt(
        self,
        prompt: str | GraphSource[STRING] = "",
        *,
        element: GraphSource[ARRAY],
        **_about: Unpack[_About]
    ) -> _prompt_2:
        """A prompt with boxes as FLUX.3 reads them: it names the first as <obj_1>, and what is there stands behind it."""
    def FluxDisableGuidance(
        self,
        conditioning: GraphSource[CONDITIONING],
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Tell FLUX and its like no guidance at all, for fine-tunes that were trained without."""
    def FluxGuidance(
        self,
        conditioning: GraphSource[CONDITIONING],
        guidance: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 3.5,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Say how strongly FLUX and its like follow the prompt: it stands in the place of the sampler's cfg."""
    def FluxKVCache(
        self,
        model: GraphSource[MODEL],
        **_about: Unpack[_About]
    ) -> _model:
        """Have FLUX.2 klein KV read its reference pictures once a run, not once a step: for models that are trained so."""
    def FluxKontextImageScale(
        self,
        image: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _image:
        """Bring pictures to the size that FLUX Kontext was trained at whose proportions are nearest, cut at the middle."""
    def FluxKontextMultiReferenceLatentMethod(
        self,
        conditioning: GraphSource[CONDITIONING],
        reference_latents_method: _offset_or_3_more | GraphSource[COMBO] = "offset",
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Say where the model imagines several reference pictures."""
    def FreSca(
        self,
        model: GraphSource[MODEL],
        scale_low: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        scale_high: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.25,
        freq_cutoff: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        **_about: Unpack[_About]
    ) -> _model:
        """Scale what guidance adds by frequency: its coarse forms and its fine ones each by a factor of their own."""
    def FreeU(
        self,
        model: GraphSource[MODEL],
        b1: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.1,
        b2: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.2,
        s1: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 0.9,
        s2: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 0.2,
        **_about: Unpack[_About]
    ) -> _model:
        """Weigh the decoder's own features more and the low frequencies of its shortcuts less."""
    def FreeU_V2(
        self,
        model: GraphSource[MODEL],
        b1: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.3,
        b2: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.4,
        s1: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 0.9,
        s2: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 0.2,
        **_about: Unpack[_About]
    ) -> _model:
        """FreeU whose factors follow the features: strong where they are strong."""
    def FromBasicPipe(
        self,
        basic_pipe: GraphSource[BASIC_PIPE],
        **_about: Unpack[_About]
    ) -> _model_clip_vae_positive_and_1_more:
        """Take out of a pipe what was put into it."""
    def FromBasicPipe_v2(
        self,
        basic_pipe: GraphSource[BASIC_PIPE],
        **_about: Unpack[_About]
    ) -> _basic_pipe_model_clip_vae_and_2_more:
        """Take out of a pipe what was put into it, and pass it on."""
    def GITSScheduler(
        self,
        coeff: Annotated[float, "0.8 to 1.5"] | GraphSource[FLOAT] = 1.2,
        steps: Annotated[int, "2 to 1000"] | GraphSource[INT] = 10,
        denoise: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """The schedules that were optimised for Stable Diffusion 1.5 by the shape of its sampling paths."""
    def GLIGENLoader(
        self,
        gligen_name: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _gligen:
        """Open a GLIGEN model, which has a UNet draw what boxes say."""
    def GLIGENTextBoxApply(
        self,
        conditioning_to: GraphSource[CONDITIONING],
        clip: GraphSource[CLIP],
        gligen_textbox_model: GraphSource[GLIGEN],
        text: str | GraphSource[STRING] = "",
        width: Annotated[int, "8 to 16384"] | GraphSource[INT] = 64,
        height: Annotated[int, "8 to 16384"] | GraphSource[INT] = 64,
        x: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        y: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Say what stands in a box of the picture; several in a row say several."""
    def GenerateTracks(
        self,
        width: Annotated[int, "16 to 4096"] | GraphSource[INT] = 832,
        height: Annotated[int, "16 to 4096"] | GraphSource[INT] = 480,
        start_x: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        start_y: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        end_x: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        end_y: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        num_frames: Annotated[int, "1 to 1024"] | GraphSource[INT] = 81,
        num_tracks: Annotated[int, "1 to 100"] | GraphSource[INT] = 5,
        track_spread: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.025,
        bezier: bool | GraphSource[BOOLEAN] = False,
        mid_x: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.5,
        mid_y: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.5,
        interpolation: _linear_or_4_more | GraphSource[COMBO] = "linear",
        track_mask: GraphSource[MASK] | None = None,
        **_about: Unpack[_About]
    ) -> _tracks_track_length:
        """Make tracks beside each other from one point of a video to another."""
    def GetImageSize(
        self,
        image: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _width_height_batch_size:
        """The size of pictures and how many they are; both are shown, too."""
    def GetImageSizeAndCount(
        self,
        image: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _image_width_height_count:
        """Pass pictures on, with their size and how many they are."""
    def GetItemFromList(
        self,
        list: Any,
        index: Annotated[int, "-2147483648 to 2147483647"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _output:
        """One value of a list."""
    def GetVideoComponents(
        self,
        video: GraphSource[VIDEO],
        **_about: Unpack[_About]
    ) -> _images_audio_fps:
        """The pictures of a video, its sound, and how many pictures a second it has."""
    def GrowMask(
        self,
        mask: GraphSource[MASK],
        expand: Annotated[int, "-16384 to 16384"] | GraphSource[INT] = 0,
        tapered_corners: bool | GraphSource[BOOLEAN] = True,
        **_about: Unpack[_About]
    ) -> _mask:
        """Make what is masked larger or smaller."""
    def HyperTile(
        self,
        model: GraphSource[MODEL],
        tile_size: Annotated[int, "1 to 2048"] | GraphSource[INT] = 256,
        swap_size: Annotated[int, "1 to 128"] | GraphSource[INT] = 2,
        max_depth: Annotated[int, "0 to 10"] | GraphSource[INT] = 0,
        scale_depth: bool | GraphSource[BOOLEAN] = False,
        **_about: Unpack[_About]
    ) -> _model:
        """Let self attention see a tile of the picture at a time: faster at large sizes, and a little different."""
    def HypernetworkLoader(
        self,
        model: GraphSource[MODEL],
        hypernetwork_name: str | GraphSource[COMBO],
        strength: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Put a hypernetwork before a model's attention. The model given stays as it is."""
    def INTConstant(
        self,
        value: Annotated[int, "-9223372036854775807 to 9223372036854775807"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _value_2:
        """A whole number."""
    def ImageAddNoise(
        self,
        image: GraphSource[IMAGE],
        seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        strength: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.5,
        **_about: Unpack[_About]
    ) -> _image:
        """Add noise to pictures."""
    def ImageBatch(
        self,
        image1: GraphSource[IMAGE],
        image2: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _image:
        """Put two batches of pictures into one."""
    def ImageBlend(
        self,
        image1: GraphSource[IMAGE],
        image2: GraphSource[IMAGE],
        blend_factor: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.5,
        blend_mode: _normal_or_5_more | GraphSource[COMBO] = "normal",
        **_about: Unpack[_About]
    ) -> _image:
        """Mix a picture with a blend of it and another."""
    def ImageBlur(
        self,
        image: GraphSource[IMAGE],
        blur_radius: Annotated[int, "1 to 31"] | GraphSource[INT] = 1,
        sigma: Annotated[float, "0.1 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _image:
        """Blur pictures."""
    def ImageColorToMask(
        self,
        image: GraphSource[IMAGE],
        color: Annotated[int, "0 to 16777215"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _mask:
        """Mask what has one colour."""
    def ImageCompare(
        self,
        image_a: GraphSource[IMAGE] | None = None,
        image_b: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write two batches of pictures to the folder for temporary files, to be looked at side by side."""
    def ImageCompositeMasked(
        self,
        destination: GraphSource[IMAGE],
        source: GraphSource[IMAGE],
        x: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        y: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        resize_source: bool | GraphSource[BOOLEAN] = False,
        mask: GraphSource[MASK] | None = None,
        **_about: Unpack[_About]
    ) -> _image:
        """Lay one picture over another through a mask."""
    def ImageCrop(
        self,
        image: GraphSource[IMAGE],
        width: Annotated[int, "1 to 16384"] | GraphSource[INT] = 512,
        height: Annotated[int, "1 to 16384"] | GraphSource[INT] = 512,
        x: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        y: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _image:
        """Cut a box out of pictures."""
    def ImageCropToMask(
        self,
        images: GraphSource[IMAGE],
        masks: GraphSource[MASK],
        width: Annotated[int, "64 to 4096"] | GraphSource[INT] = 1024,
        height: Annotated[int, "64 to 4096"] | GraphSource[INT] = 1024,
        pad_factor: Annotated[float, "1.0 to 2.0"] | GraphSource[FLOAT] = 1.0,
        grow_mask: Annotated[int, "-32 to 32"] | GraphSource[INT] = 0,
        background: Any = ...,
        **_about: Unpack[_About]
    ) -> _images:
        """Cut pictures to what a mask shows, in the middle of a picture of one size, on one colour."""
    def ImageCropV2(
        self,
        image: GraphSource[IMAGE],
        crop_region: Any = ...,
        **_about: Unpack[_About]
    ) -> _image:
        """Cut a box out of pictures."""
    def ImageFlip(
        self,
        image: GraphSource[IMAGE],
        flip_method: _x_axis_vertically_or_1_more | GraphSource[COMBO] = "x-axis: vertically",
        **_about: Unpack[_About]
    ) -> _image:
        """Mirror pictures."""
    def ImageFromBatch(
        self,
        image: GraphSource[IMAGE],
        batch_index: Annotated[int, "0 to 4095"] | GraphSource[INT] = 0,
        length: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _image:
        """Take some pictures out of a batch."""
    def ImageInvert(
        self,
        image: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _image:
        """The negative of pictures."""
    def ImageListToImageBatch(
        self,
        images: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _image:
        """A list of pictures as one batch."""
    def ImageOnlyCheckpointLoader(
        self,
        ckpt_name: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _model_clip_vision_vae:
        """Open a checkpoint that reads pictures in the place of prompts, with its vision model."""
    def ImageOnlyCheckpointSave(
        self,
        model: GraphSource[MODEL],
        clip_vision: GraphSource[CLIP_VISION],
        vae: GraphSource[VAE],
        filename_prefix: str | GraphSource[STRING] = "checkpoints/ComfyUI",
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write a checkpoint whose model reads pictures in the place of prompts, with its vision model."""
    def ImagePadForOutpaint(
        self,
        image: GraphSource[IMAGE],
        left: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        top: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        right: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        bottom: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        feathering: Annotated[int, "0 to 16384"] | GraphSource[INT] = 40,
        **_about: Unpack[_About]
    ) -> _image_mask:
        """Enlarge the canvas of pictures; the mask says what is new."""
    def ImageQuantize(
        self,
        image: GraphSource[IMAGE],
        colors: Annotated[int, "1 to 256"] | GraphSource[INT] = 256,
        dither: _none_or_5_more | GraphSource[COMBO] = "none",
        **_about: Unpack[_About]
    ) -> _image:
        """Draw pictures with few colours, each picture with its own."""
    def ImageRGBToYUV(
        self,
        image: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _y_u_v:
        """Take pictures apart into brightness and two differences of colours, each as a grey picture."""
    def ImageResizeKJv2(
        self,
        image: GraphSource[IMAGE],
        width: Annotated[int, "0 to 16384"] | GraphSource[INT] = 512,
        height: Annotated[int, "0 to 16384"] | GraphSource[INT] = 512,
        upscale_method: _nearest_exact_or_4_more | GraphSource[COMBO] = "nearest-exact",
        keep_proportion: _stretch_or_7_more | GraphSource[COMBO] = "stretch",
        pad_color: str | GraphSource[STRING] = "0, 0, 0",
        crop_position: _center_or_4_more | GraphSource[COMBO] = "center",
        divisible_by: Annotated[int, "0 to 512"] | GraphSource[INT] = 2,
        mask: GraphSource[MASK] | None = None,
        device: _cpu_or_1_more | GraphSource[COMBO] = "cpu",
        **_about: Unpack[_About]
    ) -> _image_width_height_mask:
        """Resize pictures, and a mask with them."""
    def ImageRotate(
        self,
        image: GraphSource[IMAGE],
        rotation: _none_or_3_more_2 | GraphSource[COMBO] = "none",
        **_about: Unpack[_About]
    ) -> _image:
        """Turn pictures."""
    def ImageScale(
        self,
        image: GraphSource[IMAGE],
        upscale_method: _nearest_exact_or_4_more | GraphSource[COMBO] = "nearest-exact",
        width: Annotated[int, "0 to 16384"] | GraphSource[INT] = 512,
        height: Annotated[int, "0 to 16384"] | GraphSource[INT] = 512,
        crop: _disabled_or_1_more | GraphSource[COMBO] = "disabled",
        **_about: Unpack[_About]
    ) -> _image:
        """Resize pictures."""
    def ImageScaleBy(
        self,
        image: GraphSource[IMAGE],
        upscale_method: _nearest_exact_or_4_more | GraphSource[COMBO] = "nearest-exact",
        scale_by: Annotated[float, "0.01 to 8.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _image:
        """Resize pictures by a factor."""
    def ImageScaleToMaxDimension(
        self,
        image: GraphSource[IMAGE],
        upscale_method: _area_or_4_more | GraphSource[COMBO] = "area",
        largest_size: Annotated[int, "0 to 16384"] | GraphSource[INT] = 512,
        **_about: Unpack[_About]
    ) -> _image:
        """Resize pictures so that the longer side has a length, keeping their proportions."""
    def ImageScaleToTotalPixels(
        self,
        image: GraphSource[IMAGE],
        upscale_method: _nearest_exact_or_4_more | GraphSource[COMBO] = "nearest-exact",
        megapixels: Annotated[float, "0.01 to 16.0"] | GraphSource[FLOAT] = 1.0,
        resolution_steps: Annotated[int, "1 to 256"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _image:
        """Resize pictures to a number of pixels, keeping their proportions."""
    def ImageSharpen(
        self,
        image: GraphSource[IMAGE],
        sharpen_radius: Annotated[int, "1 to 31"] | GraphSource[INT] = 1,
        sigma: Annotated[float, "0.1 to 10.0"] | GraphSource[FLOAT] = 1.0,
        alpha: Annotated[float, "0.0 to 5.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _image:
        """Sharpen pictures by what a blur would take from them."""
    def ImageStitch(
        self,
        image1: GraphSource[IMAGE],
        direction: _right_or_3_more | GraphSource[COMBO] = "right",
        match_image_size: bool | GraphSource[BOOLEAN] = True,
        spacing_width: Annotated[int, "0 to 1024"] | GraphSource[INT] = 0,
        spacing_color: _white_or_4_more | GraphSource[COMBO] = "white",
        image2: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> _image:
        """Put a picture beside another."""
    def ImageToMask(
        self,
        image: GraphSource[IMAGE],
        channel: _red_or_3_more | GraphSource[COMBO] = "red",
        **_about: Unpack[_About]
    ) -> _mask:
        """Turn one channel of pictures into masks."""
    def ImageUpscaleWithModel(
        self,
        upscale_model: GraphSource[UPSCALE_MODEL],
        image: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _image:
        """Enlarge pictures by the factor that the network was made for, usually 4, in tiles of 512 pixels."""
    def ImageYUVToRGB(
        self,
        Y: GraphSource[IMAGE],
        U: GraphSource[IMAGE],
        V: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _image:
        """Put pictures together from brightness and two differences of colours."""
    def ImpactCompare(
        self,
        cmp: _a_b_or_7_more | GraphSource[COMBO] = "a = b",
        *,
        a: Any,
        b: Any,
        **_about: Unpack[_About]
    ) -> _boolean:
        """Whether two values compare so."""
    def ImpactExecutionOrderController(
        self,
        signal: Any,
        value: Any,
        **_about: Unpack[_About]
    ) -> _signal_value:
        """Pass two values on, once both are there."""
    def ImpactImageInfo(
        self,
        value: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _batch_height_width_channel:
        """The shape of pictures."""
    def ImpactKSamplerBasicPipe(
        self,
        basic_pipe: GraphSource[BASIC_PIPE],
        seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 8.0,
        sampler_name: _euler_or_43_more | GraphSource[COMBO] = "euler",
        scheduler: _simple_or_8_more | GraphSource[COMBO] = "simple",
        *,
        latent_image: GraphSource[LATENT],
        denoise: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _basic_pipe_latent_vae:
        """Sample with the model and the prompts of a pipe."""
    def ImpactMakeImageBatch(
        self,
        image1: GraphSource[IMAGE],
        image2: GraphSource[IMAGE] | None = None,
        **_more: Any
    ) -> _image:
        """Batches of pictures as one. More of them may be linked: image3, image4, ..."""
    def ImpactSwitch(
        self,
        select: Annotated[int, "1 to 999999"] | GraphSource[INT] = 1,
        sel_mode: bool | GraphSource[BOOLEAN] = False,
        input1: Any = None,
        input2: Any = None,
        input3: Any = None,
        input4: Any = None,
        input5: Any = None,
        input6: Any = None,
        input7: Any = None,
        input8: Any = None,
        input9: Any = None,
        input10: Any = None,
        **_more: Any
    ) -> _selected_value_selected_label_selected_index:
        """One of several values, by its number."""
    def InpaintModelConditioning(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        vae: GraphSource[VAE],
        pixels: GraphSource[IMAGE],
        mask: GraphSource[MASK],
        noise_mask: bool | GraphSource[BOOLEAN] = True,
        **_about: Unpack[_About]
    ) -> _positive_negative_latent:
        """Show an inpainting model the picture and the mask. Other models take the latent and leave these out."""
    def InstructPixToPixConditioning(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        vae: GraphSource[VAE],
        pixels: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _positive_negative_latent:
        """Show a picture to a model that edits by instruction; the prompt says what to change."""
    def Int(
        self,
        Number: str | GraphSource[STRING] = "0",
        **_about: Unpack[_About]
    ) -> _int:
        """A whole number, typed as text."""
    def InvertMask(
        self,
        mask: GraphSource[MASK],
        **_about: Unpack[_About]
    ) -> _mask:
        """Mask what was not masked."""
    def JWFloat(
        self,
        value: Annotated[float, "-9223372036854775807 to 9223372036854775807"] | GraphSource[FLOAT] = 0.0,
        **_about: Unpack[_About]
    ) -> _float:
        """A number."""
    def JWInteger(
        self,
        value: Annotated[int, "-9223372036854775807 to 9223372036854775807"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _int:
        """A whole number."""
    def JWString(
        self,
        text: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string:
        """A line of text."""
    def JWStringMultiline(
        self,
        text: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string:
        """A text of several lines."""
    def JoinImageWithAlpha(
        self,
        image: GraphSource[IMAGE],
        alpha: GraphSource[MASK],
        **_about: Unpack[_About]
    ) -> _image:
        """Make pictures transparent where a mask is."""
    def JoinStringMulti(
        self,
        inputcount: Annotated[int, "2 to 1000"] | GraphSource[INT] = 2,
        *,
        string_1: GraphSource[STRING],
        string_2: GraphSource[STRING] | None = None,
        delimiter: str | GraphSource[STRING] = " ",
        return_list: bool | GraphSource[BOOLEAN] = False,
        **_more: Any
    ) -> _string:
        """Put texts together. More of them may be linked: string_3, string_4, ..."""
    def JoinStrings(
        self,
        delimiter: str | GraphSource[STRING] = " ",
        string1: GraphSource[STRING] | None = None,
        string2: GraphSource[STRING] | None = None,
        **_about: Unpack[_About]
    ) -> _string:
        """Put two texts together."""
    def JsonExtractString(
        self,
        json_string: str | GraphSource[STRING] = "",
        key: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string:
        """Take a value out of the first JSON object in a text, whatever stands around it; the empty text if there is none."""
    def KSampler(
        self,
        model: GraphSource[MODEL],
        seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 8.0,
        sampler_name: _euler_or_43_more | GraphSource[COMBO] = "euler",
        scheduler: _simple_or_8_more | GraphSource[COMBO] = "simple",
        *,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        latent_image: GraphSource[LATENT],
        denoise: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _latent:
        """Denoise a latent, steered towards the positive and away from the negative conditioning."""
    def KSamplerAdvanced(
        self,
        model: GraphSource[MODEL],
        add_noise: _enable_or_1_more | GraphSource[COMBO] = "enable",
        noise_seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 8.0,
        sampler_name: _euler_or_43_more | GraphSource[COMBO] = "euler",
        scheduler: _simple_or_8_more | GraphSource[COMBO] = "simple",
        *,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        latent_image: GraphSource[LATENT],
        start_at_step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 0,
        end_at_step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 10000,
        return_with_leftover_noise: _disable_or_1_more | GraphSource[COMBO] = "disable",
        **_about: Unpack[_About]
    ) -> _latent:
        """Run a stretch of a schedule, so that several samplers can share one: switch the prompt or the LoRA half-way."""
    def KSamplerPromptSchedule(
        self,
        model: GraphSource[MODEL],
        clip: GraphSource[CLIP],
        add_noise: _enable_or_1_more | GraphSource[COMBO] = "enable",
        noise_seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 8.0,
        sampler_name: _euler_or_43_more | GraphSource[COMBO] = "euler",
        scheduler: _simple_or_8_more | GraphSource[COMBO] = "simple",
        positive: str | GraphSource[STRING] = "",
        negative: str | GraphSource[STRING] = "",
        *,
        latent_image: GraphSource[LATENT],
        start_at_step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 0,
        end_at_step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 10000,
        return_with_leftover_noise: _disable_or_1_more | GraphSource[COMBO] = "disable",
        loras: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _latent:
        """Sample with prompts and LoRA strengths that change over the steps. `[cat:dog:0.5]` changes half-way, `[cat:dog:8]` at step 8 (steps count from 0), `[cat|dog]` every step; `[cat:0.3]` comes in, `[cat::0.7]` goes out. It becomes KSampler (Advanced) stages, and the run is sampled in continuous mode."""
    def KSamplerSelect(
        self,
        sampler_name: _euler_or_43_more | GraphSource[COMBO] = "euler",
        **_about: Unpack[_About]
    ) -> _sampler:
        """A sampler as KSampler has it."""
    def KarrasScheduler(
        self,
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        sigma_max: Annotated[float, "0.0 to 5000.0"] | GraphSource[FLOAT] = 14.614642,
        sigma_min: Annotated[float, "0.0 to 5000.0"] | GraphSource[FLOAT] = 0.0291675,
        rho: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 7.0,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """The schedule of Karras et al.: more of the steps at low noise."""
    def LTXVConditioning(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        frame_rate: Annotated[float, "0.0 to 1000.0"] | GraphSource[FLOAT] = 25.0,
        **_about: Unpack[_About]
    ) -> _positive_negative:
        """Tell LTX-Video how fast the video is played."""
    def LTXVPreprocess(
        self,
        image: GraphSource[IMAGE],
        img_compression: Annotated[int, "0 to 100"] | GraphSource[INT] = 35,
        **_about: Unpack[_About]
    ) -> _output_image:
        """Show pictures as frames of a compressed video, as the models of LTX-Video have seen theirs."""
    def LTXVScheduler(
        self,
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        max_shift: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 2.05,
        base_shift: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 0.95,
        stretch: bool | GraphSource[BOOLEAN] = True,
        terminal: Annotated[float, "0.0 to 0.99"] | GraphSource[FLOAT] = 0.1,
        latent: GraphSource[LATENT] | None = None,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """The schedule of LTX-Video: shifted towards noise by the size of the video."""
    def LaplaceScheduler(
        self,
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        sigma_max: Annotated[float, "0.0 to 5000.0"] | GraphSource[FLOAT] = 14.614642,
        sigma_min: Annotated[float, "0.0 to 5000.0"] | GraphSource[FLOAT] = 0.0291675,
        mu: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 0.0,
        beta: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 0.5,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """Log noise levels spread as a Laplace distribution: many steps near its middle. It ends at sigma_min, not at 0."""
    def LatentAdd(
        self,
        samples1: GraphSource[LATENT],
        samples2: GraphSource[LATENT],
        **_about: Unpack[_About]
    ) -> _latent:
        """Add latents element by element."""
    def LatentApplyOperation(
        self,
        samples: GraphSource[LATENT],
        operation: GraphSource[LATENT_OPERATION],
        **_about: Unpack[_About]
    ) -> _latent:
        """Apply an operation to latents."""
    def LatentApplyOperationCFG(
        self,
        model: GraphSource[MODEL],
        operation: GraphSource[LATENT_OPERATION],
        **_about: Unpack[_About]
    ) -> _model:
        """Apply an operation to what guidance adds, at every step: to the positive prediction less the negative one."""
    def LatentBatch(
        self,
        samples1: GraphSource[LATENT],
        samples2: GraphSource[LATENT],
        **_about: Unpack[_About]
    ) -> _latent:
        """Put two batches of latents into one; every item keeps its noise."""
    def LatentBatchSeedBehavior(
        self,
        samples: GraphSource[LATENT],
        seed_behavior: _random_or_1_more | GraphSource[COMBO] = "fixed",
        **_about: Unpack[_About]
    ) -> _latent:
        """Decide whether the latents of a batch get different noise or all the same."""
    def LatentBlend(
        self,
        samples1: GraphSource[LATENT],
        samples2: GraphSource[LATENT],
        blend_factor: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.5,
        **_about: Unpack[_About]
    ) -> _latent:
        """Mix two latents."""
    def LatentComposite(
        self,
        samples_to: GraphSource[LATENT],
        samples_from: GraphSource[LATENT],
        x: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        y: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        feather: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _latent:
        """Lay one latent over another."""
    def LatentCompositeMasked(
        self,
        destination: GraphSource[LATENT],
        source: GraphSource[LATENT],
        x: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        y: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        resize_source: bool | GraphSource[BOOLEAN] = False,
        mask: GraphSource[MASK] | None = None,
        **_about: Unpack[_About]
    ) -> _latent:
        """Lay one latent over another through a mask."""
    def LatentConcat(
        self,
        samples1: GraphSource[LATENT],
        samples2: GraphSource[LATENT],
        dim: _x_or_5_more | GraphSource[COMBO] = "x",
        **_about: Unpack[_About]
    ) -> _latent:
        """Put latents side by side along one axis."""
    def LatentCrop(
        self,
        samples: GraphSource[LATENT],
        width: Annotated[int, "64 to 16384"] | GraphSource[INT] = 512,
        height: Annotated[int, "64 to 16384"] | GraphSource[INT] = 512,
        x: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        y: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _latent:
        """Cut a box out of latents; a noise mask stays as it is."""
    def LatentCut(
        self,
        samples: GraphSource[LATENT],
        dim: _x_or_2_more | GraphSource[COMBO] = "x",
        index: Annotated[int, "-16384 to 16384"] | GraphSource[INT] = 0,
        amount: Annotated[int, "1 to 16384"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Take a stretch of latents along one axis; a noise mask stays as it is."""
    def LatentCutToBatch(
        self,
        samples: GraphSource[LATENT],
        dim: _t_or_2_more | GraphSource[COMBO] = "t",
        slice_size: Annotated[int, "1 to 16384"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Cut latents into slices along one axis and make a batch of these: the frames of a video, the layers of a picture."""
    def LatentFlip(
        self,
        samples: GraphSource[LATENT],
        flip_method: _x_axis_vertically_or_1_more | GraphSource[COMBO] = "x-axis: vertically",
        **_about: Unpack[_About]
    ) -> _latent:
        """Mirror latents; a noise mask stays as it is."""
    def LatentFromBatch(
        self,
        samples: GraphSource[LATENT],
        batch_index: Annotated[int, "0 to 63"] | GraphSource[INT] = 0,
        length: Annotated[int, "1 to 64"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Take some latents out of a batch; they get the same noise as they would within it."""
    def LatentInterpolate(
        self,
        samples1: GraphSource[LATENT],
        samples2: GraphSource[LATENT],
        ratio: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _latent:
        """Mix latents, direction and length of their vectors apart, so that the mix does not lose contrast."""
    def LatentMultiply(
        self,
        samples: GraphSource[LATENT],
        multiplier: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _latent:
        """Multiply latents by a number."""
    def LatentOperationSharpen(
        self,
        sharpen_radius: Annotated[int, "1 to 31"] | GraphSource[INT] = 9,
        sigma: Annotated[float, "0.1 to 10.0"] | GraphSource[FLOAT] = 1.0,
        alpha: Annotated[float, "0.0 to 5.0"] | GraphSource[FLOAT] = 0.1,
        **_about: Unpack[_About]
    ) -> _latent_operation:
        """Sharpen the directions of latents' vectors; their lengths stay."""
    def LatentOperationTonemapReinhard(
        self,
        multiplier: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _latent_operation:
        """Hold back the strongest elements of latents: Reinhard's tone mapping on the length of their vectors."""
    def LatentRotate(
        self,
        samples: GraphSource[LATENT],
        rotation: _none_or_3_more_2 | GraphSource[COMBO] = "none",
        **_about: Unpack[_About]
    ) -> _latent:
        """Turn latents clockwise; a noise mask stays as it is."""
    def LatentSubtract(
        self,
        samples1: GraphSource[LATENT],
        samples2: GraphSource[LATENT],
        **_about: Unpack[_About]
    ) -> _latent:
        """Subtract latents element by element."""
    def LatentUpscale(
        self,
        samples: GraphSource[LATENT],
        upscale_method: _nearest_exact_or_4_more_2 | GraphSource[COMBO] = "nearest-exact",
        width: Annotated[int, "0 to 16384"] | GraphSource[INT] = 512,
        height: Annotated[int, "0 to 16384"] | GraphSource[INT] = 512,
        crop: _disabled_or_1_more | GraphSource[COMBO] = "disabled",
        **_about: Unpack[_About]
    ) -> _latent:
        """Resize latents to a size in pixels."""
    def LatentUpscaleBy(
        self,
        samples: GraphSource[LATENT],
        upscale_method: _nearest_exact_or_4_more_2 | GraphSource[COMBO] = "nearest-exact",
        scale_by: Annotated[float, "0.01 to 8.0"] | GraphSource[FLOAT] = 1.5,
        **_about: Unpack[_About]
    ) -> _latent:
        """Resize latents by a factor."""
    def LazyCache(
        self,
        model: GraphSource[MODEL],
        reuse_threshold: Annotated[float, "0.0 to 3.0"] | GraphSource[FLOAT] = 0.2,
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.15,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.95,
        verbose: bool | GraphSource[BOOLEAN] = False,
        **_about: Unpack[_About]
    ) -> _model:
        """EasyCache by the latent and what is predicted of it, instead of what the network reads and gives."""
    def LoadAudio(
        self,
        audio: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _audio:
        """Read a sound, or the sound of a video, from the input folder."""
    def LoadImage(
        self,
        image: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _image_mask:
        """Read a picture from the input folder; its transparency becomes the mask."""
    def LoadImageDataSetFromFolder(
        self,
        folder: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _images:
        """Read all pictures of a folder in the input folder as a list, each in its own size, sorted by their names."""
    def LoadImageMask(
        self,
        image: str | GraphSource[COMBO],
        channel: _alpha_or_3_more | GraphSource[COMBO] = "alpha",
        **_about: Unpack[_About]
    ) -> _mask:
        """Read one channel of a picture as a mask."""
    def LoadImageOutput(
        self,
        image: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _image_mask:
        """Read a picture that was written before; its transparency becomes the mask."""
    def LoadImageSetFromFolderNode(
        self,
        folder: str | GraphSource[COMBO],
        resize_method: _None_or_3_more_2 | GraphSource[COMBO] = "None",
        **_about: Unpack[_About]
    ) -> _image:
        """Read all pictures of a folder in the input folder as one batch, sorted by their names. Pictures of another size than the first one's are resized, or refused."""
    def LoadImageTextDataSetFromFolder(
        self,
        folder: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _images_texts:
        """Read all pictures of a folder in the input folder as a list, and their captions as another. The caption of a.png is a.txt, or nothing. Pictures in a folder `5_name` inside of it count five times."""
    def LoadImageTextSetFromFolderNode(
        self,
        folder: str | GraphSource[COMBO],
        clip: GraphSource[CLIP],
        resize_method: _None_or_3_more_2 | GraphSource[COMBO] = "None",
        width: Annotated[int, "-1 to 10000"] | GraphSource[INT] = -1,
        height: Annotated[int, "-1 to 10000"] | GraphSource[INT] = -1,
        **_about: Unpack[_About]
    ) -> _image_conditioning:
        """Read all pictures of a folder in the input folder as one batch, and their captions as prompts. The caption of a.png is a.txt, or nothing. Pictures in a folder `5_name` inside of it count five times."""
    def LoadLatent(
        self,
        latent: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _latent:
        """Read a latent that SaveLatent wrote."""
    def LoadVideo(
        self,
        file: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _video:
        """Take a video from the input folder; its frames are decoded when a node asks for them."""
    def LoraLoader(
        self,
        model: GraphSource[MODEL],
        clip: GraphSource[CLIP],
        lora_name: str | GraphSource[COMBO],
        strength_model: Annotated[float, "-100.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        strength_clip: Annotated[float, "-100.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model_clip:
        """Apply a LoRA to a diffusion model and its text encoders. The models given stay as they are."""
    def LoraLoaderBypass(
        self,
        model: GraphSource[MODEL],
        clip: GraphSource[CLIP],
        lora_name: str | GraphSource[COMBO],
        strength_model: Annotated[float, "-100.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        strength_clip: Annotated[float, "-100.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model_clip:
        """Apply a LoRA as Load LoRA does: whether it is added to the weights or beside them, the picture is the same."""
    def LoraLoaderBypassModelOnly(
        self,
        model: GraphSource[MODEL],
        lora_name: str | GraphSource[COMBO],
        strength_model: Annotated[float, "-100.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Apply a LoRA to a diffusion model as LoraLoaderModelOnly does; the picture is the same."""
    def LoraLoaderModelOnly(
        self,
        model: GraphSource[MODEL],
        lora_name: str | GraphSource[COMBO],
        strength_model: Annotated[float, "-100.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Apply a LoRA to a diffusion model and leave the text encoders alone."""
    def LoraModelLoader(
        self,
        model: GraphSource[MODEL],
        lora: GraphSource[LORA_MODEL],
        strength_model: Annotated[float, "-100.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Put a LoRA that was just trained on a model. The model given stays as it is."""
    def LoraSave(
        self,
        filename_prefix: str | GraphSource[STRING] = "loras/ComfyUI_extracted_lora",
        rank: Annotated[int, "1 to 4096"] | GraphSource[INT] = 8,
        lora_type: _standard_or_1_more | GraphSource[COMBO] = "standard",
        bias_diff: bool | GraphSource[BOOLEAN] = True,
        model_diff: GraphSource[MODEL] | None = None,
        text_encoder_diff: GraphSource[CLIP] | None = None,
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write the difference between two models as a LoRA."""
    def LossGraphNode(
        self,
        loss: GraphSource[LOSS_MAP],
        filename_prefix: str | GraphSource[STRING] = "loss_graph",
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Draw the losses of a training, and write the picture to the output folder."""
    def LotusConditioning(
        self,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """The prompt that every model of Lotus reads: an empty one, as SD 2.x's text encoder writes it. ComfyUI has its numbers in its code; here the encoder's file computes them: one that holds CLIP-H in the text_encoders folders, else an SD 2.x checkpoint."""
    def Mahiro(
        self,
        model: GraphSource[MODEL],
        **_about: Unpack[_About]
    ) -> _patched_model:
        """Follow the direction of the positive prompt more, and its difference to the negative one less."""
    def ManualSigmas(
        self,
        sigmas: str | GraphSource[STRING] = "1, 0.5",
        **_about: Unpack[_About]
    ) -> _sigmas:
        """A schedule written out."""
    def MaskComposite(
        self,
        destination: GraphSource[MASK],
        source: GraphSource[MASK],
        x: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        y: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        operation: _multiply_or_5_more | GraphSource[COMBO] = "multiply",
        **_about: Unpack[_About]
    ) -> _mask:
        """Combine one mask with another where they lie over each other."""
    def MaskPreview(
        self,
        mask: GraphSource[MASK],
        **_about: Unpack[_About]
    ) -> _mask:
        """Write masks as grey pictures to the folder for temporary files, and pass them on."""
    def MaskToImage(
        self,
        mask: GraphSource[MASK],
        **_about: Unpack[_About]
    ) -> _image:
        """Turn a mask into a grey picture."""
    def ModelComputeDtype(
        self,
        model: GraphSource[MODEL],
        dtype: _default_or_3_more | GraphSource[COMBO] = "default",
        **_about: Unpack[_About]
    ) -> _model:
        """Choose the number format that a model computes in. The weights in it stand beside those that were loaded."""
    def ModelMergeAdd(
        self,
        model1: GraphSource[MODEL],
        model2: GraphSource[MODEL],
        **_about: Unpack[_About]
    ) -> _model:
        """Add the weights of two diffusion models of one family: for differences that ModelMergeSubtract made."""
    def ModelMergeBlocks(
        self,
        model1: GraphSource[MODEL],
        model2: GraphSource[MODEL],
        input: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        middle: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        out: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Mix two diffusion models of one family, with a share for each part of the network."""
    def ModelMergeFlux1(
        self,
        model1: GraphSource[MODEL],
        model2: GraphSource[MODEL],
        *,
        guidance_in: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_more: Any
    ) -> _model:
        """Mix two diffusion models of FLUX.1, with a share for each block of the network."""
    def ModelMergeQwenImage(
        self,
        model1: GraphSource[MODEL],
        model2: GraphSource[MODEL],
        **_more: Any
    ) -> _model:
        """Mix two diffusion models of Qwen-Image, with a share for each block of the network."""
    def ModelMergeSD1(
        self,
        model1: GraphSource[MODEL],
        model2: GraphSource[MODEL],
        **_more: Any
    ) -> _model:
        """Mix two diffusion models of SD 1.x, with a share for each block of the network."""
    def ModelMergeSD2(
        self,
        model1: GraphSource[MODEL],
        model2: GraphSource[MODEL],
        **_more: Any
    ) -> _model:
        """Mix two diffusion models of SD 2.x, with a share for each block of the network."""
    def ModelMergeSD35_Large(
        self,
        model1: GraphSource[MODEL],
        model2: GraphSource[MODEL],
        **_more: Any
    ) -> _model:
        """Mix two diffusion models of Stable Diffusion 3.5 large, with a share for each block of the network."""
    def ModelMergeSD3_2B(
        self,
        model1: GraphSource[MODEL],
        model2: GraphSource[MODEL],
        **_more: Any
    ) -> _model:
        """Mix two diffusion models of Stable Diffusion 3 medium, with a share for each block of the network."""
    def ModelMergeSDXL(
        self,
        model1: GraphSource[MODEL],
        model2: GraphSource[MODEL],
        **_more: Any
    ) -> _model:
        """Mix two diffusion models of SDXL, with a share for each block of the network."""
    def ModelMergeSimple(
        self,
        model1: GraphSource[MODEL],
        model2: GraphSource[MODEL],
        ratio: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Mix two diffusion models of one family."""
    def ModelMergeSubtract(
        self,
        model1: GraphSource[MODEL],
        model2: GraphSource[MODEL],
        multiplier: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """The difference between two diffusion models of one family: what a fine-tune learned."""
    def ModelMergeWAN2_1(
        self,
        model1: GraphSource[MODEL],
        model2: GraphSource[MODEL],
        **_more: Any
    ) -> _model:
        """Mix two diffusion models of Wan, with a share for each block of the network. The model of 1.3B has 30 blocks, that of 14B 40; those of image-to-video have img_emb, too."""
    def ModelPatchLoader(
        self,
        name: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _model_patch:
        """Open a model patch: a network that steps into a model, such as a DiffSynth ControlNet."""
    def ModelSamplingAuraFlow(
        self,
        model: GraphSource[MODEL],
        shift: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.73,
        **_about: Unpack[_About]
    ) -> _model:
        """Shift the schedule of a flow towards noise, its timesteps counted to 1: AuraFlow, Qwen-Image, Z-Image, Lumina."""
    def ModelSamplingContinuousEDM(
        self,
        model: GraphSource[MODEL],
        sampling: _v_prediction_or_4_more | GraphSource[COMBO] = "v_prediction",
        sigma_max: Annotated[float, "0.0 to 1000.0"] | GraphSource[FLOAT] = 120.0,
        sigma_min: Annotated[float, "0.0 to 1000.0"] | GraphSource[FLOAT] = 0.002,
        **_about: Unpack[_About]
    ) -> _model:
        """Say that a model was trained at any noise level between two, and what it gives: for EDM and CosXL models."""
    def ModelSamplingContinuousV(
        self,
        model: GraphSource[MODEL],
        sampling: _v_prediction | GraphSource[COMBO] = "v_prediction",
        sigma_max: Annotated[float, "0.0 to 1000.0"] | GraphSource[FLOAT] = 500.0,
        sigma_min: Annotated[float, "0.0 to 1000.0"] | GraphSource[FLOAT] = 0.03,
        **_about: Unpack[_About]
    ) -> _model:
        """Say that a model was trained to give v at any noise level between two, and to be told the angle between signal and noise: Stable Audio's time."""
    def ModelSamplingDiscrete(
        self,
        model: GraphSource[MODEL],
        sampling: _eps_or_4_more | GraphSource[COMBO] = "eps",
        zsnr: bool | GraphSource[BOOLEAN] = False,
        **_about: Unpack[_About]
    ) -> _model:
        """Say what a model was trained to give, where its file does not: for v-prediction and LCM models."""
    def ModelSamplingFlux(
        self,
        model: GraphSource[MODEL],
        max_shift: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.15,
        base_shift: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 0.5,
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 1024,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 1024,
        **_about: Unpack[_About]
    ) -> _model:
        """Shift the schedule of a flow towards noise by the size of the picture: FLUX.1."""
    def ModelSamplingLTXV(
        self,
        model: GraphSource[MODEL],
        max_shift: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 2.05,
        base_shift: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 0.95,
        latent: GraphSource[LATENT] | None = None,
        **_about: Unpack[_About]
    ) -> _model:
        """Shift the schedule of a flow towards noise by the size of the video: LTX-Video."""
    def ModelSamplingSD3(
        self,
        model: GraphSource[MODEL],
        shift: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 3.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Shift the schedule of a flow towards noise, its timesteps counted to 1000: Stable Diffusion 3, Wan, HunyuanVideo."""
    def ModelSave(
        self,
        model: GraphSource[MODEL],
        filename_prefix: str | GraphSource[STRING] = "diffusion_models/ComfyUI",
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write a diffusion model without text encoders and VAE."""
    def Morphology(
        self,
        image: GraphSource[IMAGE],
        operation: _erode_or_6_more | GraphSource[COMBO] = "erode",
        kernel_size: Annotated[int, "3 to 999"] | GraphSource[INT] = 3,
        **_about: Unpack[_About]
    ) -> _image:
        """Let what is bright in pictures shrink or grow, or show what that changes."""
    def OptimalStepsScheduler(
        self,
        model_type: _FLUX_or_2_more | GraphSource[COMBO] = "FLUX",
        steps: Annotated[int, "3 to 1000"] | GraphSource[INT] = 20,
        denoise: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """Schedules that were optimised for flows by the error of each step."""
    def Painter(
        self,
        mask: str | GraphSource[STRING] = "",
        width: Annotated[int, "64 to 4096"] | GraphSource[INT] = 512,
        height: Annotated[int, "64 to 4096"] | GraphSource[INT] = 512,
        bg_color: Any = ...,
        image: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> _image_mask:
        """What was painted in the editor, over a picture or a colour, and where it was painted."""
    def PairConditioningCombine(
        self,
        positive_A: GraphSource[CONDITIONING],
        negative_A: GraphSource[CONDITIONING],
        positive_B: GraphSource[CONDITIONING],
        negative_B: GraphSource[CONDITIONING],
        **_about: Unpack[_About]
    ) -> _positive_negative:
        """Put prompts beside others on both sides."""
    def PairConditioningSetDefaultCombine(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        positive_DEFAULT: GraphSource[CONDITIONING],
        negative_DEFAULT: GraphSource[CONDITIONING],
        hooks: GraphSource[HOOKS] | None = None,
        **_about: Unpack[_About]
    ) -> _positive_negative:
        """Put prompts beside others on both sides, to act where the masks and areas of these leave room."""
    def PairConditioningSetProperties(
        self,
        positive_NEW: GraphSource[CONDITIONING],
        negative_NEW: GraphSource[CONDITIONING],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        set_cond_area: _default_or_1_more_2 | GraphSource[COMBO] = "default",
        mask: GraphSource[MASK] | None = None,
        hooks: GraphSource[HOOKS] | None = None,
        timesteps: GraphSource[TIMESTEPS_RANGE] | None = None,
        **_about: Unpack[_About]
    ) -> _positive_negative:
        """Say where, when and with which hooks prompts act, on both sides alike."""
    def PairConditioningSetPropertiesAndCombine(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        positive_NEW: GraphSource[CONDITIONING],
        negative_NEW: GraphSource[CONDITIONING],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        set_cond_area: _default_or_1_more_2 | GraphSource[COMBO] = "default",
        mask: GraphSource[MASK] | None = None,
        hooks: GraphSource[HOOKS] | None = None,
        timesteps: GraphSource[TIMESTEPS_RANGE] | None = None,
        **_about: Unpack[_About]
    ) -> _positive_negative:
        """Say where, when and with which hooks prompts act, on both sides alike, and put them beside others."""
    def PatchModelAddDownscale(
        self,
        model: GraphSource[MODEL],
        block_number: Annotated[int, "1 to 32"] | GraphSource[INT] = 3,
        downscale_factor: Annotated[float, "0.1 to 9.0"] | GraphSource[FLOAT] = 2.0,
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.35,
        downscale_after_skip: bool | GraphSource[BOOLEAN] = True,
        downscale_method: _bicubic_or_4_more | GraphSource[COMBO] = "bicubic",
        upscale_method: _bicubic_or_4_more | GraphSource[COMBO] = "bicubic",
        **_about: Unpack[_About]
    ) -> _model:
        """Let the inner blocks of the network see a smaller picture at first: against doubled subjects at large sizes."""
    def PatchModelPatcherOrder(
        self,
        model: GraphSource[MODEL],
        patch_order: _object_patch_first_or_1_more | GraphSource[COMBO] = "weight_patch_first",
        full_load: _enabled_or_2_more | GraphSource[COMBO] = "auto",
        **_about: Unpack[_About]
    ) -> _model:
        """Pass a model on. In which order ComfyUI applies patches is nothing here: they give the same in any."""
    def PathchSageAttentionKJ(
        self,
        model: GraphSource[MODEL],
        sage_attention: Any = ...,
        **_more: Any
    ) -> _model:
        """Pass a model on. Another attention is for speed; here it is torch's."""
    def PerpNeg(
        self,
        model: GraphSource[MODEL],
        empty_conditioning: GraphSource[CONDITIONING],
        neg_scale: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Let of the negative prompt only what the positive does not share count."""
    def PerpNegGuider(
        self,
        model: GraphSource[MODEL],
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        empty_conditioning: GraphSource[CONDITIONING],
        cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 8.0,
        neg_scale: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _guider:
        """Steer with a negative prompt of which only what the positive does not share counts: Perp-Neg."""
    def PerturbedAttentionGuidance(
        self,
        model: GraphSource[MODEL],
        scale: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 3.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Steer away from what the model gives with its innermost self attention switched off. Costs half as much again."""
    def PolyexponentialScheduler(
        self,
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        sigma_max: Annotated[float, "0.0 to 5000.0"] | GraphSource[FLOAT] = 14.614642,
        sigma_min: Annotated[float, "0.0 to 5000.0"] | GraphSource[FLOAT] = 0.0291675,
        rho: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """The exponential schedule, bent."""
    def PorterDuffImageComposite(
        self,
        source: GraphSource[IMAGE],
        source_alpha: GraphSource[MASK],
        destination: GraphSource[IMAGE],
        destination_alpha: GraphSource[MASK],
        mode: _ADD_or_17_more | GraphSource[COMBO] = "DST",
        **_about: Unpack[_About]
    ) -> _image_mask:
        """Put one transparent picture onto another, by an operator of Porter and Duff or a blend."""
    def PreviewAny(
        self,
        source: Any,
        **_about: Unpack[_About]
    ) -> _string:
        """Show any value as text, and give the text."""
    def PreviewAudio(
        self,
        audio: GraphSource[AUDIO],
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write sounds to the folder for temporary files, as FLAC."""
    def PreviewImage(
        self,
        images: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _images:
        """Write pictures to the folder for temporary files, and pass them on."""
    def PrimitiveBoolean(
        self,
        value: bool | GraphSource[BOOLEAN] = False,
        **_about: Unpack[_About]
    ) -> _boolean:
        """True or false, for any number of inputs."""
    def PrimitiveBoundingBox(
        self,
        x: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        y: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        width: Annotated[int, "1 to 16384"] | GraphSource[INT] = 512,
        height: Annotated[int, "1 to 16384"] | GraphSource[INT] = 512,
        **_about: Unpack[_About]
    ) -> _bounding_box:
        """A box."""
    def PrimitiveFloat(
        self,
        value: Annotated[float, "-9223372036854775807 to 9223372036854775807"] | GraphSource[FLOAT] = 0,
        **_about: Unpack[_About]
    ) -> _float:
        """A number for any number of inputs."""
    def PrimitiveInt(
        self,
        value: Annotated[int, "-9223372036854775807 to 9223372036854775807"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _int:
        """A whole number for any number of inputs, such as the step at which one sampler ends and the next begins."""
    def PrimitiveString(
        self,
        value: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string:
        """A line of text for any number of inputs."""
    def PrimitiveStringMultiline(
        self,
        value: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string:
        """A text of several lines for any number of inputs, such as a prompt that two encoders read."""
    def QuadrupleCLIPLoader(
        self,
        clip_name1: str | GraphSource[COMBO],
        clip_name2: str | GraphSource[COMBO],
        clip_name3: str | GraphSource[COMBO],
        clip_name4: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _clip:
        """Open the four text encoders of HiDream: CLIP L, bigG, T5 and Llama. Weft does not run HiDream yet, and says so."""
    def QuadrupleCLIPLoaderGGUF(
        self,
        clip_name1: str | GraphSource[COMBO],
        clip_name2: str | GraphSource[COMBO],
        clip_name3: str | GraphSource[COMBO],
        clip_name4: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _clip:
        """Open the four text encoders of HiDream, in GGUF files or others. Weft does not run HiDream yet, and says so."""
    def QwenImage21Cache(
        self,
        model: GraphSource[MODEL],
        device: _auto_or_3_more_2 | GraphSource[COMBO] = "auto",
        dtype: _default_or_2_more | GraphSource[COMBO] = "default",
        **_about: Unpack[_About]
    ) -> _model:
        """Say where Qwen-Image 2.1 keeps what it reads of its prompt over the steps, and in how many bits."""
    def QwenImageDiffsynthControlnet(
        self,
        model: GraphSource[MODEL],
        model_patch: GraphSource[MODEL_PATCH],
        vae: GraphSource[VAE],
        image: GraphSource[IMAGE],
        strength: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        mask: GraphSource[MASK] | None = None,
        **_about: Unpack[_About]
    ) -> _model:
        """Steer a model with a picture through a model patch: a ControlNet for Qwen-Image or Z-Image."""
    def RandomNoise(
        self,
        noise_seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _noise:
        """Noise by a seed: the same on every machine."""
    def RebatchImages(
        self,
        images: GraphSource[IMAGE],
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _image:
        """Put the pictures of all batches of a list into batches of one size."""
    def RebatchLatents(
        self,
        latents: GraphSource[LATENT],
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Put the latents of all batches of a list into batches of one size."""
    def RecordAudio(
        self,
        audio: Any,
        **_about: Unpack[_About]
    ) -> _audio:
        """A sound that the editor recorded with a microphone. There is none here: what it recorded earlier is read."""
    def ReferenceLatent(
        self,
        conditioning: GraphSource[CONDITIONING],
        latent: GraphSource[LATENT] | None = None,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Show an encoded picture to a model that edits; chained, several."""
    def ReferenceMultiLatent(
        self,
        positive: GraphSource[CONDITIONING],
        resolution: _keep_resolution_or_1_more | Mapping[str, Any] | GraphSource[COMFY_DYNAMICCOMBO_V3] = "keep resolution",
        *,
        images: Sequence[GraphSource[IMAGE]] | Mapping[str, GraphSource[IMAGE]],
        negative: GraphSource[CONDITIONING] | None = None,
        vae: GraphSource[VAE] | None = None,
        **_more: Any
    ) -> _positive_negative_empty_latent:
        """Show several pictures to a model that edits, and give an empty latent of the size of the first."""
    def RegexExtract(
        self,
        string: str | GraphSource[STRING] = "",
        regex_pattern: str | GraphSource[STRING] = "",
        mode: _First_Match_or_3_more | GraphSource[COMBO] = "First Match",
        case_insensitive: bool | GraphSource[BOOLEAN] = True,
        multiline: bool | GraphSource[BOOLEAN] = False,
        dotall: bool | GraphSource[BOOLEAN] = False,
        group_index: Annotated[int, "0 to 100"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _string:
        """Take what a regular expression finds out of a text; several findings become lines, none the empty text."""
    def RegexMatch(
        self,
        string: str | GraphSource[STRING] = "",
        regex_pattern: str | GraphSource[STRING] = "",
        case_insensitive: bool | GraphSource[BOOLEAN] = True,
        multiline: bool | GraphSource[BOOLEAN] = False,
        dotall: bool | GraphSource[BOOLEAN] = False,
        **_about: Unpack[_About]
    ) -> _matches:
        """Whether a regular expression fits anywhere in a text."""
    def RegexReplace(
        self,
        string: str | GraphSource[STRING] = "",
        regex_pattern: str | GraphSource[STRING] = "",
        replace: str | GraphSource[STRING] = "",
        case_insensitive: bool | GraphSource[BOOLEAN] = True,
        multiline: bool | GraphSource[BOOLEAN] = False,
        dotall: bool | GraphSource[BOOLEAN] = False,
        count: Annotated[int, "0 to 100"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _string:
        """Replace what a regular expression finds in a text."""
    def RenormCFG(
        self,
        model: GraphSource[MODEL],
        cfg_trunc: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 100.0,
        renorm_cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """The guidance of Lumina-Image 2.0: of limited strength, and none above a noise level."""
    def RepeatImageBatch(
        self,
        image: GraphSource[IMAGE],
        amount: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _image:
        """Repeat a batch of pictures."""
    def RepeatLatentBatch(
        self,
        samples: GraphSource[LATENT],
        amount: Annotated[int, "1 to 64"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _latent:
        """Repeat a batch of latents; every copy gets noise of its own."""
    def RescaleCFG(
        self,
        model: GraphSource[MODEL],
        multiplier: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.7,
        **_about: Unpack[_About]
    ) -> _model:
        """Keep high guidance from overexposing: bring the guided prediction to the contrast of the positive one."""
    def ResizeAndPadImage(
        self,
        image: GraphSource[IMAGE],
        target_width: Annotated[int, "1 to 16384"] | GraphSource[INT] = 512,
        target_height: Annotated[int, "1 to 16384"] | GraphSource[INT] = 512,
        padding_color: _white_or_1_more | GraphSource[COMBO] = "white",
        interpolation: _area_or_4_more_2 | GraphSource[COMBO] = "area",
        **_about: Unpack[_About]
    ) -> _image:
        """Resize pictures to fit into a frame, keeping their proportions, and fill what remains of it."""
    def ResizeImageMaskNode(
        self,
        input: GraphSource[IMAGE] | GraphSource[MASK],
        resize_type: _scale_dimensions_or_8_more | Mapping[str, Any] | GraphSource[COMFY_DYNAMICCOMBO_V3] = "scale dimensions",
        scale_method: _nearest_exact_or_4_more | GraphSource[COMBO] = "area",
        **_more: Any
    ) -> _resized:
        """Resize pictures or masks."""
    def ResizeImagesByLongerEdge(
        self,
        images: GraphSource[IMAGE],
        longer_edge: Annotated[int, "1 to 8192"] | GraphSource[INT] = 1024,
        **_about: Unpack[_About]
    ) -> _images:
        """Resize pictures so that the longer side has a length, keeping their proportions."""
    def ResolutionSelector(
        self,
        aspect_ratio: _1_1_Square_or_7_more | GraphSource[COMBO] = "1:1 (Square)",
        megapixels: Annotated[float, "0.1 to 16.0"] | GraphSource[FLOAT] = 1.0,
        preview: GraphSource[RESOLUTION_PREVIEW] | None = None,
        multiple: Annotated[int, "8 to 128"] | GraphSource[INT] = 8,
        **_about: Unpack[_About]
    ) -> _width_height:
        """The sides of a picture of a shape and a number of pixels."""
    def SDTurboScheduler(
        self,
        model: GraphSource[MODEL],
        steps: Annotated[int, "1 to 10"] | GraphSource[INT] = 1,
        denoise: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """The ten noise levels that SD Turbo was distilled to, or some of them."""
    def SVD_img2vid_Conditioning(
        self,
        clip_vision: GraphSource[CLIP_VISION],
        init_image: GraphSource[IMAGE],
        vae: GraphSource[VAE],
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 1024,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 576,
        video_frames: Annotated[int, "1 to 4096"] | GraphSource[INT] = 14,
        motion_bucket_id: Annotated[int, "1 to 1023"] | GraphSource[INT] = 127,
        fps: Annotated[int, "1 to 1024"] | GraphSource[INT] = 6,
        augmentation_level: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 0.0,
        **_about: Unpack[_About]
    ) -> _positive_negative_latent:
        """Show a picture to Stable Video Diffusion, in the place of a prompt, and say how the video moves."""
    def SamplerCustom(
        self,
        model: GraphSource[MODEL],
        add_noise: bool | GraphSource[BOOLEAN] = True,
        noise_seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 8.0,
        *,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        sampler: GraphSource[SAMPLER],
        sigmas: GraphSource[SIGMAS],
        latent_image: GraphSource[LATENT],
        **_about: Unpack[_About]
    ) -> _output_denoised_output:
        """Denoise a latent along a given schedule; the second output is the last prediction of the finished latent."""
    def SamplerCustomAdvanced(
        self,
        noise: GraphSource[NOISE],
        guider: GraphSource[GUIDER],
        sampler: GraphSource[SAMPLER],
        sigmas: GraphSource[SIGMAS],
        latent_image: GraphSource[LATENT],
        **_about: Unpack[_About]
    ) -> _output_denoised_output:
        """Denoise a latent with a noise, a guider, a sampler and a schedule of one's own."""
    def SamplerDPMAdaptative(
        self,
        order: Annotated[int, "2 to 3"] | GraphSource[INT] = 3,
        rtol: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 0.05,
        atol: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 0.0078,
        h_init: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 0.05,
        pcoeff: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 0.0,
        icoeff: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        dcoeff: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 0.0,
        accept_safety: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 0.81,
        eta: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 0.0,
        s_noise: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _sampler:
        """DPM-Solver that chooses its own steps, as long as an error allows; the schedule gives the two ends."""
    def SamplerDPMPP_2M_SDE(
        self,
        solver_type: _midpoint_or_1_more | GraphSource[COMBO] = "midpoint",
        eta: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        s_noise: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        noise_device: _gpu_or_1_more | GraphSource[COMBO] = "gpu",
        **_about: Unpack[_About]
    ) -> _sampler:
        """DPM-Solver++(2M) SDE: second order, noise at each step."""
    def SamplerDPMPP_2S_Ancestral(
        self,
        eta: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        s_noise: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _sampler:
        """DPM-Solver++(2S) with fresh noise at each step."""
    def SamplerDPMPP_3M_SDE(
        self,
        eta: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        s_noise: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        noise_device: _gpu_or_1_more | GraphSource[COMBO] = "gpu",
        **_about: Unpack[_About]
    ) -> _sampler:
        """DPM-Solver++(3M) SDE: third order, noise at each step."""
    def SamplerDPMPP_SDE(
        self,
        eta: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        s_noise: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        r: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 0.5,
        noise_device: _gpu_or_1_more | GraphSource[COMBO] = "gpu",
        **_about: Unpack[_About]
    ) -> _sampler:
        """DPM-Solver++(2S) SDE: second order with two evaluations a step, noise at both."""
    def SamplerER_SDE(
        self,
        solver_type: _ER_SDE_or_2_more | GraphSource[COMBO] = "ER-SDE",
        max_stage: Annotated[int, "1 to 3"] | GraphSource[INT] = 3,
        eta: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        s_noise: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _sampler:
        """Extended reverse-time SDE solver."""
    def SamplerEulerAncestral(
        self,
        eta: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        s_noise: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _sampler:
        """Euler's method with fresh noise at each step."""
    def SamplerEulerAncestralCFGPP(
        self,
        eta: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        s_noise: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _sampler:
        """Euler's method with CFG++ and fresh noise at each step; for a cfg of about 1."""
    def SamplerEulerCFGpp(
        self,
        version: _regular_or_1_more_2 | GraphSource[COMBO] = "regular",
        **_about: Unpack[_About]
    ) -> _sampler:
        """Euler's method with CFG++; for a cfg of about 1."""
    def SamplerLCMUpscale(
        self,
        scale_ratio: Annotated[float, "0.1 to 20.0"] | GraphSource[FLOAT] = 1.0,
        scale_steps: Annotated[int, "-1 to 1000"] | GraphSource[INT] = -1,
        upscale_method: _bislerp_or_4_more | GraphSource[COMBO] = "bislerp",
        **_about: Unpack[_About]
    ) -> _sampler:
        """Sampling of a consistency model that enlarges the latent between steps."""
    def SamplerLMS(
        self,
        order: Annotated[int, "1 to 100"] | GraphSource[INT] = 4,
        **_about: Unpack[_About]
    ) -> _sampler:
        """Linear multistep."""
    def SamplerSASolver(
        self,
        model: GraphSource[MODEL],
        eta: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        sde_start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.2,
        sde_end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.8,
        s_noise: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        predictor_order: Annotated[int, "1 to 6"] | GraphSource[INT] = 3,
        corrector_order: Annotated[int, "0 to 6"] | GraphSource[INT] = 4,
        use_pece: bool | GraphSource[BOOLEAN] = False,
        simple_order_2: bool | GraphSource[BOOLEAN] = False,
        **_about: Unpack[_About]
    ) -> _sampler:
        """Stochastic Adams solver: a predictor and a corrector of many steps."""
    def SamplingPercentToSigma(
        self,
        model: GraphSource[MODEL],
        sampling_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        return_actual_sigma: bool | GraphSource[BOOLEAN] = False,
        **_about: Unpack[_About]
    ) -> _sigma_value:
        """The noise level at a share of the way from noise to image."""
    def SaveAnimatedPNG(
        self,
        images: GraphSource[IMAGE],
        filename_prefix: str | GraphSource[STRING] = "ComfyUI",
        fps: Annotated[float, "0.01 to 1000.0"] | GraphSource[FLOAT] = 6.0,
        compress_level: Annotated[int, "0 to 9"] | GraphSource[INT] = 4,
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write a batch of pictures to the output folder as one animated PNG, with the workflow that made it."""
    def SaveAnimatedWEBP(
        self,
        images: GraphSource[IMAGE],
        filename_prefix: str | GraphSource[STRING] = "ComfyUI",
        fps: Annotated[float, "0.01 to 1000.0"] | GraphSource[FLOAT] = 6.0,
        lossless: bool | GraphSource[BOOLEAN] = True,
        quality: Annotated[int, "0 to 100"] | GraphSource[INT] = 80,
        method: _default_or_2_more_2 | GraphSource[COMBO] = "default",
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write a batch of pictures to the output folder as one animated WebP, with the workflow that made it."""
    def SaveAudio(
        self,
        audio: GraphSource[AUDIO],
        filename_prefix: str | GraphSource[STRING] = "audio/ComfyUI",
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write sounds to the output folder as FLAC, 16 bits a sample, with the workflow that made them."""
    def SaveAudioAdvanced(
        self,
        audio: GraphSource[AUDIO],
        filename_prefix: str | GraphSource[STRING] = "audio/ComfyUI",
        format: _flac_or_2_more | Mapping[str, Any] | GraphSource[COMFY_DYNAMICCOMBO_V3] = "flac",
        **_more: Any
    ) -> _audio:
        """Write sounds to the output folder as FLAC, MP3 or Opus, with the workflow that made them, and pass them on."""
    def SaveAudioMP3(
        self,
        audio: GraphSource[AUDIO],
        filename_prefix: str | GraphSource[STRING] = "audio/ComfyUI",
        quality: _V0_or_2_more | GraphSource[COMBO] = "V0",
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write sounds to the output folder as MP3, with the workflow that made them."""
    def SaveAudioOpus(
        self,
        audio: GraphSource[AUDIO],
        filename_prefix: str | GraphSource[STRING] = "audio/ComfyUI",
        quality: _64k_or_4_more | GraphSource[COMBO] = "128k",
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write sounds to the output folder as Opus, with the workflow that made them."""
    def SaveImage(
        self,
        images: GraphSource[IMAGE],
        filename_prefix: str | GraphSource[STRING] = "ComfyUI",
        **_about: Unpack[_About]
    ) -> _images:
        """Write pictures to the output folder as PNG, with the workflow that made them, and pass them on."""
    def SaveImageAdvanced(
        self,
        images: GraphSource[IMAGE],
        filename_prefix: str | GraphSource[STRING] = "ComfyUI",
        format: _png_or_1_more | Mapping[str, Any] | GraphSource[COMFY_DYNAMICCOMBO_V3] = "png",
        **_more: Any
    ) -> _images:
        """Write pictures to the output folder as PNG of 8 or 16 bits or as OpenEXR, with the workflow, and pass them on."""
    def SaveImageWebsocket(
        self,
        images: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Give pictures to whoever started the run: to observers that take them, else as PNG files in the output folder."""
    def SaveLatent(
        self,
        samples: GraphSource[LATENT],
        filename_prefix: str | GraphSource[STRING] = "latents/ComfyUI",
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write a latent to the output folder, with the workflow that made it."""
    def SaveLoRANode(
        self,
        lora: GraphSource[LORA_MODEL],
        prefix: str | GraphSource[STRING] = "loras/ComfyUI_trained_lora",
        steps: GraphSource[INT] | None = None,
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write a LoRA that was just trained."""
    def SaveSVGNode(
        self,
        svg: GraphSource[SVG],
        filename_prefix: str | GraphSource[STRING] = "svg/ComfyUI",
        **_about: Unpack[_About]
    ) -> _svg:
        """Write drawings to the output folder as SVG, with the workflow in their metadata, and pass them on."""
    def SaveText(
        self,
        text: GraphSource[STRING],
        filename_prefix: str | GraphSource[STRING] = "ComfyUI",
        format: _txt_or_3_more | GraphSource[COMBO] = "txt",
        **_about: Unpack[_About]
    ) -> _text:
        """Write a text to the output folder, and pass it on."""
    def SaveVideo(
        self,
        video: GraphSource[VIDEO],
        filename_prefix: str | GraphSource[STRING] = "video/ComfyUI",
        format: _auto_or_1_more | GraphSource[COMBO] = "auto",
        codec: _auto_or_1_more_2 | GraphSource[COMBO] = "auto",
        **_about: Unpack[_About]
    ) -> _video:
        """Write a video to the output folder as MP4, with the workflow that made it, and pass it on."""
    def SaveWEBM(
        self,
        images: GraphSource[IMAGE],
        filename_prefix: str | GraphSource[STRING] = "ComfyUI",
        codec: _vp9_or_1_more | GraphSource[COMBO] = "vp9",
        fps: Annotated[float, "0.01 to 1000.0"] | GraphSource[FLOAT] = 24.0,
        crf: Annotated[float, "0.0 to 63.0"] | GraphSource[FLOAT] = 32.0,
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write a batch of pictures to the output folder as a WebM, with the workflow that made it."""
    def ScaleROPE(
        self,
        model: GraphSource[MODEL],
        scale_x: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        shift_x: Annotated[float, "-256.0 to 256.0"] | GraphSource[FLOAT] = 0.0,
        scale_y: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        shift_y: Annotated[float, "-256.0 to 256.0"] | GraphSource[FLOAT] = 0.0,
        scale_t: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        shift_t: Annotated[float, "-256.0 to 256.0"] | GraphSource[FLOAT] = 0.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Scale and shift where a video model's attention finds the patches: at a scale of time of 7, seven frames apart."""
    def SeedNode(
        self,
        seed: Annotated[int, "0 to 9223372036854775807"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _seed:
        """A seed for any number of samplers."""
    def SelfAttentionGuidance(
        self,
        model: GraphSource[MODEL],
        scale: Annotated[float, "-2.0 to 5.0"] | GraphSource[FLOAT] = 0.5,
        blur_sigma: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 2.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Steer away from what the model makes of a picture blurred where it attends to most. Costs half as much again."""
    def SetClipHooks(
        self,
        clip: GraphSource[CLIP],
        apply_to_conds: bool | GraphSource[BOOLEAN] = True,
        schedule_clip: bool | GraphSource[BOOLEAN] = False,
        hooks: GraphSource[HOOKS] | None = None,
        **_about: Unpack[_About]
    ) -> _clip:
        """Encode prompts with text encoders that hooks change."""
    def SetFirstSigma(
        self,
        sigmas: GraphSource[SIGMAS],
        sigma: Annotated[float, "0.0 to 20000.0"] | GraphSource[FLOAT] = 136.0,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """Let a schedule begin at another noise level."""
    def SetHookKeyframes(
        self,
        hooks: GraphSource[HOOKS],
        hook_kf: GraphSource[HOOK_KEYFRAMES] | None = None,
        **_about: Unpack[_About]
    ) -> _hooks:
        """Let the strengths of hooks go by keyframes."""
    def SetLatentNoiseMask(
        self,
        samples: GraphSource[LATENT],
        mask: GraphSource[MASK],
        **_about: Unpack[_About]
    ) -> _latent:
        """Confine sampling to a mask: elsewhere the latent stays as it is."""
    def SetUnionControlNetType(
        self,
        control_net: GraphSource[CONTROL_NET],
        type: _auto_or_8_more | GraphSource[COMBO] = "auto",
        **_about: Unpack[_About]
    ) -> _control_net:
        """Tell a union ControlNet which kind of picture it reads."""
    def SigmaToStep(
        self,
        model: GraphSource[MODEL],
        scheduler: _simple_or_8_more | GraphSource[COMBO] = "simple",
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        sigma: Annotated[float, "0.0 to 20000.0"] | GraphSource[FLOAT] = 0.875,
        **_about: Unpack[_About]
    ) -> _step:
        """The step at which a schedule comes down to a noise level: where one model hands over to another."""
    def SkipLayerGuidanceDiT(
        self,
        model: GraphSource[MODEL],
        double_layers: str | GraphSource[STRING] = "7, 8, 9",
        single_layers: str | GraphSource[STRING] = "7, 8, 9",
        scale: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 3.0,
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.01,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.15,
        rescaling_scale: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 0.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Steer a transformer away from what it makes without some of its blocks. Costs half as much again."""
    def SkipLayerGuidanceDiTSimple(
        self,
        model: GraphSource[MODEL],
        double_layers: str | GraphSource[STRING] = "7, 8, 9",
        single_layers: str | GraphSource[STRING] = "7, 8, 9",
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Make the negative prediction of a transformer without some of its blocks."""
    def SkipLayerGuidanceSD3(
        self,
        model: GraphSource[MODEL],
        layers: str | GraphSource[STRING] = "7, 8, 9",
        scale: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 3.0,
        start_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.01,
        end_percent: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.15,
        **_about: Unpack[_About]
    ) -> _model:
        """Steer a Stable Diffusion 3 away from what it makes without some of its blocks. Costs half as much again."""
    def SolidMask(
        self,
        value: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        width: Annotated[int, "1 to 16384"] | GraphSource[INT] = 512,
        height: Annotated[int, "1 to 16384"] | GraphSource[INT] = 512,
        **_about: Unpack[_About]
    ) -> _mask:
        """A mask of one value."""
    def SplitAudioChannels(
        self,
        audio: GraphSource[AUDIO],
        **_about: Unpack[_About]
    ) -> _left_right:
        """The left and the right channel of a stereo sound, each by itself."""
    def SplitImageWithAlpha(
        self,
        image: GraphSource[IMAGE],
        **_about: Unpack[_About]
    ) -> _image_mask:
        """Take pictures and their transparency apart."""
    def SplitSigmas(
        self,
        sigmas: GraphSource[SIGMAS],
        step: Annotated[int, "0 to 10000"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _high_sigmas_low_sigmas:
        """Divide a schedule for two samplers, one after the other."""
    def SplitSigmasDenoise(
        self,
        sigmas: GraphSource[SIGMAS],
        denoise: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _high_sigmas_low_sigmas:
        """Divide a schedule for two samplers by a share."""
    def StableCascade_EmptyLatentImage(
        self,
        width: Annotated[int, "256 to 16384"] | GraphSource[INT] = 1024,
        height: Annotated[int, "256 to 16384"] | GraphSource[INT] = 1024,
        compression: Annotated[int, "4 to 128"] | GraphSource[INT] = 42,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        **_about: Unpack[_About]
    ) -> _stage_c_stage_b:
        """Empty latents for the two stages of Stable Cascade."""
    def StringCompare(
        self,
        string_a: str | GraphSource[STRING] = "",
        string_b: str | GraphSource[STRING] = "",
        mode: _Starts_With_or_2_more | GraphSource[COMBO] = "Starts With",
        case_sensitive: bool | GraphSource[BOOLEAN] = True,
        **_about: Unpack[_About]
    ) -> _boolean:
        """Whether a text begins with another, ends with it, or is the same."""
    def StringConcatenate(
        self,
        string_a: str | GraphSource[STRING] = "",
        string_b: str | GraphSource[STRING] = "",
        delimiter: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string:
        """Put two texts together."""
    def StringConstant(
        self,
        string: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string:
        """A line of text."""
    def StringConstantMultiline(
        self,
        string: str | GraphSource[STRING] = "",
        strip_newlines: bool | GraphSource[BOOLEAN] = True,
        **_about: Unpack[_About]
    ) -> _string:
        """A text of several lines."""
    def StringContains(
        self,
        string: str | GraphSource[STRING] = "",
        substring: str | GraphSource[STRING] = "",
        case_sensitive: bool | GraphSource[BOOLEAN] = True,
        **_about: Unpack[_About]
    ) -> _contains:
        """Whether a text has another in it."""
    def StringFormat(
        self,
        f_string: str | GraphSource[STRING] = "{a}",
        values: Sequence[Any] | Mapping[str, Any] | None = None,
        **_more: Any
    ) -> _string:
        """Put values into a text, as Python's str.format: `{a}`, `{b:.3f}`; `{{` is a brace."""
    def StringLength(
        self,
        string: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _length:
        """How many characters a text has."""
    def StringReplace(
        self,
        string: str | GraphSource[STRING] = "",
        find: str | GraphSource[STRING] = "",
        replace: str | GraphSource[STRING] = "",
        **_about: Unpack[_About]
    ) -> _string:
        """Replace every place of a text that reads so by another."""
    def StringSubstring(
        self,
        string: str | GraphSource[STRING] = "",
        start: int | GraphSource[INT] = 0,
        end: int | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _string:
        """Take a part of a text."""
    def StringTrim(
        self,
        string: str | GraphSource[STRING] = "",
        mode: _Both_or_2_more | GraphSource[COMBO] = "Both",
        **_about: Unpack[_About]
    ) -> _string:
        """Take blanks and empty lines off the ends of a text."""
    def StyleModelApply(
        self,
        conditioning: GraphSource[CONDITIONING],
        style_model: GraphSource[STYLE_MODEL],
        clip_vision_output: GraphSource[CLIP_VISION_OUTPUT],
        strength: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        strength_type: _multiply_or_1_more | GraphSource[COMBO] = "multiply",
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Put the tokens of pictures behind those of a prompt."""
    def StyleModelLoader(
        self,
        style_model_name: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _style_model:
        """Open a model that makes tokens of a picture: FLUX Redux."""
    def T5TokenizerOptions(
        self,
        clip: GraphSource[CLIP],
        min_padding: Annotated[int, "0 to 10000"] | GraphSource[INT] = 0,
        min_length: Annotated[int, "0 to 10000"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _clip:
        """Say how far the prompts of T5 are filled up; text encoders without one stay as they are."""
    def TCFG(
        self,
        model: GraphSource[MODEL],
        **_about: Unpack[_About]
    ) -> _patched_model:
        """Take from the negative direction what leads away from the main direction of both prompts: TCFG."""
    def TestDefinition(
        self,
        name: str | GraphSource[STRING] = "",
        description: str | GraphSource[STRING] = "",
        requiresGPU: bool | GraphSource[BOOLEAN] = False,
        extraTime: Annotated[int, "0 to 3600"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Say what this workflow tests, for weft test."""
    def TestImageGenerator(
        self,
        image_type: _black_or_3_more | GraphSource[COMBO] = "black",
        width: Annotated[int, "64 to 4096"] | GraphSource[INT] = 512,
        height: Annotated[int, "64 to 4096"] | GraphSource[INT] = 512,
        seed: Annotated[int, "0 to 4294967295"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _image:
        """Draw a picture to test on."""
    def TextEncodeQwenImage21(
        self,
        clip: GraphSource[CLIP],
        images: Sequence[GraphSource[IMAGE]] | Mapping[str, GraphSource[IMAGE]] | None = None,
        prompt: str | GraphSource[STRING] = "",
        negative_prompt: str | GraphSource[STRING] = "",
        resolution: Annotated[int, "0 to 4096"] | GraphSource[INT] = 1024,
        vae: GraphSource[VAE] | None = None,
        **_more: Any
    ) -> _positive_negative_latent:
        """Encode prompts for Qwen-Image 2.1, and pictures that it is to edit; give an empty latent of the first one's size."""
    def TextEncodeQwenImageEdit(
        self,
        clip: GraphSource[CLIP],
        prompt: str | GraphSource[STRING] = "",
        vae: GraphSource[VAE] | None = None,
        image: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Encode what Qwen-Image Edit is to do with a picture. The picture is brought to about a million pixels."""
    def TextEncodeQwenImageEditPlus(
        self,
        clip: GraphSource[CLIP],
        prompt: str | GraphSource[STRING] = "",
        vae: GraphSource[VAE] | None = None,
        image1: GraphSource[IMAGE] | None = None,
        image2: GraphSource[IMAGE] | None = None,
        image3: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Encode what Qwen-Image Edit 2509 or 2511 is to do with pictures, which the prompt calls Picture 1 to 3."""
    def TextGenerate(
        self,
        clip: GraphSource[CLIP],
        prompt: str | GraphSource[STRING] = "",
        max_length: Annotated[int, "1 to 32768"] | GraphSource[INT] = 512,
        sampling_mode: _on_or_1_more | Mapping[str, Any] | GraphSource[COMFY_DYNAMICCOMBO_V3] = "on",
        image: GraphSource[IMAGE] | None = None,
        video: GraphSource[IMAGE] | None = None,
        audio: GraphSource[AUDIO] | None = None,
        system_prompt: GraphSource[STRING] | None = None,
        thinking: bool | GraphSource[BOOLEAN] = False,
        use_default_template: bool | GraphSource[BOOLEAN] = True,
        mtp: str | GraphSource[STRING] = "auto",
        **_more: Any
    ) -> _generated_text_thinking:
        """Let a language model answer a prompt, about pictures if it sees any. The same seed gives the same text."""
    def ThresholdMask(
        self,
        mask: GraphSource[MASK],
        value: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.5,
        **_about: Unpack[_About]
    ) -> _mask:
        """Make a mask of 0 and 1."""
    def ToBasicPipe(
        self,
        model: GraphSource[MODEL] | None = None,
        clip: GraphSource[CLIP] | None = None,
        vae: GraphSource[VAE] | None = None,
        positive: GraphSource[CONDITIONING] | None = None,
        negative: GraphSource[CONDITIONING] | None = None,
        **_about: Unpack[_About]
    ) -> _basic_pipe:
        """Put a model and what belongs to it into one link."""
    def ToBinaryMask(
        self,
        mask: GraphSource[MASK],
        threshold: Annotated[int, "1 to 255"] | GraphSource[INT] = 20,
        **_about: Unpack[_About]
    ) -> _mask:
        """Masks that are 1 above a threshold, and 0 elsewhere."""
    def TomePatchModel(
        self,
        model: GraphSource[MODEL],
        ratio: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.3,
        **_about: Unpack[_About]
    ) -> _model:
        """Merge tokens that are alike before the costliest self attention: faster, and a little different."""
    def TorchCompileModel(
        self,
        model: GraphSource[MODEL],
        backend: _inductor_or_1_more | GraphSource[COMBO] = "inductor",
        **_about: Unpack[_About]
    ) -> _model:
        """Let a model pass as it is: a compiled one would be faster and give the same picture."""
    def TrainLoraNode(
        self,
        model: GraphSource[MODEL],
        latents: GraphSource[LATENT],
        positive: GraphSource[CONDITIONING],
        batch_size: Annotated[int, "1 to 10000"] | GraphSource[INT] = 1,
        grad_accumulation_steps: Annotated[int, "1 to 1024"] | GraphSource[INT] = 1,
        steps: Annotated[int, "1 to 100000"] | GraphSource[INT] = 16,
        learning_rate: Annotated[float, "1e-07 to 1.0"] | GraphSource[FLOAT] = 0.0005,
        rank: Annotated[int, "1 to 128"] | GraphSource[INT] = 8,
        optimizer: _AdamW_or_3_more | GraphSource[COMBO] = "AdamW",
        loss_function: _MSE_or_3_more | GraphSource[COMBO] = "MSE",
        seed: Annotated[int, "0 to 18446744073709551615"] | GraphSource[INT] = 0,
        training_dtype: _bf16_or_1_more | GraphSource[COMBO] = "bf16",
        lora_dtype: _bf16_or_1_more | GraphSource[COMBO] = "bf16",
        algorithm: _LoRA_or_3_more | GraphSource[COMBO] = "LoRA",
        gradient_checkpointing: bool | GraphSource[BOOLEAN] = True,
        existing_lora: str | GraphSource[COMBO] = "[None]",
        **_about: Unpack[_About]
    ) -> _model_with_lora_lora_loss_steps:
        """Train a LoRA on latents, and put it on the model."""
    def TrimAudioDuration(
        self,
        audio: GraphSource[AUDIO],
        start_index: Annotated[float, "-18446744073709551615 to 18446744073709551615"] | GraphSource[FLOAT] = 0.0,
        duration: float | GraphSource[FLOAT] = 60.0,
        **_about: Unpack[_About]
    ) -> _audio:
        """A stretch of a sound."""
    def TrimVideoLatent(
        self,
        samples: GraphSource[LATENT],
        trim_amount: Annotated[int, "0 to 99999"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _latent:
        """Take elements off the beginning of a video's latents; a noise mask stays as it is."""
    def TripleCLIPLoader(
        self,
        clip_name1: str | GraphSource[COMBO],
        clip_name2: str | GraphSource[COMBO],
        clip_name3: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _clip:
        """Open the three text encoders of Stable Diffusion 3 from files of their own: CLIP L, bigG and T5."""
    def TripleCLIPLoaderGGUF(
        self,
        clip_name1: str | GraphSource[COMBO],
        clip_name2: str | GraphSource[COMBO],
        clip_name3: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _clip:
        """Open the three text encoders of Stable Diffusion 3, each in a GGUF file or in any other."""
    def UNETLoader(
        self,
        unet_name: str | GraphSource[COMBO],
        weight_dtype: _default_or_3_more_2 | GraphSource[COMBO] = "default",
        **_about: Unpack[_About]
    ) -> _model:
        """Open a diffusion model that stands in a file of its own."""
    def UNetCrossAttentionMultiply(
        self,
        model: GraphSource[MODEL],
        q: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        k: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        v: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        out: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Multiply the projections of a model's attention to the prompt."""
    def UNetSelfAttentionMultiply(
        self,
        model: GraphSource[MODEL],
        q: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        k: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        v: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        out: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Multiply the projections of a model's self attention."""
    def UNetTemporalAttentionMultiply(
        self,
        model: GraphSource[MODEL],
        self_structural: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        self_temporal: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        cross_structural: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        cross_temporal: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Multiply what attention adds, within frames and across them."""
    def USOStyleReference(
        self,
        model: GraphSource[MODEL],
        model_patch: GraphSource[MODEL_PATCH],
        clip_vision_output: GraphSource[CLIP_VISION_OUTPUT],
        **_about: Unpack[_About]
    ) -> _model:
        """Have FLUX.1 dev draw in the style of pictures, through USO's projector and beside USO's LoRA."""
    def UnetLoaderGGUF(
        self,
        unet_name: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _model:
        """Open a diffusion model in a GGUF file. Its weights stay in their blocks, and are widened where they are used."""
    def UnetLoaderGGUFAdvanced(
        self,
        unet_name: str | GraphSource[COMBO],
        dequant_dtype: _default_or_4_more | GraphSource[COMBO] = "default",
        patch_dtype: _default_or_4_more | GraphSource[COMBO] = "default",
        patch_on_device: bool | GraphSource[BOOLEAN] = False,
        **_about: Unpack[_About]
    ) -> _model:
        """Open a diffusion model in a GGUF file, as UnetLoaderGGUF does."""
    def UpscaleModelLoader(
        self,
        model_name: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _upscale_model:
        """Open a network that enlarges pictures: ESRGAN, Real-ESRGAN or its compact one."""
    def VAEDecode(
        self,
        samples: GraphSource[LATENT],
        vae: GraphSource[VAE],
        **_about: Unpack[_About]
    ) -> _image:
        """Decode latents into pictures."""
    def VAEDecodeTiled(
        self,
        samples: GraphSource[LATENT],
        vae: GraphSource[VAE],
        tile_size: Annotated[int, "64 to 4096"] | GraphSource[INT] = 512,
        overlap: Annotated[int, "0 to 4096"] | GraphSource[INT] = 64,
        temporal_size: Annotated[int, "8 to 4096"] | GraphSource[INT] = 64,
        temporal_overlap: Annotated[int, "4 to 4096"] | GraphSource[INT] = 8,
        **_about: Unpack[_About]
    ) -> _image:
        """Decode latents tile by tile: takes less memory and more time, and differs a little from decoding at once."""
    def VAEEncode(
        self,
        pixels: GraphSource[IMAGE],
        vae: GraphSource[VAE],
        **_about: Unpack[_About]
    ) -> _latent:
        """Encode pictures into latents."""
    def VAEEncodeForInpaint(
        self,
        pixels: GraphSource[IMAGE],
        vae: GraphSource[VAE],
        mask: GraphSource[MASK],
        grow_mask_by: Annotated[int, "0 to 64"] | GraphSource[INT] = 6,
        **_about: Unpack[_About]
    ) -> _latent:
        """Encode pictures with the masked part greyed out, to be painted anew at full denoise."""
    def VAEEncodeTiled(
        self,
        pixels: GraphSource[IMAGE],
        vae: GraphSource[VAE],
        tile_size: Annotated[int, "64 to 4096"] | GraphSource[INT] = 512,
        overlap: Annotated[int, "0 to 4096"] | GraphSource[INT] = 64,
        temporal_size: Annotated[int, "8 to 4096"] | GraphSource[INT] = 64,
        temporal_overlap: Annotated[int, "4 to 4096"] | GraphSource[INT] = 8,
        **_about: Unpack[_About]
    ) -> _latent:
        """Encode pictures tile by tile: takes less memory and more time, and differs a little from encoding at once."""
    def VAELoader(
        self,
        vae_name: str | GraphSource[COMBO] = "taesd",
        **_about: Unpack[_About]
    ) -> _vae:
        """Open a VAE that stands in a file of its own."""
    def VAESave(
        self,
        vae: GraphSource[VAE],
        filename_prefix: str | GraphSource[STRING] = "vae/ComfyUI_vae",
        **_about: Unpack[_About]
    ) -> GraphNode:
        """Write a VAE."""
    def VHS_LoadVideo(
        self,
        video: str | GraphSource[COMBO],
        force_rate: Annotated[float, "0.0 to 60.0"] | GraphSource[FLOAT] = 0.0,
        custom_width: Annotated[int, "0 to 8192"] | GraphSource[INT] = 0,
        custom_height: Annotated[int, "0 to 8192"] | GraphSource[INT] = 0,
        frame_load_cap: int | GraphSource[INT] = 0,
        skip_first_frames: int | GraphSource[INT] = 0,
        select_every_nth: int | GraphSource[INT] = 1,
        meta_batch: GraphSource[VHS_BatchManager] | None = None,
        vae: GraphSource[VAE] | None = None,
        **_more: Any
    ) -> _image_frame_count_audio_video_info:
        """The frames of a video in the input folder, and its sound."""
    def VHS_VideoCombine(
        self,
        images: GraphSource[IMAGE],
        frame_rate: float | GraphSource[FLOAT] = 8.0,
        loop_count: Annotated[int, "0 to 100"] | GraphSource[INT] = 0,
        filename_prefix: str | GraphSource[STRING] = "AnimateDiff",
        format: _image_gif_or_13_more | GraphSource[COMBO] = "image/gif",
        pingpong: bool | GraphSource[BOOLEAN] = False,
        save_output: bool | GraphSource[BOOLEAN] = True,
        audio: GraphSource[AUDIO] | None = None,
        meta_batch: GraphSource[VHS_BatchManager] | None = None,
        vae: GraphSource[VAE] | None = None,
        **_more: Any
    ) -> _filenames:
        """Write a batch of pictures, and a sound, as one file that moves, with the workflow that made it."""
    def VPScheduler(
        self,
        steps: Annotated[int, "1 to 10000"] | GraphSource[INT] = 20,
        beta_d: Annotated[float, "0.0 to 5000.0"] | GraphSource[FLOAT] = 19.9,
        beta_min: Annotated[float, "0.0 to 5000.0"] | GraphSource[FLOAT] = 0.1,
        eps_s: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.001,
        **_about: Unpack[_About]
    ) -> _sigmas:
        """Even steps in the time of a variance-preserving diffusion."""
    def VideoLinearCFGGuidance(
        self,
        model: GraphSource[MODEL],
        min_cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Guide the frames of a video more and more: from a scale of its own at the first to the sampler's at the last."""
    def VideoTriangleCFGGuidance(
        self,
        model: GraphSource[MODEL],
        min_cfg: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        **_about: Unpack[_About]
    ) -> _model:
        """Guide the frames in the middle of a video with the sampler's scale, and less towards both ends."""
    def Wan22FunControlToVideo(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        vae: GraphSource[VAE],
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 832,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 480,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 81,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        ref_image: GraphSource[IMAGE] | None = None,
        control_video: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> _positive_negative_latent:
        """Have a video follow another one, of edges, depths or poses: for the models of Wan 2.2 Fun control."""
    def Wan22ImageToVideoLatent(
        self,
        vae: GraphSource[VAE],
        width: Annotated[int, "32 to 16384"] | GraphSource[INT] = 1280,
        height: Annotated[int, "32 to 16384"] | GraphSource[INT] = 704,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 49,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        start_image: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> _latent:
        """Latents of a video for Wan 2.2 5B; with pictures, these are its first frames, and the rest is made."""
    def WanCameraEmbedding(
        self,
        camera_pose: _Static_or_8_more | GraphSource[COMBO] = "Static",
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 832,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 480,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 81,
        speed: Annotated[float, "0.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        fx: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.5,
        fy: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.5,
        cx: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.5,
        cy: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.5,
        **_about: Unpack[_About]
    ) -> _camera_embedding_width_height_length:
        """Say how the camera of a video moves, for WanCameraImageToVideo."""
    def WanCameraImageToVideo(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        vae: GraphSource[VAE],
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 832,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 480,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 81,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        clip_vision_output: GraphSource[CLIP_VISION_OUTPUT] | None = None,
        start_image: GraphSource[IMAGE] | None = None,
        camera_conditions: GraphSource[WAN_CAMERA_EMBEDDING] | None = None,
        **_about: Unpack[_About]
    ) -> _positive_negative_latent:
        """Begin a video with pictures and move the camera, for the models of Wan Fun camera."""
    def WanFirstLastFrameToVideo(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        vae: GraphSource[VAE],
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 832,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 480,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 81,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        clip_vision_start_image: GraphSource[CLIP_VISION_OUTPUT] | None = None,
        clip_vision_end_image: GraphSource[CLIP_VISION_OUTPUT] | None = None,
        start_image: GraphSource[IMAGE] | None = None,
        end_image: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> _positive_negative_latent:
        """Begin and end a video of Wan with pictures, for its models of image-to-video."""
    def WanFunControlToVideo(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        vae: GraphSource[VAE],
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 832,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 480,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 81,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        clip_vision_output: GraphSource[CLIP_VISION_OUTPUT] | None = None,
        start_image: GraphSource[IMAGE] | None = None,
        control_video: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> _positive_negative_latent:
        """Have a video follow another one, of edges, depths or poses: for the models of Wan 2.1 Fun control."""
    def WanFunInpaintToVideo(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        vae: GraphSource[VAE],
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 832,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 480,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 81,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        clip_vision_output: GraphSource[CLIP_VISION_OUTPUT] | None = None,
        start_image: GraphSource[IMAGE] | None = None,
        end_image: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> _positive_negative_latent:
        """Begin and end a video with pictures, for the models of Wan Fun inpaint."""
    def WanImageToVideo(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        vae: GraphSource[VAE],
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 832,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 480,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 81,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        clip_vision_output: GraphSource[CLIP_VISION_OUTPUT] | None = None,
        start_image: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> _positive_negative_latent:
        """Begin a video of Wan with pictures, for its models of image-to-video."""
    def WanMoveConcatTrack(
        self,
        tracks_1: GraphSource[TRACKS],
        tracks_2: GraphSource[TRACKS] | None = None,
        **_about: Unpack[_About]
    ) -> _tracks:
        """Put tracks beside others of the same frames."""
    def WanMoveTrackToVideo(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        vae: GraphSource[VAE],
        strength: Annotated[float, "0.0 to 100.0"] | GraphSource[FLOAT] = 1.0,
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 832,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 480,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 81,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        *,
        start_image: GraphSource[IMAGE],
        tracks: GraphSource[TRACKS] | None = None,
        clip_vision_output: GraphSource[CLIP_VISION_OUTPUT] | None = None,
        **_about: Unpack[_About]
    ) -> _positive_negative_latent:
        """Move what a picture shows along tracks through a video, for the model of Wan-Move. The negative side is shown the picture alone, so that cfg tells how much the tracks count."""
    def WanMoveTracksFromCoords(
        self,
        track_coords: GraphSource[STRING],
        track_mask: GraphSource[MASK] | None = None,
        **_about: Unpack[_About]
    ) -> _tracks_track_length:
        """Tracks of points that were drawn."""
    def WanTrackToVideo(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        vae: GraphSource[VAE],
        tracks: str | GraphSource[STRING] = "[]",
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 832,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 480,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 81,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        temperature: Annotated[float, "1.0 to 1000.0"] | GraphSource[FLOAT] = 220.0,
        topk: Annotated[int, "1 to 10"] | GraphSource[INT] = 2,
        *,
        start_image: GraphSource[IMAGE],
        clip_vision_output: GraphSource[CLIP_VISION_OUTPUT] | None = None,
        **_about: Unpack[_About]
    ) -> _positive_negative_latent:
        """Lead points of a picture along tracks through a video, for the model of Wan ATI."""
    def WanVaceToVideo(
        self,
        positive: GraphSource[CONDITIONING],
        negative: GraphSource[CONDITIONING],
        vae: GraphSource[VAE],
        width: Annotated[int, "16 to 16384"] | GraphSource[INT] = 832,
        height: Annotated[int, "16 to 16384"] | GraphSource[INT] = 480,
        length: Annotated[int, "1 to 16384"] | GraphSource[INT] = 81,
        batch_size: Annotated[int, "1 to 4096"] | GraphSource[INT] = 1,
        strength: Annotated[float, "0.0 to 1000.0"] | GraphSource[FLOAT] = 1.0,
        control_video: GraphSource[IMAGE] | None = None,
        control_masks: GraphSource[MASK] | None = None,
        reference_image: GraphSource[IMAGE] | None = None,
        **_about: Unpack[_About]
    ) -> _positive_negative_latent_trim_latent:
        """Have a video keep, change or follow another one, and show what pictures show: for the models of Wan VACE."""
    def WebcamCapture(
        self,
        image: GraphSource[WEBCAM],
        width: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        height: Annotated[int, "0 to 16384"] | GraphSource[INT] = 0,
        capture_on_queue: bool | GraphSource[BOOLEAN] = True,
        **_about: Unpack[_About]
    ) -> _image:
        """Refused: it takes a picture with the webcam of the editor's browser."""
    def ZImageFunControlnet(
        self,
        model: GraphSource[MODEL],
        model_patch: GraphSource[MODEL_PATCH],
        vae: GraphSource[VAE],
        strength: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        image: GraphSource[IMAGE] | None = None,
        inpaint_image: GraphSource[IMAGE] | None = None,
        mask: GraphSource[MASK] | None = None,
        **_about: Unpack[_About]
    ) -> _model:
        """Steer Z-Image with a picture, and have it paint into another one, through a Fun ControlNet."""
    def mxSlider(
        self,
        Xi: Annotated[int, "-4294967296 to 4294967296"] | GraphSource[INT] = 20,
        Xf: Annotated[float, "-4294967296 to 4294967296"] | GraphSource[FLOAT] = 20.0,
        isfloatX: Annotated[int, "0 to 1"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _x:
        """A number that the editor has a slider for."""
    def mxSlider2D(
        self,
        Xi: Annotated[int, "-4294967296 to 4294967296"] | GraphSource[INT] = 20,
        Xf: Annotated[float, "-4294967296 to 4294967296"] | GraphSource[FLOAT] = 20.0,
        Yi: Annotated[int, "-4294967296 to 4294967296"] | GraphSource[INT] = 20,
        Yf: Annotated[float, "-4294967296 to 4294967296"] | GraphSource[FLOAT] = 20.0,
        isfloatX: Annotated[int, "0 to 1"] | GraphSource[INT] = 0,
        isfloatY: Annotated[int, "0 to 1"] | GraphSource[INT] = 0,
        **_about: Unpack[_About]
    ) -> _x_y_2:
        """Two numbers that the editor has a slider for."""
    def unCLIPCheckpointLoader(
        self,
        ckpt_name: str | GraphSource[COMBO],
        **_about: Unpack[_About]
    ) -> _model_clip_vae_clip_vision:
        """Open a checkpoint that also reads pictures: SD 2.x unCLIP. It has the vision model that unCLIPConditioning needs."""
    def unCLIPConditioning(
        self,
        conditioning: GraphSource[CONDITIONING],
        clip_vision_output: GraphSource[CLIP_VISION_OUTPUT],
        strength: Annotated[float, "-10.0 to 10.0"] | GraphSource[FLOAT] = 1.0,
        noise_augmentation: Annotated[float, "0.0 to 1.0"] | GraphSource[FLOAT] = 0.0,
        **_about: Unpack[_About]
    ) -> _conditioning:
        """Show a picture to a model in the place of what its prompt says as a whole: SDXL's Revision."""
