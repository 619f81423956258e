"""The Efficiency family: loaders and samplers that expand into core nodes, and scripts that are data.

`NODES` says where each class stands; a file is imported when it is needed.
"""

from __future__ import annotations

# Classes whose name is no identifier: class_type -> the function's name, by file.
_NAMED = {
    "encoding": {"weft.EncodePrompt": "EncodePrompt", "weft.EncodePromptRefiner": "EncodePromptRefiner"},
    "loaders": {"Eff. Loader SDXL": "EfficientLoaderSdxl", "Efficient Loader": "EfficientLoader"},
    "pictures": {
        "weft.CollectCells": "CollectCells",
        "weft.DrawPlot": "DrawPlot",
        "weft.NoPicture": "NoPicture",
        "weft.ResizeTo": "ResizeTo",
    },
    "samplers": {
        "KSampler (Efficient)": "KSamplerEfficient",
        "KSampler Adv. (Efficient)": "KSamplerAdvEfficient",
        "KSampler SDXL (Eff.)": "KSamplerSdxlEff",
    },
    "stackers": {
        "Apply ControlNet Stack": "ApplyControlNetStack",
        "Control Net Stacker": "ControlNetStacker",
        "LoRA Stack to String converter": "LoraStackToString",
        "LoRA Stacker": "LoraStacker",
    },
    "tuples": {"Pack SDXL Tuple": "PackSdxlTuple", "Unpack SDXL Tuple": "UnpackSdxlTuple", "weft.PackSdxl": "PackSdxl"},
    "xy_control": {"XY Input: Control Net": "ControlNetAxis", "XY Input: Control Net Plot": "ControlNetPlot"},
    "xy_inputs": {
        "XY Input: Add/Return Noise": "NoiseAxis",
        "XY Input: Aesthetic Score": "AscoreAxis",
        "XY Input: CFG Scale": "CfgAxis",
        "XY Input: Clip Skip": "ClipSkipAxis",
        "XY Input: Denoise": "DenoiseAxis",
        "XY Input: Prompt S/R": "PromptAxis",
        "XY Input: Refiner On/Off": "RefinerAxis",
        "XY Input: Sampler/Scheduler": "SamplerAxis",
        "XY Input: Seeds++ Batch": "SeedsAxis",
        "XY Input: Steps": "StepsAxis",
    },
    "xy_manual": {
        "Join XY Inputs of Same Type": "JoinAxes",
        "Manual XY Entry Info": "ManualEntryInfo",
        "XY Input: Manual XY Entry": "ManualEntry",
    },
    "xy_models": {
        "XY Input: Checkpoint": "CheckpointAxis",
        "XY Input: LoRA": "LoraAxis",
        "XY Input: LoRA Plot": "LoraPlot",
        "XY Input: LoRA Stacks": "LoraStacksAxis",
        "XY Input: VAE": "VaeAxis",
    },
    "xy_plot": {"XY Plot": "XyPlot"},
    "expressions": {
        "Evaluate Floats": "EvaluateFloats",
        "Evaluate Integers": "EvaluateIntegers",
        "Evaluate Strings": "EvaluateStrings",
    },
    "overlay": {"Image Overlay": "ImageOverlay"},
    "passes": {
        "weft.LatentUpscaleWithModel": "LatentUpscaleWithModel",
        "weft.NoiseKSampler": "NoiseKSampler",
        "weft.NoiseKSamplerAdvanced": "NoiseKSamplerAdvanced",
        "weft.TiledKSampler": "TiledKSampler",
    },
    "scripts": {
        "HighRes-Fix Script": "HighResFixScript",
        "Noise Control Script": "NoiseControlScript",
        "Tiled Upscaler Script": "TiledUpscalerScript",
    },
}

NODES: dict[str, str] = {
    class_type: f"{__name__}.{file}:{name}" for file, names in _NAMED.items() for class_type, name in names.items()
}
