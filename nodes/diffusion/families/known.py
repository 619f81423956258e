"""What a file of weights is, told by the names of its tensors: without torch, so that a check before a run can ask.

Of what Weft runs, the names say no more than which loader it is for; the rest is named, so that a message can say what
somebody has there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# A key that every network of a kind and layout has, and that no other kind has.
UNET = "output_blocks.0.0.in_layers.0.weight"
UNET_OF_DIFFUSERS = "up_blocks.0.resnets.0.time_emb_proj.weight"
VAE = ("decoder.mid.block_1.conv1.weight", "encoder.mid.block_1.conv1.weight")
VAE_OF_DIFFUSERS = ("decoder.mid_block.resnets.0.conv1.weight", "encoder.mid_block.resnets.0.conv1.weight")
CONTROL = "input_hint_block.0.weight"
CONTROL_OF_DIFFUSERS = "controlnet_cond_embedding.conv_in.weight"
# As transformers names it, with and without `text_model.` in front, and as open_clip does.
TEXT = ("text_model.embeddings.token_embedding.weight", "embeddings.token_embedding.weight", "token_embedding.weight")


class KnownFile(NamedTuple):
    """A kind of file: what people call it, and what tells it.

    marks: pieces of names, each from the beginning of a part on: a file is of this kind if it has all that stand in one
        of these groups.
    """

    title: str
    marks: tuple[tuple[str, ...], ...]


def _known(title: str, *groups: str) -> KnownFile:
    return KnownFile(title, tuple(tuple(f".{mark}" for mark in group.split()) for group in groups))


# What families of Weft's own have in these tables, by the titles there.
FLUX = "FLUX"
FLUX2 = "FLUX.2"
FLUX3 = "FLUX.3"
FLUX_LORA = "FLUX, Chroma or HunyuanVideo"
SD3 = "Stable Diffusion 3"
# Of rows that are added to those of a transformer, in the names of diffusers.
JOINT_CONTROL = "a ControlNet for FLUX, Stable Diffusion 3, Qwen-Image, ..."
# Model patches: see families.model_patches.
DIFFSYNTH = "a DiffSynth ControlNet for Qwen-Image (put it in model_patches/)"
ZIMAGE_FUN = "a Fun ControlNet for Z-Image (put it in model_patches/)"
USO = "the projector of USO for FLUX (put it in model_patches/)"
# Of attention over text and picture, in the names of diffusers, which all of these have.
JOINT_LORA = "FLUX, Stable Diffusion 3 or Qwen-Image"
WAN = "Wan"
WAN_LORA = "Wan or Cosmos"
WAN_VAE = "the VAE of Wan or Qwen-Image"
UMT5 = "a UMT5 text encoder (for Wan)"
QWEN = "Qwen-Image"
QWEN21 = "Qwen-Image 2.1"
ZIMAGE = "Z-Image or Lumina Image 2"
LANGUAGE = "a language model as text encoder (Qwen, Llama, ..., for Qwen-Image, Z-Image, HiDream, ...)"
T5 = "a T5 text encoder (for FLUX, Stable Diffusion 3, ...)"
# Networks that are none of Stable Diffusion 1.x to XL, the particular before the general.
OTHER_FAMILIES = (
    _known("Chroma Radiance", "distilled_guidance_layer. nerf_final_layer_conv."),
    _known("Chroma", "distilled_guidance_layer."),
    _known("HunyuanImage or HunyuanVideo 1.5", "byt5_in."),
    _known("Hunyuan3D", "latent_in. cond_in."),
    _known("HunyuanVideo", "txt_in.individual_token_refiner.", "context_embedder.token_refiner."),
    _known("HiDream", "double_stream_blocks."),
    _known(FLUX2, "double_stream_modulation_img."),
    _known(FLUX3, "early_stream_modulations.", "content_mode_blocks."),
    _known(FLUX, "double_blocks.", "single_transformer_blocks."),
    _known(SD3, "joint_blocks.", "transformer_blocks.0.attn.add_q_proj pos_embed.proj."),
    _known(QWEN21, "txt_in.text_norm. transformer_blocks."),
    _known(QWEN, "txt_norm. transformer_blocks.", "transformer_blocks.0.img_mod."),
    _known("AuraFlow", "double_layers.", "cond_seq_linear.", "joint_transformer_blocks. single_transformer_blocks."),
    _known("Stable Cascade", "clip_txt_mapper.", "clip_txt_pooled_mapper.", "effnet_mapper."),
    _known("Hunyuan-DiT", "mlp_t5.", "text_embedding_padding"),
    _known("OmniGen2", "time_caption_embed.", "ref_image_refiner."),
    _known(ZIMAGE, "cap_embedder. layers.0.attention.", "noise_refiner."),
    _known("PixArt", "y_embedder.y_embedding", "adaln_single. pos_embed.proj.", "csize_embedder."),
    _known("Sana", "caption_norm. transformer_blocks."),
    _known("LTX-Video", "adaln_single. transformer_blocks.", "patchify_proj. transformer_blocks."),
    _known("Mochi", "t5_yproj.", "t5_y_embedder."),
    _known("ACE-Step", "genre_embedder."),
    _known("CogVideoX", "patch_embed.text_proj."),
    _known(WAN, "head.modulation", "blocks.0.cross_attn. patch_embedding.", "condition_embedder.time_embedder."),
    _known("Cosmos", "blocks.block0.", "x_embedder.proj.1. blocks.0.adaln_modulation_self_attn."),
    _known("Kandinsky 5", "visual_transformer_blocks."),
    _known("Kandinsky 2", "encoder_hid_proj.image_embeds.", "add_embedding.image_proj.", "add_embedding.image_norm."),
    _known("Kolors", "encoder_hid_proj.weight"),
    _known("Stable Audio", "to_timestep_embed. to_cond_embed.", "rotary_pos_emb.inv_freq to_timestep_embed."),
    _known("Stable Video Diffusion", "time_stack.", "temporal_transformer_blocks."),
)
_OTHER_NAMES = (
    # Before FLUX: its checkpoints say that a t5xxl is in them.
    (SD3, r"sd_?3|stable[-_. ]?diffusion[-_. ]?3"),
    (FLUX3, r"flux[-_. ]?3(?!\d)"),
    (FLUX2, r"flux[-_. ]?2(?!\d)|mistral_3_small"),
    (FLUX, r"flux|kontext|t5xxl|t5[-_]?xxl"),
    ("Chroma", r"chroma"),
    (WAN, r"(?<![a-z])wan(?![a-z])|wan_?2|umt5|chrono[-_]?edit"),
    (QWEN21, r"qwen[-_. ]?image[-_. ]?2[-_. ]?1(?!\d)"),
    (QWEN, r"qwen"),
    (ZIMAGE, r"z[-_]?image|lumina|gemma"),
    ("Hunyuan", r"hunyuan|byt5"),
    ("LTX-Video", r"ltx"),
    ("HiDream", r"hidream"),
    ("Stable Cascade", r"cascade"),
    ("Stable Video Diffusion", r"(?<![a-z])svd(?![a-z])"),
    ("Stable Audio", r"stable[-_. ]?audio|ace[-_]?step"),
    ("Kolors", r"kolors"),
    ("another family", r"auraflow|cosmos|mochi|omnigen|pixart|(?<![a-z])sana(?![a-z])|anima(?!gine)|llama|mistral"),
)
"""Family -> what files of it have in their names, as people call them."""
_OTHER_CONTROL = (
    _known(DIFFSYNTH, "controlnet_blocks.0.y_rms."),
    _known(ZIMAGE_FUN, "control_all_x_embedder."),
    _known(USO, "feature_embedder.mid_layer_norm."),
    _known("InfiniteTalk's or MultiTalk's model patch for Wan", "audio_proj.proj1. blocks.0.audio_cross_attn."),
    _known("a ControlNet-LLLite for Anima", "lllite_dit"),
    _known(JOINT_CONTROL, "controlnet_blocks.", "controlnet_x_embedder."),
    _known("a ControlNet-LLLite", "lllite_unet", "lllite_module"),
    _known("an IP-Adapter for FLUX (XLabs), which Weft does not run yet", "ip_adapter_proj_model."),
)
_OTHER_VAES = (
    _known(WAN_VAE, "decoder.middle.0.residual."),
    _known("the VAE of HunyuanVideo", "decoder.mid_block.resnets.0.conv1.conv.", "decoder.mid.block_1.conv1.conv."),
    _known("the VAE of LTX-Video", "decoder.up_blocks.0.res_blocks."),
    _known("the VAE of Stable Cascade (stage A)", "vquantizer.codebook."),
    _known("the VAE of Stable Audio", "decoder.layers.1.layers.0.beta"),
)
_OTHER_TEXT = (
    _known(UMT5, "encoder.block.1.layer.0.SelfAttention.relative_attention_bias."),
    _known(T5, "encoder.block.0.layer.0.SelfAttention."),
    _known("a Gemma text encoder (for Lumina Image 2, ...)", "model.layers.0.pre_feedforward_layernorm."),
    _known(
        LANGUAGE,
        "layers.0.self_attn.q_proj. embed_tokens.",
    ),
)
_LORA = (
    "lora_up.", "lora_down.", ".lora_A", ".lora_B", "lora.up.", "lora.down.", "lora_linear_layer.", "_lora1.down.",
    "hada_w1", "lokr_w", ".oft_", ".dora_scale",
)  # fmt: skip
# Pieces of the names of LoRA layers, with dots for underscores: of Stable Diffusion, and of others, in this order.
_OWN_LAYERS = (
    ".down.blocks.", ".up.blocks.", ".mid.block.", ".input.blocks.", ".middle.block.", ".output.blocks.",
    ".text.model.", ".conv.in.", ".conv.out.", ".time.embed",
)  # fmt: skip
_OTHER_LAYERS = (
    _known("Stable Cascade", "lora.prior."),
    _known("Chroma", "distilled.guidance.layer."),
    _known("HunyuanVideo", "txt.in.individual.token.refiner."),
    _known("HiDream", "double.stream.blocks."),
    _known(FLUX3, "content.mode.blocks.", "txt.mode.blocks."),
    _known(FLUX_LORA, "double.blocks.", "single.transformer.blocks.", "single.blocks."),
    _known(SD3, "joint.blocks."),
    _known(QWEN21, "img.mlp.gate.", "img.mlp.proj.", "img.mlp.out."),
    _known(QWEN, "img.mlp.", "img.mod."),
    _known(JOINT_LORA, "ff.context.", "norm1.context.", "attn.add.k.proj."),
    _known("AuraFlow", "double.layers."),
    _known(ZIMAGE, "noise.refiner.", "context.refiner.", "layers.0.attention."),
    _known(WAN_LORA, "blocks.0.cross.attn.", "blocks.0.self.attn."),
    _known("another family (LTX-Video, PixArt, ...)", "transformer.blocks.0.attn1."),
)
# Of diffusers' Wan; the blocks of others whose attentions are called so are `transformer_blocks`.
_WAN_OF_DIFFUSERS = re.compile(r"(?:^|transformer\.|lora_transformer_|\bmodel\.)blocks[._]\d+[._]attn[12][._]")
_CHECKPOINT = "a checkpoint (put it in checkpoints/)"
_CONTROL = "a ControlNet (put it in controlnet/)"
_UNET = "a UNet without text encoder and VAE (put it in diffusion_models/)"
_UNET_OF_DIFFUSERS = "a UNet in diffusers' layout (put it in diffusion_models/)"
_VAE = "a VAE (put it in vae/)"
_VAE_OF_DIFFUSERS = "a VAE in diffusers' layout (put it in vae/)"
_TEXT = "a text encoder (put it in text_encoders/)"
# The rest of what people have in their folders, in the order in which the names tell.
_OTHERS = (
    _known("a control-LoRA (put it in controlnet/)", "lora_controlnet"),
    _known(
        "a T2I adapter (put it in controlnet/)",
        *("body.0.in_conv.", "body.0.block1.", "adapter.body.", "body.0.resnets.0.block1."),
    ),
    _known(f"a union {_CONTROL.removeprefix('a ')}", "task_embedding", "control_add_embedding.", "spatial_ch_projs."),
    _known(
        _CONTROL, "control_model.", "controlnet_mid_block.", "controlnet_down_blocks.", "controlnet_cond_embedding."
    ),
    _known(_CONTROL, "input_hint_block.", "zero_convs."),
    _known(_CHECKPOINT, "model.diffusion_model.input_blocks."),
    _known("an IP-Adapter", "ip_adapter."),
    _known("an AnimateDiff motion module", "motion_modules."),
    _known("a GLIGEN model (put it in gligen/)", "position_net."),
    _known("a CLIP vision model", "vision_model.", "visual.transformer."),
    _known(_UNET_OF_DIFFUSERS, "down_blocks.0.resnets.0.time_emb_proj.", "time_embedding.linear_1."),
    _known(_UNET, "input_blocks."),
    _known(
        "a small VAE for previews (TAESD)",
        "decoder.layers.3.conv.0.",
        "encoder.layers.1.conv.0.",
        "3.conv.0. 3.conv.2.",
    ),
    _known(_VAE_OF_DIFFUSERS, "decoder.up_blocks.", "encoder.down_blocks."),
    _known(_VAE, "decoder.up.", "encoder.down.", "first_stage_model."),
    _known(_TEXT, "text_model.encoder.layers.", "transformer.resblocks.", "encoder.layers.0.self_attn.k_proj."),
    _known("a textual inversion (put it in embeddings/)", "emb_params", "string_to_param", "clip_l", "clip_g"),
    _known("an upscaler (put it in upscale_models/)", "rdb1.", "RDB1.", "upsampler.", "conv_first."),
    _known("a transformer of another family", "transformer_blocks.", "blocks.0.attn.", "blocks.0.self_attn."),
)
# Those of OTHER_FAMILIES that Weft runs: such a file is not whole, or was given to a loader of something else.
_RUN = (FLUX, FLUX2, FLUX3, SD3, WAN, QWEN, QWEN21, ZIMAGE)
# Titles that are spoken with a vowel first.
_VOWELS = (*"AEIOU", "LTX")


def model(title: str) -> str:
    """What `foreign` says of a model of the family that OTHER_FAMILIES calls so."""
    return f"{'an' if title.startswith(_VOWELS) else 'a'} {title} model"


# What no loader of Stable Diffusion's parts takes, as it would be called in a sentence.
_FOREIGN = (
    *_OTHER_CONTROL,
    *(KnownFile(model(known.title), known.marks) for known in OTHER_FAMILIES),
    *_OTHER_VAES,
    *_OTHER_TEXT,
)


def describe(names: Iterable[str]) -> str:
    """In a few words what a file with these keys is."""
    names = list(names)
    if not names:
        return "a file without tensors"
    return _told(names) or _unknown(names)


def recognised(names: Iterable[str]) -> bool:
    """Whether a file with these keys is of any kind that `describe` has words for."""
    return bool(_told(list(names)))


def _told(names: list[str]) -> str:
    return foreign(names) or lora(names) or _match(_OTHERS, _pieces(names))


def not_a(noun: str, names: Iterable[str]) -> str:
    """Says that a file with these keys is not the part of Stable Diffusion that was asked for, but something else."""
    names = list(names)
    found = describe(names)
    if found.startswith(f"a {noun} ("):
        keys = ", ".join(map(repr, names[:3]))
        return f"a {noun} that is not whole or in no known layout: {len(names)} keys: {keys}, ..."
    other = [model(known.title) for known in OTHER_FAMILIES if known.title not in _RUN]
    return f"not a Stable Diffusion {noun}, but {found}{', which Weft does not run yet' if found in other else ''}"


def foreign(names: Iterable[str]) -> str:
    """What a file with these keys is, if nothing here can use it: a model of another family, or a LoRA for one."""
    names = list(names)
    of_lora = lora(names)
    if of_lora:
        return of_lora if " for " in of_lora else ""
    return _match(_FOREIGN, _pieces(names))


def holds(names: Iterable[str], title: str) -> bool:
    """Whether a file with these keys is a model of the family that OTHER_FAMILIES calls so."""
    return foreign(names) == model(title)


def lora(names: Iterable[str]) -> str:
    """What kind of LoRA has these keys: "a LoRA ...", of another family "a LoRA for FLUX"; empty for another file."""
    names = list(names)
    if not any(mark in name for name in names for mark in _LORA):
        return ""
    layers = _pieces(name.replace("_", ".") for name in names)
    other = "" if any(mark in layers for mark in _OWN_LAYERS) else _match(_OTHER_LAYERS, layers)
    other = WAN_LORA if any(map(_WAN_OF_DIFFUSERS.search, names)) else other
    return f"a LoRA for {other}" if other else "a LoRA (put it in loras/)"


def text_encoder(names: Iterable[str]) -> str:
    """As `foreign`, of text encoders that are no CLIP: T5, UMT5, LANGUAGE, ...; empty for another file."""
    return _match(_OTHER_TEXT, _pieces(names))


def prefix_before(names: Iterable[str], *ends: str) -> str | None:
    """What stands before a key that is one of `ends`, or ends so behind a dot; None where no key does."""
    for name in names:
        for end in ends:
            if name == end or name.endswith(f".{end}"):
                return name.removesuffix(end)
    return None


def _pieces(names: Iterable[str]) -> str:
    """The names as one text, in which each part of a name stands behind a dot, and its end before a line's."""
    return "".join(f".{name}\n" for name in names)


def _match(table: Iterable[KnownFile], pieces: str) -> str:
    found = (known.title for known in table if any(all(mark in pieces for mark in group) for group in known.marks))
    return next(found, "")


def _unknown(names: list[str]) -> str:
    examples = ", ".join(repr(name) for name in names[:3])
    return f"something unknown ({len(names)} tensors: {examples}{', ...' if len(names) > 3 else ''})"


def family_meant(name: str) -> str:
    """The family of no network here that a file is of by its name; empty where the name does not say so."""
    return next((family for family, pattern in _OTHER_NAMES if re.search(pattern, name.lower())), "")
