"""Substitutes for small nodes of common custom node packs, by what their interfaces say: no code of theirs.

Where a pack itself is loaded (--custom-nodes), its own classes take the place of these. `NODES` says where each stands.
"""

from __future__ import annotations

_NAMED = {
    "rgthree": {
        "Any Switch (rgthree)": "AnySwitch",
        "Display Any (rgthree)": "DisplayAny",
        "Display Int (rgthree)": "DisplayInt",
        "Image Comparer (rgthree)": "ImageComparer",
        "KSampler Config (rgthree)": "KSamplerConfig",
        "Lora Loader Stack (rgthree)": "LoraLoaderStack",
        "Power Lora Loader (rgthree)": "PowerLoraLoader",
        "SDXL Empty Latent Image (rgthree)": "SdxlEmptyLatentImage",
        "weft.Nothing": "Nothing",
    },
    "contexts": {
        "Context (rgthree)": "ContextSmall",
        "Context Big (rgthree)": "ContextBig",
        "Context Merge (rgthree)": "ContextMerge",
        "Context Merge Big (rgthree)": "ContextMergeBig",
        "Context Switch (rgthree)": "ContextSwitch",
        "Context Switch Big (rgthree)": "ContextSwitchBig",
    },
    "pysssss": {
        "MathExpression|pysssss": "MathExpression",
        "PlaySound|pysssss": "PlaySound",
        "ShowText|pysssss": "ShowText",
        "StringFunction|pysssss": "StringFunction",
        "SystemNotification|pysssss": "SystemNotification",
    },
    "impact": {
        "EditBasicPipe": "EditBasicPipe",
        "FromBasicPipe": "FromBasicPipe",
        "FromBasicPipe_v2": "FromBasicPipeV2",
        "ImageListToImageBatch": "ImageListToImageBatch",
        "ImpactCompare": "ImpactCompare",
        "ImpactExecutionOrderController": "ImpactExecutionOrderController",
        "ImpactImageInfo": "ImpactImageInfo",
        "ImpactKSamplerBasicPipe": "ImpactKSamplerBasicPipe",
        "ImpactMakeImageBatch": "ImpactMakeImageBatch",
        "ImpactSwitch": "ImpactSwitch",
        "ToBasicPipe": "ToBasicPipe",
        "ToBinaryMask": "ToBinaryMask",
    },
    "essentials": {
        "GetImageSize+": "GetImageSizePlus",
        "ImageFromBatch+": "ImageFromBatchPlus",
        "ImageRemoveAlpha+": "ImageRemoveAlphaPlus",
        "ImageResize+": "ImageResizePlus",
        "MaskFlip+": "MaskFlipPlus",
        "MaskPreview+": "MaskPreviewPlus",
        "SimpleMath+": "SimpleMathPlus",
    },
    "gguf": {
        "CLIPLoaderGGUF": "CLIPLoaderGGUF",
        "DualCLIPLoaderGGUF": "DualCLIPLoaderGGUF",
        "QuadrupleCLIPLoaderGGUF": "QuadrupleCLIPLoaderGGUF",
        "TripleCLIPLoaderGGUF": "TripleCLIPLoaderGGUF",
        "UnetLoaderGGUF": "UnetLoaderGGUF",
        "UnetLoaderGGUFAdvanced": "UnetLoaderGGUFAdvanced",
    },
    "kjresize": {"ImageResizeKJv2": "ImageResizeKJv2"},
    "videohelper": {"VHS_LoadVideo": "LoadVideoUpload", "VHS_VideoCombine": "VideoCombine"},
    "easyuse": {
        "easy anythingIndexSwitch": "EasyAnythingIndexSwitch",
        "easy boolean": "EasyBoolean",
        "easy cleanGpuUsed": "EasyCleanGpuUsed",
        "easy clearCacheAll": "EasyClearCacheAll",
        "easy float": "EasyFloat",
        "easy int": "EasyInt",
        "easy mathInt": "EasyMathInt",
        "easy negative": "EasyNegative",
        "easy positive": "EasyPositive",
        "easy showAnything": "EasyShowAnything",
        "easy string": "EasyString",
    },
    "literals": {
        "CM_FloatBinaryOperation": "CmFloatBinaryOperation",
        "CM_FloatToInt": "CmFloatToInt",
        "CM_IntBinaryOperation": "CmIntBinaryOperation",
        "CM_IntToFloat": "CmIntToFloat",
        "CR Current Frame": "CrCurrentFrame",
        "CR Float To String": "CrFloatToString",
        "CR Integer To String": "CrIntegerToString",
        "CR Prompt Text": "CrPromptText",
        "CR Seed": "CrSeed",
        "CR Text": "CrText",
        "Concat Text _O": "ConcatTextO",
        "Float": "LiteralFloat",
        "FloatConstant": "FloatConstant",
        "GetImageSizeAndCount": "GetImageSizeAndCount",
        "INTConstant": "IntConstant",
        "Int": "LiteralInt",
        "JWFloat": "JwFloat",
        "JWInteger": "JwInteger",
        "JWString": "JwString",
        "JWStringMultiline": "JwStringMultiline",
        "JoinStringMulti": "JoinStringMulti",
        "JoinStrings": "JoinStrings",
        "PatchModelPatcherOrder": "PatchModelPatcherOrder",
        "PathchSageAttentionKJ": "PatchSageAttention",
        "StringConstant": "StringConstant",
        "StringConstantMultiline": "StringConstantMultiline",
        "Text Concatenate": "TextConcatenate",
        "Text Multiline": "TextMultiline",
        "Text String": "TextString",
        "Text _O": "TextO",
        "Text to Conditioning": "TextToConditioning",
        "Text to Console": "TextToConsole",
        "mxSlider": "MxSlider",
        "mxSlider2D": "MxSlider2D",
    },
}

NODES: dict[str, str] = {
    class_type: f"{__name__}.{file}:{name}" for file, names in _NAMED.items() for class_type, name in names.items()
}

BORROWED = frozenset(name for name in NODES if not name.startswith("weft."))
"""The classes that are of others' packs."""
