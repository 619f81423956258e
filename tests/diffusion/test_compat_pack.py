"""A pack that samples and patches as the popular ones do, loaded from its folder and run in workflows."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from weft.engine.custom_nodes import joining
from weft.engine.session import Session
from weft.nodes import compat

PACK = '''
import torch
import comfy.samplers, comfy.sample, comfy.model_management, comfy.sd, comfy.k_diffusion.utils
import latent_preview, nodes, folder_paths
from comfy.model_patcher import ModelPatcher
from comfy_extras.nodes_custom_sampler import Guider_Basic, Noise_RandomNoise, SamplerCustomAdvanced, BasicScheduler

SAMPLING = {
    "model": ("MODEL",), "seed": ("INT", {"default": 0}), "steps": ("INT", {"default": 2}),
    "positive": ("CONDITIONING",), "negative": ("CONDITIONING",), "latent_image": ("LATENT",),
    "sampler_name": (comfy.samplers.KSampler.SAMPLERS,), "scheduler": (comfy.samplers.KSampler.SCHEDULERS,),
}


class Node:
    CATEGORY, FUNCTION, RETURN_TYPES = "mine", "go", ("LATENT",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": SAMPLING}


class MyKSampler(Node):
    """common_ksampler, as most packs do."""

    def go(self, model, seed, steps, positive, negative, latent_image, sampler_name, scheduler):
        assert isinstance(model, ModelPatcher)
        return nodes.common_ksampler(
            model, seed, steps, 4.0, sampler_name, scheduler, positive, negative, latent_image, denoise=0.8
        )


class ByHand(Node):
    """comfy.samplers.KSampler itself, with a callback and a noise of its own."""

    def go(self, model, seed, steps, positive, negative, latent_image, sampler_name, scheduler):
        device = comfy.model_management.get_torch_device()
        comfy.model_management.load_models_gpu([model], model.memory_required([1, 4, 8, 8]))
        comfy.model_management.throw_exception_if_processing_interrupted()
        samples = comfy.sample.fix_empty_latent_channels(model, latent_image["samples"])
        noise = comfy.sample.prepare_noise(samples, seed, latent_image.get("batch_index"))
        sampler = comfy.samplers.KSampler(
            model, steps=steps, device=device, sampler=sampler_name, scheduler=scheduler, denoise=0.8,
            model_options=model.model_options,
        )
        done = sampler.sample(
            noise, positive, negative, cfg=4.0, latent_image=samples, force_full_denoise=True,
            callback=latent_preview.prepare_callback(model, steps), seed=seed,
        )
        return ({**latent_image, "samples": done.to(comfy.model_management.intermediate_device())},)


class FromParts(Node):
    """SamplerCustomAdvanced's own method, over values that the pack makes."""

    def go(self, model, seed, steps, positive, negative, latent_image, sampler_name, scheduler):
        guider = Guider_Basic(model)
        guider.set_conds(positive)
        sampler = comfy.samplers.sampler_object(sampler_name)
        (sigmas,) = BasicScheduler().get_sigmas(model, scheduler, steps, 1.0)
        return SamplerCustomAdvanced().sample(Noise_RandomNoise(seed), guider, sampler, sigmas, latent_image)[:1]


class Hooked(Node):
    """A function around guidance that halves what it gets."""

    RETURN_TYPES = ("MODEL",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "place": ("STRING", {"default": ""})}}

    def go(self, model, place):
        model = model.clone()
        model.set_model_sampler_post_cfg_function(lambda args: args["denoised"] * 0.5)
        if place:
            model.set_model_patch(lambda h, options: h, place)
        return (model,)


class Encode(Node):
    RETURN_TYPES = ("CONDITIONING",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"clip": ("CLIP",), "text": ("STRING", {"default": ""})}}

    def go(self, clip, text):
        cond, pooled = clip.encode_from_tokens(clip.tokenize(text), return_pooled=True)
        return ([[cond, {"pooled_output": pooled}]],)


class Keep(Node):
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"samples": ("LATENT",)}}

    def go(self, samples):
        return (samples,)


class Load(Node):
    RETURN_TYPES = ("MODEL", "CLIP", "VAE")

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"name": (folder_paths.get_filename_list("checkpoints"),)}}

    def go(self, name):
        path = folder_paths.get_full_path("checkpoints", name)
        return comfy.sd.load_checkpoint_guess_config(path, output_vae=True, output_clip=True)[:3]


NODE_CLASS_MAPPINGS = {cls.__name__: cls for cls in (MyKSampler, ByHand, FromParts, Hooked, Encode, Keep, Load)}
'''


@pytest.fixture
def session(tmp_path: Path, make_checkpoint: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr(joining, "_IMPORTED", {})
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    (tmp_path / "models" / "checkpoints").mkdir(parents=True)
    shutil.copy(make_checkpoint("sd1"), tmp_path / "models" / "checkpoints" / "tiny.safetensors")
    (tmp_path / "custom_nodes" / "mine").mkdir(parents=True)
    (tmp_path / "custom_nodes" / "mine" / "__init__.py").write_text(textwrap.dedent(PACK))
    said: list[str] = []
    session = Session(custom_nodes=tmp_path / "custom_nodes", warn=said.append)
    assert [(pack.name, pack.error) for pack in session.custom_nodes] == [("mine", "")], said
    yield session
    compat.uninstall()
    sys.path[:] = before


def graph(class_type: str, *, hooked: bool = False, mine: bool = False, **more: Any) -> dict[str, Any]:
    """A picture's latent by a sampler of a class. mine: loaded and encoded by the pack, too."""
    loader = {"class_type": "Load", "inputs": {"name": "tiny.safetensors"}}
    own = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny.safetensors"}}
    encode = "Encode" if mine else "CLIPTextEncode"
    sampling = {"model": ["hook" if hooked else "load", 0], "seed": 3, "steps": 2, "latent_image": ["latent", 0]}
    sampling |= {"positive": ["yes", 0], "negative": ["no", 0], "sampler_name": "dpmpp_2m_sde", "scheduler": "karras"}
    return {
        "load": loader if mine else own,
        "yes": {"class_type": encode, "inputs": {"clip": ["load", 1], "text": "a (red:1.2) cat"}},
        "no": {"class_type": encode, "inputs": {"clip": ["load", 1], "text": "blurry"}},
        "latent": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "hook": {"class_type": "Hooked", "inputs": {"model": ["load", 0], "place": more.pop("place", "")}},
        "sample": {"class_type": class_type, "inputs": {**sampling, **more}},
        "keep": {"class_type": "Keep", "inputs": {"samples": ["sample", 0]}},
    }


def latent(session: Session, prompt: dict[str, Any]) -> torch.Tensor:
    result = session.execute(session.plan(session.read(prompt)))
    return result.outputs["keep"][0]["samples"]


def test_packs_that_sample_have_the_numbers_of_weft(session: Session) -> None:
    wanted = latent(session, graph("KSampler", cfg=4.0, denoise=0.8))
    for class_type in ("MyKSampler", "ByHand"):
        assert torch.equal(latent(session, graph(class_type)), wanted)
    assert torch.equal(latent(session, graph("MyKSampler", mine=True)), wanted)
    basic = latent(session, graph("KSampler", cfg=1.0, denoise=1.0))
    assert torch.equal(latent(session, graph("FromParts")), basic)


def test_a_hook_of_a_pack_counts_in_both_and_is_refused_where_it_is_set(session: Session) -> None:
    plain = latent(session, graph("KSampler", cfg=4.0, denoise=0.8))
    wanted = latent(session, graph("KSampler", hooked=True, cfg=4.0, denoise=0.8))
    assert not torch.equal(plain, wanted)
    assert torch.equal(latent(session, graph("ByHand", hooked=True)), wanted)
    with pytest.raises(Exception, match="no place 'double_block' to patch a model") as failure:
        latent(session, graph("KSampler", hooked=True, place="double_block", cfg=4.0, denoise=0.8))
    assert "Hooked" in str(failure.value)


def test_what_a_pack_replaces_is_said(session: Session, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(
        "import comfy.samplers\nown = comfy.samplers.sampling_function\n"
        "comfy.samplers.sampling_function = lambda *args, **named: own(*args, **named)\n"
        "class A:\n    INPUT_TYPES = classmethod(lambda cls: {'required': {}})\n    RETURN_TYPES = ()\n"
        "    FUNCTION = 'go'\nNODE_CLASS_MAPPINGS = {'A': A}\n"
    )
    said: list[str] = []
    import comfy.samplers

    own = comfy.samplers.sampling_function
    try:
        Session(nodes=[tmp_path / "other.py"], warn=said.append)
    finally:
        comfy.samplers.sampling_function = own
    wanted = "pack 'other' replaces comfy.samplers.sampling_function: Weft's own nodes do not call it"
    assert wanted in said
