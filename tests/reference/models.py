"""Makes the tiny random models and inputs that the reference numbers were measured with.

    python tests/reference/models.py DIR             DIR/models/... and DIR/input/...

Names, shapes, a few measured constants and the SHA-256 of every file lie beside it in models.json.gz.

Every number comes from one function, `randn(key, shape, salt)`: a Philox generator keyed by the CRC-32 of a string
(mostly the tensor's name) and by a salt. So a tensor depends neither on the order in which tensors are made nor on the
version of torch, and any one of them can be made alone.
"""

import functools
import gzip
import hashlib
import json
import math
import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

DATA = json.loads(gzip.decompress(Path(__file__).with_name("models.json.gz").read_bytes()))
LAYOUT = {name: {k: tuple(s) for k, s in shapes.items()} for name, shapes in DATA["layouts"].items()}

FIRST = 20240607  # second key word of the files that came first (those of shared/parity/models)
LATER = 777  # second key word of all further files

# ------------------------------------------------------------------------------------- random numbers


def randn(key, shape, salt):
    """Standard normal draws in float64, rounded to float32. `salt` is the whole second key word."""
    philox = np.random.Philox(key=[zlib.crc32(key.encode()), salt])
    draws = np.random.Generator(philox).standard_normal(tuple(shape))
    return torch.from_numpy(draws.astype(np.float32))


def half(t):
    return t.to(torch.float16).contiguous()


def fan_in(shape):
    return int(np.prod(shape[1:]))


NORM_MARKS = (".norm", "layer_norm", "layers.0.", "out.0.", "norm_out")


def plain(key, shape, gain, salt):
    """The rule for a tensor that is not special.

    1-D: weights are 1 + 0.15 n, biases 0.05 n, or 0.1 n where the key holds one of NORM_MARKS (as plain
    text: "layers.0." also matches the whole of CLIP's layer 0 and "out.0." also matches "to_out.0.").
    Otherwise: gain * n / sqrt(fan in).
    """
    n = randn(key, shape, salt)
    if len(shape) == 1:
        if key.endswith("weight"):
            return 1.0 + 0.15 * n
        return (0.1 if any(mark in key for mark in NORM_MARKS) else 0.05) * n
    return gain * n / np.sqrt(fan_in(shape))


def has(name, *marks):
    return any(mark in name for mark in marks)


# ------------------------------------------------------------------------------------- gains by name


def unet_gain(name):
    if "in_layers.2" in name:
        return 1.2
    if "out_layers.3" in name:
        return 0.7
    if "emb_layers.1" in name:
        return 1.3
    if has(name, "attn2.to_q", "attn2.to_k", "attn2.to_v"):
        return 1.5
    if has(name, "to_out", "ff.net.2", "proj_out"):
        return 0.6
    if "time_embed" in name:
        return 1.6
    return 1.0


def xl_unet_gain(name):
    return 1.2 if "label_emb.0.0" in name else unet_gain(name)


def later_controlnet_gain(name):
    if "input_hint_block" in name:
        return 1.5
    if has(name, "zero_convs", "middle_block_out"):
        return 0.35
    return unet_gain(name)


def first_controlnet_gain(name):
    # the first ControlNet leaves emb_layers and attn2 at gain 1
    return 1.0 if has(name, "emb_layers.1", "attn2.to_q", "attn2.to_k", "attn2.to_v") else later_controlnet_gain(name)


def vae_gain(name):
    if "encoder.conv_out" in name:
        return 2.5
    if "decoder.conv_out" in name:
        return 0.7
    return 0.6 if has(name, ".conv2.", "proj_out") else 1.0


def text_tensor(key, name, shape, salt):
    if "token_embedding" in name:
        return 0.6 * randn(key, shape, salt)
    if "position_embedding" in name:
        return 0.15 * randn(key, shape, salt)
    gain = 1.6 if has(name, "q_proj", "k_proj") else 0.8 if has(name, "out_proj", "fc2") else 1.0
    return plain(key, shape, gain, salt)


# ------------------------------------------------------------------------------------- UNets
# The first and the last convolution are special: 16 random unit directions p of the 4 latent channels go
# in twice, as +p and as -p, and come out again through the pseudo-inverse of p. So the prediction is
# about a * x + b * f(x, t, text), and sampling does not run away although the weights are random.


def directions(key, salt):
    p = randn(key, (16, 4), salt).double()
    return (p / p.norm(dim=1, keepdim=True)).float()


def first_conv(p, key, salt):
    w = 0.10 * randn(key, (32, 4, 3, 3), salt)
    for j in range(16):
        w[j, :, 1, 1] += p[j]
        w[16 + j, :, 1, 1] -= p[j]
    return w


def last_conv(unet, w, a):
    """`unet` names the pseudo-inverse [4, 16] of the directions: data, since its last bits differ by machine."""
    inverse = torch.tensor(DATA["inverse"][unet])
    for j in range(16):
        w[:, j, 1, 1] += a * inverse[:, j]
        w[:, 16 + j, 1, 1] -= a * inverse[:, j]
    return w


def last_skip(key, salt):
    s = 0.25 * randn(key, (32, 64, 1, 1), salt) / 8
    for j in range(32):
        s[j, 32 + j, 0, 0] += 1.0
    return s


@functools.cache
def unet_sd15():
    sd = {k: plain("unet." + k, s, unet_gain(k), FIRST) for k, s in LAYOUT["unet_sd15"].items()}
    p = directions("unet.proj", FIRST)
    sd["input_blocks.0.0.weight"] = first_conv(p, "unet.in", FIRST)
    sd["input_blocks.0.0.bias"] = 0.02 * randn("unet.inb", (32,), FIRST)
    sd["output_blocks.11.0.skip_connection.weight"] = last_skip("unet.skip", FIRST)
    sd["output_blocks.11.0.out_layers.3.weight"] *= 0.5
    sd["output_blocks.11.1.proj_out.weight"] *= 0.7
    w = last_conv("unet_sd15", 0.30 * randn("unet.out", (4, 32, 3, 3), FIRST) / np.sqrt(32 * 9), 1.45)
    sd["out.2.weight"] = w + 0.45 * randn("unet.out2", (4, 32, 3, 3), FIRST) / np.sqrt(32 * 9)
    sd["out.2.bias"] = 0.02 * randn("unet.outb", (4,), FIRST)
    return sd


@functools.cache
def unet_sdxl():
    sd = {k: plain("xl." + k, s, xl_unet_gain(k), FIRST + 71) for k, s in LAYOUT["unet_sdxl"].items()}
    p = directions("xl.proj", FIRST)
    sd["input_blocks.0.0.weight"] = first_conv(p, "xl.in", FIRST)
    sd["output_blocks.8.0.skip_connection.weight"] = last_skip("xl.skip", FIRST)
    sd["output_blocks.8.0.out_layers.3.weight"] *= 0.5
    sd["out.2.weight"] = last_conv("unet_sdxl", 0.54 * randn("xl.out", (4, 32, 3, 3), FIRST) / np.sqrt(32 * 9), 1.3)
    return sd


@functools.cache
def unet_sd2():
    sd = {k: plain("sd2." + k, s, unet_gain(k), LATER + 5) for k, s in LAYOUT["unet_sd2"].items()}
    p = directions("sd2.proj", LATER)
    sd["input_blocks.0.0.weight"] = first_conv(p, "sd2.in", LATER)
    sd["output_blocks.11.0.skip_connection.weight"] = last_skip("sd2.skip", LATER)
    sd["output_blocks.11.0.out_layers.3.weight"] *= 0.5
    sd["out.2.weight"] = last_conv("unet_sd2", 0.5 * randn("sd2.out", (4, 32, 3, 3), LATER) / np.sqrt(32 * 9), 1.3)
    return sd


# ------------------------------------------------------------------------------------- VAE and text


@functools.cache
def vae(salt):
    return {k: plain("vae." + k, s, vae_gain(k), salt) for k, s in LAYOUT["vae"].items()}


def text_hf(layout, prefix, salt):
    """A CLIP text model under its Hugging Face names; the key is `prefix` + name."""
    return {k: text_tensor(prefix + k, k, s, salt) for k, s in LAYOUT[layout].items()}


def open_clip(hf, layers, to, logit_scale):
    """The same text model under the names of open_clip: q, k and v in one tensor, the projection transposed."""
    t = "transformer.text_model."
    out = {
        to + "positional_embedding": hf[t + "embeddings.position_embedding.weight"],
        to + "token_embedding.weight": hf[t + "embeddings.token_embedding.weight"],
        to + "text_projection": hf["transformer.text_projection.weight"].t().contiguous(),
        to + "logit_scale": torch.tensor(logit_scale),
    }
    names = {
        "ln_1.": "layer_norm1.",
        "ln_2.": "layer_norm2.",
        "mlp.c_fc.": "mlp.fc1.",
        "mlp.c_proj.": "mlp.fc2.",
        "attn.out_proj.": "self_attn.out_proj.",
    }
    for end in ("weight", "bias"):
        out[to + "ln_final." + end] = hf[t + "final_layer_norm." + end]
        for i in range(layers):
            block, layer = f"{to}transformer.resblocks.{i}.", f"{t}encoder.layers.{i}."
            for new, old in names.items():
                out[block + new + end] = hf[layer + old + end]
            out[block + "attn.in_proj_" + end] = torch.cat([hf[f"{layer}self_attn.{x}_proj.{end}"] for x in "qkv"])
    return out


POSITIONS = torch.arange(77).unsqueeze(0)  # int64


# ------------------------------------------------------------------------------------- checkpoints


def prefixed(prefix, sd):
    return {prefix + k: half(v) for k, v in sd.items()}


@functools.cache
def sd15():
    sd = prefixed("model.diffusion_model.", unet_sd15())
    sd |= prefixed("first_stage_model.", vae(FIRST))
    sd |= prefixed("cond_stage_model.", text_hf("text_sd15", "clip.", FIRST))
    sd["cond_stage_model.transformer.text_model.embeddings.position_ids"] = POSITIONS
    return sd


@functools.cache
def sdxl():
    sd = prefixed("model.diffusion_model.", unet_sdxl())
    sd |= prefixed("first_stage_model.", vae(FIRST))  # the VAE of tiny_sd15
    sd |= prefixed("conditioner.embedders.0.", text_hf("text_sdxl_l", "xlclip.clip_l.", FIRST + 72))
    sd["conditioner.embedders.0.transformer.text_model.embeddings.position_ids"] = POSITIONS
    g = text_hf("text_sdxl_g", "xlclip.clip_g.", FIRST + 72)
    sd |= prefixed("", open_clip(g, 3, "conditioner.embedders.1.model.", 4.6055))
    return sd


def sd2(v_prediction):
    """Two checkpoints that differ in one tensor: its spread tells v-prediction from eps."""
    unet = dict(unet_sd2())
    name = "output_blocks.11.1.transformer_blocks.0.norm1.bias"
    unet[name] = (0.3 if v_prediction else 0.03) * randn("nb", (32,), LATER)
    sd = prefixed("model.diffusion_model.", unet)
    sd |= prefixed("first_stage_model.", vae(FIRST))
    sd |= prefixed("", open_clip(text_hf("text_sd2", "h.", LATER + 6), 4, "cond_stage_model.model.", 4.6))
    return sd


@functools.cache
def sd15_b():
    """tiny_sd15 plus noise of 0.35 standard deviations of each tensor.

    The deviations (float32, of the fp16 tensor) stand in the data file: how a sum is ordered differs between machines.
    """
    noisy = {}
    for k, v in sd15().items():
        if v.is_floating_point():
            noisy[k] = half(v.float() + 0.35 * torch.tensor(DATA["std_sd15"][k]) * randn("b2" + k, v.shape, LATER))
        else:
            noisy[k] = v
    return noisy


def part(sd, prefix):
    return {k[len(prefix) :]: v for k, v in sd.items() if k.startswith(prefix)}


def wider(name, base, channels):
    """A checkpoint whose first convolution takes more channels: further columns of 0.15 n, keyed by the file's name."""
    sd = dict(base)
    k = "model.diffusion_model.input_blocks.0.0.weight"
    w = sd[k].float()
    sd[k] = half(torch.cat([w, 0.15 * randn(name, (w.shape[0], channels - 4, 3, 3), LATER)], 1))
    return sd


def controlnet(layout, prefix, gain, salt):
    return {"control_model." + k: half(plain(prefix + k, s, gain(k), salt)) for k, s in LAYOUT[layout].items()}


# ------------------------------------------------------------------------------------- LoRA and its kin
# MODULES[family]: name in the manner of diffusers -> shape of the weight. CHOSEN[file]: the modules that a file treats
# otherwise than the rest; they were picked by counting through an order that nobody kept, so they are data.

MODULES = {family: {name: tuple(shape) for name, shape in rows} for family, rows in DATA["lora_modules"].items()}
CHOSEN = {name: set(modules) for name, modules in DATA["chosen"].items()}


def attention(family):
    return {k: s for k, s in MODULES[family].items() if "attentions" in k}


def kohya(name):
    return "lora_unet_" + name.replace(".", "_")


def text_modules(prefix, layers, hidden, inner, which):
    shapes = {
        "self_attn_q_proj": (hidden, hidden),
        "self_attn_k_proj": (hidden, hidden),
        "self_attn_v_proj": (hidden, hidden),
        "self_attn_out_proj": (hidden, hidden),
        "mlp_fc1": (inner, hidden),
        "mlp_fc2": (hidden, inner),
    }
    return {f"{prefix}text_model_encoder_layers_{i}_{n}": shapes[n] for i in range(layers) for n in which}


ALL_SIX = ("self_attn_q_proj", "self_attn_k_proj", "self_attn_v_proj", "self_attn_out_proj", "mlp_fc1", "mlp_fc2")
TEXT_SD15 = text_modules("lora_te_", 3, 64, 256, ALL_SIX)


def lora_pair(sd, name, shape, rank, alpha, salt, up=0.4, dtype=torch.float16, mid=False):
    """lora_down n/sqrt(fan), lora_up `up` * n, keys name + "d", "u"; `mid`: the kernel sits in lora_mid, key + "m"."""
    kernel = shape[2:]
    one = (1,) * len(kernel)
    down_shape, up_shape = (rank, shape[1], *(one if mid else kernel)), (shape[0], rank, *one)
    if mid:
        sd[name + ".lora_mid.weight"] = (
            randn(name + "m", (rank, rank, *kernel), salt) / np.sqrt(rank * math.prod(kernel))
        ).to(dtype)
    sd[name + ".lora_down.weight"] = (randn(name + "d", down_shape, salt) / np.sqrt(fan_in(down_shape))).to(dtype)
    sd[name + ".lora_up.weight"] = (up * randn(name + "u", up_shape, salt)).to(dtype)
    if alpha is not None:
        sd[name + ".alpha"] = torch.tensor(float(alpha)).to(dtype)


def lora_kohya():
    sd = {}
    for k, s in attention("sd15").items():
        lora_pair(sd, kohya(k), s, 4, 2, FIRST + 11)
    for k, s in TEXT_SD15.items():
        lora_pair(sd, k, s, 4, 2, FIRST + 11)
    return sd


def lora_b():
    """Rank 8, float32; the chosen half of the UNet's modules has an alpha (8), the other none."""
    sd = {}
    for k, s in attention("sd15").items():
        lora_pair(sd, kohya(k), s, 8, 8 if k in CHOSEN["tiny_lora_b"] else None, FIRST + 12, 0.15, torch.float32)
    for k, s in TEXT_SD15.items():
        lora_pair(sd, k, s, 8, 1, FIRST + 12, 0.8, torch.float32)
    return sd


def locon():
    sd = {}
    for k, s in MODULES["sd15"].items():
        lora_pair(sd, kohya(k), s, 4, 1, FIRST + 13, 0.6)
    for k, s in TEXT_SD15.items():
        lora_pair(sd, k, s, 4, 1, FIRST + 13, 0.6)
    return sd


def locon_tucker():
    sd = {}
    for k, s in MODULES["sd15"].items():
        if "attentions" not in k and len(s) == 4 and s[2] == 3:
            lora_pair(sd, kohya(k), s, 4, 4, FIRST + 14, 0.5, mid=True)
    return sd


def loha():
    sd = {}
    for k, s in MODULES["sd15"].items():
        if has(k, "attn", "conv1", "proj_in"):
            n = kohya(k)
            for i in (1, 2):
                sd[f"{n}.hada_w{i}_a"] = 0.7 * randn(f"{n}a{i}", (s[0], 4), FIRST + 15)
                sd[f"{n}.hada_w{i}_b"] = randn(f"{n}b{i}", (4, fan_in(s)), FIRST + 15) / fan_in(s) ** 0.25
            sd[n + ".alpha"] = torch.tensor(1.0)
    return sd


def lokr():
    """bfloat16; w1 is whole, w2 is whole for the chosen half of the modules, of rank 2 for the others."""
    sd, salt = {}, FIRST + 16
    for k, s in attention("sd15").items():
        n, rows, columns = kohya(k), s[0] // 4, s[1] // 4
        sd[n + ".lokr_w1"] = (0.35 * randn(n + "w1", (4, 4), salt)).to(torch.bfloat16)
        if k in CHOSEN["tiny_lokr"]:
            sd[n + ".lokr_w2"] = (randn(n + "w2", (rows, columns, *s[2:]), salt) / np.sqrt(s[1])).to(torch.bfloat16)
        else:
            sd[n + ".lokr_w2_a"] = randn(n + "w2a", (rows, 2), salt).to(torch.bfloat16)
            sd[n + ".lokr_w2_b"] = (randn(n + "w2b", (2, columns * math.prod(s[2:])), salt) / np.sqrt(s[1])).to(
                torch.bfloat16
            )
        sd[n + ".alpha"] = torch.tensor(2.0, dtype=torch.bfloat16)
    return sd


def dora():
    sd = {}
    for k, s in attention("sd15").items():
        if has(k, "attn2", "proj_in"):
            n = kohya(k)
            lora_pair(sd, n, s, 4, 4, FIRST + 17, 0.25)
            scale = 1.0 + 0.2 * randn(n + "ds", (1, s[1]) + (1,) * (len(s) - 2), FIRST + 17)
            sd[n + ".dora_scale"] = scale.abs().to(torch.float16)
    return sd


def lora_xl():
    """On every 2-D weight of the transformer blocks, their proj_in and proj_out, under the checkpoint's names."""
    sd = {}
    for k, s in LAYOUT["unet_sdxl"].items():
        if k.endswith(".weight") and len(s) == 2 and has(k, "transformer_blocks", "proj_"):
            lora_pair(sd, "lora_unet_" + k.removesuffix(".weight").replace(".", "_"), s, 4, 2, FIRST + 81)
    for prefix, hidden, inner in (("lora_te1_", 48, 192), ("lora_te2_", 80, 320)):
        for k, s in text_modules(prefix, 3, hidden, inner, ALL_SIX).items():
            lora_pair(sd, k, s, 4, 2, FIRST + 82)
    return sd


def lora_sd2():
    sd = {}

    def pair(name, key, shape):
        sd[name + ".lora_down.weight"] = randn("2d" + key, (4, *shape[1:]), LATER) / np.sqrt(fan_in(shape))
        sd[name + ".lora_up.weight"] = 0.3 * randn("2u" + key, (shape[0], 4) + (1,) * (len(shape) - 2), LATER)
        sd[name + ".alpha"] = torch.tensor(2.0)

    for k, s in attention("sd2").items():
        pair(kohya(k), k, s)
    for k, s in text_modules("lora_te_", 4, 80, 320, ("self_attn_q_proj", "self_attn_v_proj", "mlp_fc1")).items():
        pair(k, k, s)
    return sd


def full():
    """Whole differences for the chosen third of the modules; and biases of to_out, proj_in, proj_out, ff.net.0.proj."""
    sd = {}
    for k, s in attention("sd15").items():
        if k in CHOSEN["tiny_full"]:
            sd[kohya(k) + ".diff"] = 0.1 * randn("d" + k, s, LATER) / np.sqrt(fan_in(s))
            if has(k, "to_out", "proj"):
                sd[kohya(k) + ".diff_b"] = 0.05 * randn("db" + k, (s[0],), LATER)
    return sd


def glora(new_order=False):
    """The old order: a1 [4, in], a2 [in, 4], b1 [4, in], b2 [out, 4]; the new one swaps the names 1 and 2."""
    first, second = ("2", "1") if new_order else ("1", "2")
    sd = {}
    for k, s in attention("sd15").items():
        if len(s) == 2:
            n = kohya(k)
            sd[f"{n}.a{first}.weight"] = 0.1 * randn("a1" + k, (4, s[1]), LATER)
            sd[f"{n}.a{second}.weight"] = 0.1 * randn("a2" + k, (s[1], 4), LATER)
            sd[f"{n}.b{first}.weight"] = 0.1 * randn("b1" + k, (4, s[1]), LATER)
            sd[f"{n}.b{second}.weight"] = 0.3 * randn("b2" + k, (s[0], 4), LATER)
            sd[n + ".alpha"] = torch.tensor(2.0)
    return sd


def oft(alpha=0.01):
    sd = {}
    for k, s in attention("sd15").items():
        block = s[0] // 8
        sd[kohya(k) + ".oft_blocks"] = 0.15 * randn("oft" + k, (8, block, block), LATER)
        if alpha is not None:
            sd[kohya(k) + ".alpha"] = torch.tensor(alpha)
    return sd


def boft(alpha=0.01):
    sd = {}
    for k, s in attention("sd15").items():
        if s[0] % 16 == 0:
            sd[kohya(k) + ".oft_blocks"] = 0.15 * randn("boft" + k, (2, s[0] // 4, 4, 4), LATER)
            if alpha is not None:
                sd[kohya(k) + ".alpha"] = torch.tensor(alpha)
    return sd


def peft(rename=lambda name: name):
    sd = {}
    for k, s in attention("sd15").items():
        if len(s) == 2 and "attn" in k:
            sd[rename(f"unet.{k}.lora_A.weight")] = randn("pa" + k, (4, s[1]), LATER) / np.sqrt(s[1])
            sd[rename(f"unet.{k}.lora_B.weight")] = 0.4 * randn("pb" + k, (s[0], 4), LATER)
    return sd


def processor_names(name):
    return name.replace(".to_", ".processor.to_").replace("to_out.0", "to_out")


def diffusers_names(name):
    return name.replace(".lora_A.", ".lora.down.").replace(".lora_B.", ".lora.up.")


# ------------------------------------------------------------------------------------- upscalers


@functools.cache
def upscalers():
    """Three networks drawn from one stream: Mersenne Twister MT19937 with seed 0, esr4, then esr2, then compact4.

    Within a network in the order of its layout (ESRGAN's upsampling convolutions come first): a convolution's weight,
    then its bias, both uniform in +-1/sqrt(fan in), torch's own default. A 1-D weight is a PReLU's and stays at 0.25.
    One value takes one 32-bit word; its low 24 bits over 2^24 are u, and the value is u * (2 bound) - bound, rounded
    to float32 once (bound itself is a float32).
    """
    stream = np.random.RandomState(0)

    def uniform(shape, bound):
        words = np.frombuffer(stream.bytes(4 * math.prod(shape)), "<u4") & 0xFFFFFF
        low = np.float64(np.float32(-bound))
        values = words / 2**24 * np.float64(np.float32(-2 * low)) + low  # exact in float64
        return torch.from_numpy(values.astype(np.float32).reshape(shape))

    out = {}
    for name in ("esr4", "esr2", "compact4"):
        sd = {}
        for k, s in LAYOUT[name].items():
            if len(s) == 1 and k.endswith("weight"):
                sd[k] = torch.full(s, 0.25)
                continue
            weight = k.removesuffix("bias").removesuffix("weight") + "weight"
            sd[k] = uniform(s, 1 / math.sqrt(fan_in(LAYOUT[name][weight])))
        out[name] = sd
    return out


# ------------------------------------------------------------------------------------- input files


def latent(number, items, height, width):
    z = randn(f"lat{number}", (items, 4, height, width), FIRST + 51)
    t = (z + 0.8 * torch.nn.functional.avg_pool2d(z, 3, 1, 1)) * 4.0
    return {"latent_tensor": t.contiguous(), "latent_format_version_0": torch.tensor([])}


def picture(height, width, phase):
    """Red and green waves and ramps over a blue chequerboard: smooth parts, edges, all channels different."""
    y, x = np.mgrid[0:height, 0:width]
    r = 0.5 + 0.5 * np.sin(x / 7.0 + phase) * np.cos(y / 11.0)
    g = (y / height) * 0.8 + 0.1 * np.sin(x * y / 90.0 + phase)
    b = np.where(((x // 8) + (y // 8)) % 2 == 0, 0.85, 0.15) * (0.5 + 0.5 * x / width)
    return (np.clip(np.stack([r, g, b], -1), 0, 1) * 255).round().astype(np.uint8)


def picture_with_alpha():
    y, x = np.mgrid[0:64, 0:64]
    hole = np.exp(-((((x - 36) / 14.0) ** 2 + ((y - 26) / 10.0) ** 2) ** 2))
    alpha = np.clip(255 - 255 * hole, 0, 255).astype(np.uint8)
    return np.dstack([picture(64, 64, 0.7), alpha])


def mask_picture():
    m = np.zeros((64, 64), np.uint8)
    m[16:48, 24:64] = 255
    m[40:56, 8:24] = 128
    return np.dstack([m] * 3)


def gray_16bit():
    stream = np.random.RandomState(0)
    stream.rand(40, 56, 3), stream.rand(40, 56)  # drawn first, for pictures that are not needed here
    return (stream.rand(40, 56) * 65535).astype(np.uint16)


def png(pixels):
    """A plain PNG: gray (8 or 16 bit), RGB or RGBA, no filters."""
    rows = pixels if pixels.ndim == 3 else pixels[..., None]
    height, width, channels = rows.shape
    raw = rows.astype(">u2" if rows.dtype == np.uint16 else np.uint8).tobytes()
    step = len(raw) // height
    lines = b"".join(b"\0" + raw[i * step : (i + 1) * step] for i in range(height))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8 * rows.dtype.itemsize, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


# ------------------------------------------------------------------------------------- the files

FILES = {
    # the first files
    "models/checkpoints/tiny_sd15.safetensors": sd15,
    "models/checkpoints/tiny_sdxl.safetensors": sdxl,
    "models/vae/tiny_vae.safetensors": lambda: prefixed("", vae(FIRST + 21)),
    "models/controlnet/tiny_controlnet.safetensors": lambda: controlnet(
        "cn_sd15", "cn.", first_controlnet_gain, FIRST + 41
    ),
    "models/embeddings/tiny_ti.safetensors": lambda: {"emb_params": 0.6 * randn("ti", (3, 64), FIRST + 31)},
    "models/embeddings/tiny_ti_multi.safetensors": lambda: {
        "clip_g": randn("ti2g", (2, 128), FIRST + 31),
        "clip_l": 0.6 * randn("ti2l", (1, 64), FIRST + 31),
    },
    "models/loras/tiny_lora_kohya.safetensors": lora_kohya,
    "models/loras/tiny_lora_b.safetensors": lora_b,
    "models/loras/tiny_locon.safetensors": locon,
    "models/loras/tiny_locon_tucker.safetensors": locon_tucker,
    "models/loras/tiny_loha.safetensors": loha,
    "models/loras/tiny_lokr.safetensors": lokr,
    "models/loras/tiny_dora.safetensors": dora,
    "models/loras/tiny_lora_xl_kohya.safetensors": lora_xl,
    # the later ones
    "models/checkpoints/tiny_sd15_b.safetensors": sd15_b,
    "models/checkpoints/tiny_sd15_inpaint.safetensors": lambda: wider("tiny_sd15_inpaint", sd15(), 9),
    "models/checkpoints/tiny_sd15_ip2p.safetensors": lambda: wider("tiny_sd15_ip2p", sd15(), 8),
    "models/checkpoints/tiny_sdxl_inpaint.safetensors": lambda: wider("tiny_sdxl_inpaint", sdxl(), 9),
    "models/checkpoints/tiny_sd2_eps.safetensors": lambda: sd2(v_prediction=False),
    "models/checkpoints/tiny_sd2_v.safetensors": lambda: sd2(v_prediction=True),
    "models/diffusion_models/tiny_unet_b.safetensors": lambda: part(sd15_b(), "model.diffusion_model."),
    "models/text_encoders/tiny_clip_l_b.safetensors": lambda: part(sd15_b(), "cond_stage_model."),
    "models/controlnet/tiny_cn_sd2.safetensors": lambda: controlnet(
        "cn_sd2", "tiny_cn_sd2", later_controlnet_gain, LATER + 9
    ),
    "models/controlnet/tiny_cn_xl.safetensors": lambda: controlnet(
        "cn_xl", "tiny_cn_xl", later_controlnet_gain, LATER + 9
    ),
    "models/loras/tiny_lora_sd2.safetensors": lora_sd2,
    "models/loras/tiny_full.safetensors": full,
    "models/loras/tiny_glora.safetensors": glora,
    "models/loras/x_glora_new.safetensors": lambda: glora(new_order=True),
    "models/loras/tiny_oft.safetensors": oft,
    "models/loras/x_oft_noalpha.safetensors": lambda: oft(None),
    "models/loras/x_oft_alpha0.safetensors": lambda: oft(0.0),
    "models/loras/tiny_boft.safetensors": boft,
    "models/loras/x_boft_noalpha.safetensors": lambda: boft(None),
    "models/loras/tiny_peft.safetensors": peft,
    "models/loras/x_peft_proc.safetensors": lambda: peft(processor_names),
    "models/loras/x_diffusers3.safetensors": lambda: peft(diffusers_names),
    "models/upscale_models/esr4.safetensors": lambda: upscalers()["esr4"],
    "models/upscale_models/esr4.pth": lambda: upscalers()["esr4"],
    "models/upscale_models/esr2.safetensors": lambda: upscalers()["esr2"],
    "models/upscale_models/esr2.pth": lambda: upscalers()["esr2"],
    "models/upscale_models/compact4.safetensors": lambda: upscalers()["compact4"],
    "models/upscale_models/compact4.pth": lambda: upscalers()["compact4"],
    # inputs
    "input/img_a.png": lambda: picture(64, 64, 0.0),
    "input/img_b.png": lambda: picture(64, 96, 1.3),
    "input/img_odd.png": lambda: picture(70, 83, 2.1),
    "input/img_alpha.png": picture_with_alpha,
    "input/mask.png": mask_picture,
    "input/z_16.png": gray_16bit,
    "input/lat_a.latent": lambda: latent(1, 1, 8, 8),
    "input/lat_b.latent": lambda: latent(2, 2, 8, 12),
    "input/lat_c.latent": lambda: latent(3, 1, 16, 16),
    "input/lat_d.latent": lambda: latent(4, 4, 8, 8),
}

DTYPES = {
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.int64: "I64",
    torch.uint8: "U8",
    torch.uint16: "U16",
}


def digest(tensors):
    """SHA-256 over the tensors by name: a line `name dtype [shape]`, then the raw little-endian bytes."""
    h = hashlib.sha256()
    for name in sorted(tensors):
        t = tensors[name].contiguous()
        h.update(f"{name} {DTYPES[t.dtype]} {list(t.shape)}\n".encode())
        if t.numel():  # an empty tensor has no bytes
            h.update(t.reshape(-1).view(torch.uint8).numpy())
    return h.hexdigest()


def as_tensors(made):
    """A picture counts as one tensor "pixels" [height, width, channels]; gray has no third axis."""
    return {"pixels": torch.from_numpy(made)} if isinstance(made, np.ndarray) else made


def write(path, made, metadata):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(made, np.ndarray):
        path.write_bytes(png(made))
    elif path.suffix == ".pth":
        torch.save(dict(made), path)
    else:
        save_file({k: v.contiguous() for k, v in made.items()}, path, metadata=metadata)


def make(folder):
    """Write every file below `folder`. Raises ValueError for one that is not what the numbers were measured with."""
    for name, maker in FILES.items():
        made = maker()
        if digest(as_tensors(made)) != DATA["files"][name]["sha256"]:
            raise ValueError(f"{name}: other tensors than the reference numbers were measured with")
        write(Path(folder) / name, made, DATA["files"][name].get("metadata"))
    # This one was measured with as it is: no rule makes it.
    upscaler = "upscale_models/tiny_x4.safetensors"
    shutil.copyfile(
        Path(__file__).with_name("upscale_models") / "tiny_x4.safetensors", Path(folder) / "models" / upscaler
    )


if __name__ == "__main__":
    make(sys.argv[1])
