"""Files of weights and the networks made of them: every key lands, nothing is run, errors say what was found."""

from __future__ import annotations

import io
import json
import pickle
import random
import re
import struct
import sys
import types
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError, DiffusionWarning
from weft.nodes.diffusion.weights.checkpoint import (
    IGNORED,
    load_checkpoint,
    load_vae,
    plan_checkpoint,
    plan_vae,
    read_tensors,
)
from weft.nodes.diffusion.weights.export import save_vae
from weft.nodes.diffusion.weights.memory import DeviceMemory
from weft.nodes.diffusion.weights.weightfile import WeightFile

from ..reference.store import document, units

CPU = torch.device("cpu")
EVERYTHING = {"device": CPU, "dtype": torch.float32}


def listing(parity, name):
    file = document(f"shapes_{name}")
    return {key: tuple(shape) for key, shape in file["keys"].items()}, file["optional_keys"]


@pytest.fixture(scope="module")
def checkpoints(parity):
    return parity / "models" / "checkpoints"


@pytest.fixture(scope="module")
def tiny_sd15(checkpoints):
    return load_checkpoint(checkpoints / "tiny_sd15.safetensors", **EVERYTHING)


@pytest.fixture(scope="module")
def tiny_tensors(checkpoints):
    return load_file(checkpoints / "tiny_sd15.safetensors")


@pytest.fixture
def tiny_shapes(tiny_tensors):
    return {key: tuple(tensor.shape) for key, tensor in tiny_tensors.items()}


# The real files, on the meta device.


@pytest.mark.parametrize(
    ("name", "keys", "parameters"),
    [
        ("sd15", 1131, 859_520_964 + 83_653_863 + 123_060_480),
        ("sd21", 1228, 865_910_724 + 83_653_863 + 354_032_641 - 1),
        ("sdxl_base", 2515, 2_567_463_684 + 83_653_863 + 123_060_480 + 694_659_841 - 1),
        ("sdxl_refiner", 1858, 2_259_526_660 + 83_653_863 + 694_659_841 - 1),
    ],
)
def test_every_key_of_the_real_files_lands(parity, name, keys, parameters):
    shapes, optional = listing(parity, name)
    assert len(shapes) == keys
    family, plan = plan_checkpoint(shapes)
    landed = {part.prefix + key for part in plan for key in part.landings}
    assert {key.rpartition(".")[2] for key in shapes.keys() - landed} <= {"position_ids", "logit_scale"}
    for part in plan:
        targets = [landing.target for many in part.landings.values() for landing in many]
        assert sorted(targets) == sorted(dict(part.module.named_parameters())), part.name
    assert [part.name for part in plan] == ["unet", *(tower.name for tower in family.text_encoders), "vae"]
    # One number of open_clip's, logit_scale, is no network's.
    assert sum(p.numel() for part in plan for p in part.module.parameters()) == parameters
    harmless = {key: shape for key, shape in optional.items() if not key.startswith("edm")}
    plan_checkpoint({**shapes, **{key: tuple(shape) for key, shape in harmless.items()}})


def test_a_file_with_running_averages_lands_too(tiny_shapes):
    averages = {f"model_ema.{key.replace('.', '')}": shape for key, shape in tiny_shapes.items()}
    plan_checkpoint({**tiny_shapes, **averages, "model_ema.decay": ()})


def test_each_missing_key_is_named(tiny_shapes):
    optional = [key for key in tiny_shapes if key.endswith("position_ids")]
    keys = sorted(set(tiny_shapes) - set(optional))
    # Every kind of key, and a sample of the rest: planning takes a moment.
    chosen = random.Random(0).sample(keys, 10)
    chosen += ["model.diffusion_model.input_blocks.0.0.weight", "model.diffusion_model.out.2.weight"]
    chosen += ["model.diffusion_model.input_blocks.1.0.in_layers.2.weight", "first_stage_model.quant_conv.bias"]
    chosen += ["cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"]
    chosen += ["first_stage_model.encoder.conv_in.weight", "first_stage_model.encoder.down.2.block.0.conv1.weight"]
    for key in chosen:
        with pytest.raises(CheckpointError) as error:
            plan_checkpoint({k: s for k, s in tiny_shapes.items() if k != key})
        assert repr(key) in str(error.value)
        assert "missing" in str(error.value)
    plan_checkpoint({k: s for k, s in tiny_shapes.items() if k not in optional})


@pytest.mark.parametrize(
    "key",
    [
        "model.diffusion_model.input_blocks.1.2.weight",
        "first_stage_model.encoder.mid.attn_2.q.weight",
        "cond_stage_model.transformer.text_model.encoder.extra",
    ],
)
def test_each_unexpected_key_is_warned_about(tiny_shapes, key):
    told = []
    plan_checkpoint({**tiny_shapes, key: (1,)}, warn=told.append)
    assert told == [f"1 ignored key: '{key}', of no network here"]


def test_many_keys_are_counted(tiny_shapes):
    where, told = "first_stage_model.x", []
    plan_checkpoint({**tiny_shapes, **{f"{where}{i}": (1,) for i in range(7)}}, warn=told.append)
    assert re.match(rf"7 ignored keys: '{where}0', .*'{where}4', \.\.\.", told[0])


def test_keys_beside_the_networks_are_warned_about(tiny_shapes):
    with pytest.warns(DiffusionWarning) as told:
        plan_checkpoint({**tiny_shapes, "something.else": (1,), "lvlb_weights2": (1,)})
    (message,) = [str(one.message) for one in told]
    assert message == "2 ignored keys: 'lvlb_weights2', 'something.else', of no network here"


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("model.diffusion_model.time_embed.0.bias", (127,)),
        ("model.diffusion_model.middle_block.0.in_layers.2.weight", (128, 128, 1, 1)),
        ("first_stage_model.encoder.mid.attn_1.q.weight", (128, 128, 3, 3)),
        ("cond_stage_model.transformer.text_model.final_layer_norm.bias", ()),
    ],
)
def test_a_wrong_shape_is_named(tiny_shapes, key, shape):
    with pytest.raises(CheckpointError) as error:
        plan_checkpoint({**tiny_shapes, key: shape})
    assert repr(key) in str(error.value)
    assert str(list(shape)) in str(error.value)


def test_a_network_that_cannot_be_built_is_an_error_of_the_file(tiny_shapes):
    stated = {"weft.config": json.dumps({"unet": {"norm_num_groups": 7}})}
    with pytest.raises(CheckpointError, match="no UNet can be built"):
        plan_checkpoint(tiny_shapes, stated)
    stated = {"weft.config": json.dumps({"text_encoders": {"clip_l": {"hidden_act": "nope"}}})}
    with pytest.raises(CheckpointError, match="no clip_l can be built"):
        plan_checkpoint(tiny_shapes, stated)


def test_the_ignored_keys_are_patterns_of_whole_keys():
    import re

    for pattern, reason in IGNORED.items():
        assert re.compile(pattern).fullmatch("model.diffusion_model.out.2.weight") is None
        assert reason


# What is loaded computes what ComfyUI computed.


def test_the_unet_computes_the_numbers_of_comfyui(tiny_sd15, parity):
    numbers = units("unet")
    unet = tiny_sd15.model.network.module()
    for case in "abcd":
        with torch.inference_mode():
            out = unet(numbers[f"{case}/x"], numbers[f"{case}/t"], numbers[f"{case}/context"]).sample
        expected = numbers[f"{case}/out"]
        assert (out - expected).abs().max() <= 1e-6 * expected.abs().max(), case
    embedded = unet.time_proj(numbers["timestep_embedding/t"])
    torch.testing.assert_close(embedded, numbers["timestep_embedding/out32"], rtol=1e-6, atol=1e-6)


def test_the_sockets_of_both_tiny_checkpoints(tiny_sd15, checkpoints):
    xl = load_checkpoint(checkpoints / "tiny_sdxl.safetensors", **EVERYTHING)
    for loaded, names in ((tiny_sd15, ["clip_l"]), (xl, ["clip_l", "clip_g"])):
        assert [encoder.name for encoder in loaded.clip.encoders] == names
        assert loaded.model.latent_scale == loaded.kind.latent_scale
        assert loaded.model.sampling.prediction == "eps"
        assert loaded.model.nbytes == 0
        networks = [loaded.model.network, loaded.vae.network, *(encoder.network for encoder in loaded.clip.encoders)]
        tensors = [t for n in networks for t in (*n.base.parameters(), *n.base.buffers())]
        assert not any(tensor.is_meta or tensor.requires_grad or tensor.is_inference() for tensor in tensors)
        assert not any(module.training for network in networks for module in network.base.modules())
        held = dict(part for socket in (loaded.model, loaded.clip, loaded.vae) for part in socket.memory_parts)
        assert sum(held.values()) == sum(p.nbytes for n in networks for p in n.base.parameters())
        for encoder in loaded.clip.encoders:
            (positions,) = (b for name, b in encoder.network.base.named_buffers() if name.endswith("position_ids"))
            assert positions.tolist() == [list(range(77))]


def test_open_clips_forms_arrive(checkpoints):
    stored = load_file(checkpoints / "tiny_sdxl.safetensors")
    xl = load_checkpoint(checkpoints / "tiny_sdxl.safetensors", **EVERYTHING)
    loaded = xl.clip.encoders[1].network.base.state_dict()
    prefix = "conditioner.embedders.1.model."
    fused = stored[f"{prefix}transformer.resblocks.2.attn.in_proj_weight"].float()
    for i, name in enumerate("qkv"):
        weight = loaded[f"text_model.encoder.layers.2.self_attn.{name}_proj.weight"]
        assert torch.equal(weight, fused.chunk(3)[i])
    assert torch.equal(loaded["text_projection.weight"], stored[f"{prefix}text_projection"].float().T)


def test_matching_formats_are_views_into_the_file_and_others_copies(checkpoints, tiny_tensors):
    path = checkpoints / "tiny_sd15.safetensors"
    half = load_checkpoint(path, device=CPU, dtype=torch.float16)
    weights = list(half.model.network.base.parameters())
    assert all(weight.dtype == torch.float16 for weight in weights)
    maps = Path("/proc/self/maps")
    if maps.exists():
        lines = [line.split() for line in maps.read_text().splitlines() if line.endswith(str(path))]
        spans = [tuple(int(end, 16) for end in line[0].split("-")) for line in lines]
        assert all(any(start <= weight.data_ptr() < end for start, end in spans) for weight in weights)
    mixed = load_checkpoint(path, device=CPU, dtype=torch.bfloat16, text_dtype=torch.float16, vae_dtype=torch.float32)
    networks = (mixed.model.network, mixed.clip.encoders[0].network, mixed.vae.network)
    dtypes = [{p.dtype for p in network.base.parameters()} for network in networks]
    assert dtypes == [{torch.bfloat16}, {torch.float16}, {torch.float32}]
    assert {p.dtype for p in half.vae.network.base.parameters()} == {torch.float32}, "float16 is too small for a VAE"
    key = "model.diffusion_model.out.2.weight"
    assert torch.equal(half.model.network.base.conv_out.weight, tiny_tensors[key])


def test_a_file_without_text_encoder_and_vae_gives_none(tiny_tensors, tmp_path):
    unet = {key: tensor for key, tensor in tiny_tensors.items() if key.startswith("model.diffusion_model.")}
    save_file(unet, tmp_path / "unet.safetensors")
    loaded = load_checkpoint(tmp_path / "unet.safetensors", **EVERYTHING)
    assert loaded.clip is None
    assert loaded.vae is None


def test_loading_under_inference_mode_gives_plain_tensors(checkpoints):
    with torch.inference_mode():
        loaded = load_checkpoint(checkpoints / "tiny_sd15.safetensors", **EVERYTHING)
    assert not any(parameter.is_inference() for parameter in loaded.model.network.base.parameters())


def test_one_device_memory_serves_several_checkpoints(checkpoints):
    memory = DeviceMemory(CPU)
    loaded = load_checkpoint(checkpoints / "tiny_sd15.safetensors", device=memory, dtype=torch.float32)
    assert loaded.model.network.memory is memory
    assert loaded.vae.network.memory is memory


def test_a_vae_of_its_own_equals_the_one_in_the_checkpoint(tiny_sd15, parity):
    vae = load_vae(parity / "models" / "vae" / "tiny_vae.safetensors", **EVERYTHING)
    names = dict(vae.network.base.named_parameters()).keys()
    assert names == dict(tiny_sd15.vae.network.base.named_parameters()).keys()
    shapes = WeightFile(parity / "models" / "vae" / "tiny_vae.safetensors").shapes
    plan_vae({**shapes, "loss.logvar": (), "model_ema.decay": ()})
    with pytest.raises(CheckpointError, match="1 missing key: 'quant_conv.bias'"):
        plan_vae({key: shape for key, shape in shapes.items() if key != "quant_conv.bias"})


@pytest.mark.parametrize(
    ("folder", "file", "what"),
    [
        ("loras", "tiny_lora_kohya.safetensors", "a LoRA"),
        ("loras", "tiny_loha.safetensors", "a LoRA"),
        ("loras", "tiny_lokr.safetensors", "a LoRA"),
        ("loras", "tiny_dora.safetensors", "a LoRA"),
        ("vae", "tiny_vae.safetensors", "a VAE"),
        ("controlnet", "tiny_controlnet.safetensors", "a ControlNet"),
        ("embeddings", "tiny_ti.safetensors", "a textual inversion"),
        ("embeddings", "tiny_ti_multi.safetensors", "a textual inversion"),
    ],
)
def test_a_file_of_another_kind_is_recognised(parity, folder, file, what):
    with pytest.raises(CheckpointError, match=f"{file}: not a Stable Diffusion checkpoint, but {what}"):
        load_checkpoint(parity / "models" / folder / file, **EVERYTHING)


def test_the_vae_of_a_checkpoint_is_one(checkpoints):
    path = checkpoints / "tiny_sd15.safetensors"
    alone, whole = load_vae(path, **EVERYTHING), load_checkpoint(path, **EVERYTHING)
    latent = torch.rand(1, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(alone.decode(latent), whole.vae.decode(latent))


def test_a_vae_in_diffusers_layout_and_one_half_of_it(checkpoints, tmp_path):
    vae = load_vae(checkpoints / "tiny_sd15.safetensors", **EVERYTHING)
    tensors = {name: tensor.clone() for name, tensor in vae.network.base.state_dict().items()}
    save_file(tensors, tmp_path / "diffusers.safetensors")
    latent = torch.rand(1, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    pixels = torch.rand(1, 32, 32, 3, generator=torch.Generator().manual_seed(2))
    again = load_vae(tmp_path / "diffusers.safetensors", **EVERYTHING)
    assert torch.equal(again.decode(latent), vae.decode(latent))
    assert torch.equal(again.encode(pixels), vae.encode(pixels))
    half = {name: tensor for name, tensor in tensors.items() if not name.startswith(("encoder.", "quant_conv."))}
    save_file(half, tmp_path / "decoder.safetensors")
    told = []
    decoder = load_vae(tmp_path / "decoder.safetensors", **EVERYTHING, warn=told.append)
    assert told == ["decoder.safetensors: its VAE has no encoder"]
    assert torch.equal(decoder.decode(latent), vae.decode(latent))
    with pytest.raises(DiffusionError, match="no encoder"):
        decoder.encode(pixels)
    with pytest.raises(DiffusionError, match="no encoder"):
        save_vae(io.BytesIO(), decoder, {})


def test_weights_that_are_no_numbers_are_refused(tiny_tensors, tmp_path):
    key = "model.diffusion_model.out.2.bias"
    save_file({**tiny_tensors, key: torch.ones(4, dtype=torch.int64)}, tmp_path / "ints.safetensors")
    with pytest.raises(CheckpointError, match=f"ints.safetensors: key '{key}' holds torch.int64"):
        load_checkpoint(tmp_path / "ints.safetensors", **EVERYTHING)


# Files.


def save_old_checkpoint(path, tensors, **options):
    """As pytorch-lightning saved Stable Diffusion 1: weights under state_dict, its own objects beside them."""
    import numpy as np

    names = ("pytorch_lightning", "pytorch_lightning.callbacks", "pytorch_lightning.callbacks.model_checkpoint")
    modules = {name: types.ModuleType(name) for name in names}
    callback = type("ModelCheckpoint", (), {"__module__": names[-1], "__qualname__": "ModelCheckpoint"})
    modules[names[-1]].ModelCheckpoint = callback
    sys.modules.update(modules)
    try:
        callbacks = {callback: {"best_model_score": np.float64(0.5), "current_score": torch.tensor(1.0)}}
        torch.save({"epoch": 3, "state_dict": tensors, "callbacks": callbacks}, path, **options)
    finally:
        for name in names:
            del sys.modules[name]


@pytest.mark.parametrize("zipped", [True, False])
def test_an_old_ckpt_loads_to_the_same_weights(tiny_tensors, tiny_sd15, tmp_path, zipped):
    path = tmp_path / "old.ckpt"
    extra = {"betas": torch.ones(1000), "model_ema.num_updates": torch.tensor(3)}
    save_old_checkpoint(path, {**tiny_tensors, **extra}, _use_new_zipfile_serialization=zipped)
    loaded = load_checkpoint(path, **EVERYTHING)
    expected = tiny_sd15.model.network.base.state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in loaded.model.network.base.state_dict().items())


def test_tensors_are_read_as_stored(parity):
    path = parity / "models" / "embeddings" / "tiny_ti_multi.safetensors"
    tensors = read_tensors(path)
    assert {key: list(tensor.shape) for key, tensor in tensors.items()} == {"clip_l": [1, 64], "clip_g": [2, 128]}


def test_nested_tensors_are_named_by_their_path(tmp_path):
    torch.save({"string_to_param": {"*": torch.ones(2, 3)}, "name": "x", "step": 3}, tmp_path / "ti.pt")
    assert list(read_tensors(tmp_path / "ti.pt")) == ["string_to_param.*"]


def test_content_counts_not_the_name(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "really_safe.ckpt")
    assert torch.equal(read_tensors(tmp_path / "really_safe.ckpt")["a"], torch.ones(2))


def test_windows_of_a_file_do_not_change_what_is_read(checkpoints, monkeypatch):
    from weft.nodes.diffusion.weights import weightfile

    path = checkpoints / "tiny_sd15.safetensors"
    whole = load_file(path)
    monkeypatch.setattr(weightfile, "_WINDOW", 1 << 20)
    pieces = dict(WeightFile(path).tensors())
    assert pieces.keys() == whole.keys()
    assert all(torch.equal(pieces[key], whole[key]) for key in whole)
    assert [key for key, _ in WeightFile(path).tensors(["b", "betas"])] == []


class Harmful:
    """Would leave a trace if it were ever unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (open, (str(self.trace), "w"))


@pytest.mark.parametrize("name", ["x.ckpt", "x.safetensors", "x.pt"])
@pytest.mark.parametrize("how", ["torch", "old torch", "pickle", "pickle 0"])
def test_no_pickle_is_ever_run(tmp_path, name, how):
    trace, path = tmp_path / "trace", tmp_path / name
    content = {"state_dict": {"a": torch.ones(1)}, "extra": Harmful(trace)}
    if how.endswith("torch"):
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    else:
        path.write_bytes(pickle.dumps({"a": Harmful(trace)}, protocol=0 if how.endswith("0") else 4))
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path, **EVERYTHING)
    assert not trace.exists()
    assert name in str(error.value)
    expected = {
        "torch": "a pickle posing as .safetensors" if name.endswith("safetensors") else "holds more than tensors",
        "pickle": "a Python pickle, which could run anything",
    }
    assert expected.get(how.removeprefix("old "), "text") in str(error.value)


def content_of(*parts):
    return b"".join(part if isinstance(part, bytes) else struct.pack("<Q", part) for part in parts)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes.*empty"),
        (b"<!DOCTYPE html><html><body>404", "an HTML page"),
        (b"\n  <HTML>", "an HTML page"),
        (b"<?xml version='1.0'?><Error>", "an XML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 4", "a git-lfs pointer"),
        (b'{"error": "not found"}', "text"),
        (b"GGUF\x03\x00\x00\x00", "its GGUF header is damaged"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\0" * 4096, "zeros"),
        (b"\x01\x02\x03\x04\xff\xfe\xfd\xfc\xfb", "starts with 01 02 03"),
        (content_of(2, b"{}"), "holds no tensors|without tensors"),
        (content_of(500, b'{"a":'), "truncated: 13 bytes.*508"),
        (content_of(5, b'{"a":'), "header is damaged"),
        (content_of(8, b'{"a": 3}'), "header is damaged"),
        (content_of(9, b'{"a": {}}'), "header is damaged"),
        (content_of(10**15, b"{"), "starts with|no file of weights"),
    ],
)
def test_what_is_no_file_of_weights_is_named(tmp_path, content, words):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=words) as error:
        load_checkpoint(path, **EVERYTHING)
    assert "model.safetensors" in str(error.value)


@pytest.mark.parametrize("kept", [-1, -100_000, 200_000, 1_000, 9])
def test_a_truncated_file_says_how_much_is_there(parity, tmp_path, kept):
    whole = (parity / "models" / "vae" / "tiny_vae.safetensors").read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(whole[:kept])
    with pytest.raises(CheckpointError, match=f"cut.safetensors is truncated: {len(whole[:kept])} bytes"):
        load_vae(path, **EVERYTHING)
    path.write_bytes(whole + b"x")
    with pytest.raises(CheckpointError, match=f"damaged: {len(whole) + 1} bytes, its header describes {len(whole)}"):
        load_vae(path, **EVERYTHING)


def test_a_damaged_header_is_an_error_and_nothing_worse(parity, tmp_path):
    whole = (parity / "models" / "embeddings" / "tiny_ti_multi.safetensors").read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    path, rng = tmp_path / "flipped.safetensors", random.Random(1)
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.randrange(8 + length)] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            read_tensors(path)
        except CheckpointError as error:
            assert "flipped.safetensors" in str(error)


def test_damaged_torch_files_are_errors(tmp_path):
    path = tmp_path / "x.ckpt"
    torch.save({"state_dict": {"a": torch.ones(10)}}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-50])
    with pytest.raises(CheckpointError, match="no torch file or damaged"):
        load_checkpoint(path, **EVERYTHING)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match="no torch file or damaged"):
        load_checkpoint(path, **EVERYTHING)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="holds no tensors, but list"):
        load_checkpoint(path, **EVERYTHING)
    torch.save({"state_dict": {"a": torch.ones(10)}}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path, **EVERYTHING)


def test_no_file_and_no_file_but_a_folder(tmp_path):
    with pytest.raises(CheckpointError, match="no such file: .*gone.safetensors"):
        load_checkpoint(tmp_path / "gone.safetensors", **EVERYTHING)
    with pytest.raises(CheckpointError, match="is not a file"):
        load_checkpoint(tmp_path, **EVERYTHING)
