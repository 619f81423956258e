"""The classes that workflows use most, the commonest first, as public workflows of Stable Diffusion have them.

Lists of classes show these first: what usually gives a MODEL, what usually takes a LATENT.
"""

from __future__ import annotations

COMMON = (
    "VAEDecode", "CLIPTextEncode", "LoadImage", "SaveImage", "KSampler", "CheckpointLoaderSimple", "VAELoader",
    "PreviewImage", "EmptyLatentImage", "UNETLoader", "VAEEncode", "CLIPLoader", "KSamplerSelect", "DualCLIPLoader",
    "RandomNoise", "SamplerCustomAdvanced", "LoraLoader", "LoraLoaderModelOnly", "KSamplerAdvanced",
    "UpscaleModelLoader", "ImageScale", "BasicGuider", "BasicScheduler", "ConditioningZeroOut",
    "ImageUpscaleWithModel", "ControlNetLoader", "ControlNetApplyAdvanced", "ImageScaleToTotalPixels", "MaskToImage",
    "ImageScaleBy", "CLIPSetLastLayer", "CFGGuider", "LatentUpscale", "ImageCompositeMasked", "VAEDecodeTiled",
    "EmptyImage", "KSampler (Efficient)", "PreviewAny", "SamplerCustom", "InvertMask", "SolidMask", "Efficient Loader",
    "ConditioningCombine", "ControlNetApply", "InpaintModelConditioning", "GrowMask", "VAEEncodeForInpaint",
    "ImageToMask", "LoadImageMask", "MaskComposite", "ImageFromBatch", "SaveAnimatedWEBP", "SetLatentNoiseMask",
    "ConditioningSetTimestepRange", "DifferentialDiffusion", "ImageBatch", "FreeU_V2", "ImagePadForOutpaint",
    "CLIPTextEncodeSDXL", "LatentUpscaleBy", "XY Plot", "VAEEncodeTiled", "ImageBlend", "Eff. Loader SDXL", "ImageCrop",
    "CLIPTextEncodeSDXLRefiner", "LoRA Stacker", "DisableNoise", "SplitSigmas", "ConditioningConcat",
    "ConditioningSetArea", "CLIPVisionLoader", "CLIPVisionEncode", "LoadVideo", "SaveVideo", "CreateVideo", "LoadAudio",
)  # fmt: skip
