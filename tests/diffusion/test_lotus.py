"""Lotus, held to diffusers' UNet called as the published pipelines call it: no values of ComfyUI's are at hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

import weft
from weft.engine.errors import InvalidWorkflow, MissingFile
from weft.engine.folders import Folders
from weft.nodes.core.lotus import ENCODER, encoder_file
from weft.nodes.core.standins import BASE
from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.families import recognise
from weft.nodes.diffusion.families.sd.tiny import UNET, small_file
from weft.nodes.diffusion.sampling.custom import custom_sample
from weft.nodes.diffusion.sampling.guidance import CFG
from weft.nodes.diffusion.sampling.guiders import Guider
from weft.nodes.diffusion.sampling.noise import NoNoise, RandomNoise
from weft.nodes.diffusion.sampling.spellings import find_sampler
from weft.nodes.diffusion.text.tokenizer import END, START
from weft.nodes.diffusion.weights.checkpoint import load_unet
from weft.nodes.diffusion.weights.networks import check

from ..reference.store import document
from .ksampling import ksample

SCALE, LAST = 0.18215, 999
CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}


def of_diffusers(channels: int) -> Any:
    """A small UNet as the publishers' configuration has it, but for its sizes."""
    torch.manual_seed(3)
    four: dict[str, Any] = {"block_out_channels": (32, 64, 64, 64), "attention_head_dim": (2, 4, 4, 4)}
    four["layers_per_block"] = 1
    told: dict[str, Any] = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 4}
    made: Any = UNet2DConditionModel
    net = made(in_channels=channels, cross_attention_dim=80, use_linear_projection=True, **four, **told)
    return net.eval().requires_grad_(False)


def rows() -> Tensor:
    return torch.randn(1, 2, 80, generator=torch.Generator().manual_seed(5))


def picture() -> Tensor:
    """The latent of a picture, as a VAE gives it."""
    return torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(6)) / SCALE


@torch.inference_mode()
def published(net: Any, sample: Tensor) -> Tensor:
    """What LotusDPipeline and LotusGPipeline make of what they give the network: a latent, not scaled."""
    task = torch.tensor([[1.0, 0.0]])
    told = torch.cat([task.sin(), task.cos()], dim=-1)
    rows_of_all = rows().expand(len(sample), -1, -1)
    given = {"encoder_hidden_states": rows_of_all, "class_labels": told.expand(len(sample), -1), "return_dict": False}
    seen: Tensor = net(sample, torch.tensor(LAST), **given)[0]
    return seen / SCALE


@pytest.mark.parametrize("layout", ["ldm", "diffusers"])
def test_the_model_that_looks_at_a_latent(layout: str, tmp_path: Path) -> None:
    """Lotus-D in the parts of its template: no noise, one step of Euler from a first sigma of 999."""
    net = of_diffusers(4)
    file = tmp_path / "lotus-depth-d.safetensors"
    save_file(net.state_dict(), file)
    if layout == "ldm":
        whole = load_unet(file, **CPU).kind.exported(net, None, None, "x")
        save_file({key.removeprefix(UNET): stored.make() for key, stored in whole.tensors.items()}, file)
        assert "label_emb.0.0.weight" in load_file(file)
    model = load_unet(file, **CPU)
    assert (model.kind.name, model.kind.title) == ("lotus", "Lotus")
    guider = Guider(model, CFG([[rows(), {}]], [], 1.0))
    found, _ = custom_sample(
        guider, find_sampler("euler"), torch.tensor([999.0, 0.0]), NoNoise(0), {"samples": picture()}
    )
    torch.testing.assert_close(found["samples"], published(net, picture() * SCALE), atol=1e-4, rtol=1e-4)


def test_the_model_that_begins_with_noise(tmp_path: Path) -> None:
    """Lotus-G reads the latent of the picture before the noise; KSampler's one step is its pipeline's."""
    net = of_diffusers(8)
    save_file(net.state_dict(), tmp_path / "lotus-depth-g.safetensors")
    model = load_unet(tmp_path / "lotus-depth-g.safetensors", **CPU)
    latent = {"samples": torch.zeros(2, 4, 8, 8)}
    settings: dict[str, Any] = {"seed": 4, "steps": 1, "cfg": 1.0, "sampler": "euler", "scheduler": "normal"}
    shown = [[rows(), {"concat_latent_image": picture()}]]
    found = ksample(model, latent, positive=shown, negative=shown, **settings)["samples"]
    noise = RandomNoise(4).generate_noise(latent)
    expected = published(net, torch.cat([picture() * SCALE, noise], dim=1))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    with pytest.raises(DiffusionError, match="Lotus-G looks at a picture, and there is none; give it with Instruct"):
        ksample(model, latent, positive=[[rows(), {}]], negative=[[rows(), {}]], **settings)


def test_the_released_size() -> None:
    """SD 2.1's UNet with a projection of the task: 0.87 billion numbers, of which each lands."""
    keys = {key: tuple(shape) for key, shape in document("shapes_sd21")["keys"].items() if key.startswith(UNET)}
    told = {"0.0.weight": (1280, 4), "0.0.bias": (1280,), "0.2.weight": (1280, 1280), "0.2.bias": (1280,)}
    keys |= {f"{UNET}label_emb.{name}": shape for name, shape in told.items()}
    kind = recognise(keys)
    assert (kind.title, kind.process().prediction, kind.latent_format.scale) == ("Lotus", "img_to_img", SCALE)
    assert kind.model_part().module.config["attention_head_dim"] == (5, 10, 20, 20)
    check([kind.model_part()], keys)
    assert sum(map(math.prod, keys.values())) == 865_910_724 + 1280 * (4 + 1 + 1280 + 1)


def text_model(layers: int) -> Any:
    torch.manual_seed(1)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": layers, "num_attention_heads": 4}
    return CLIPTextModel(CLIPTextConfig(**sizes, hidden_act="gelu")).eval().requires_grad_(False)


def test_the_empty_prompt_is_that_of_two_marks(tmp_path: Path) -> None:
    """As transformers writes it without padding: of diffusers' file, which lacks the last layer, and of a whole one."""
    for layers in (23, 24):
        model = text_model(layers)
        folder = tmp_path / str(layers)
        placed(folder, "text_encoders", "h.safetensors", {name: t.clone() for name, t in model.state_dict().items()})
        prompt = {"1": {"class_type": "LotusConditioning", "inputs": {}}}
        [[found, options]] = weft.run(prompt, targets=["1"], models=(folder,), device="cpu", dtype="float32")["1"][0]
        states = model(torch.tensor([[START, END]]), output_hidden_states=True).hidden_states
        tower = getattr(model, "text_model", model)
        torch.testing.assert_close(found, tower.final_layer_norm(states[23]), atol=1e-5, rtol=1e-5)
        assert (found.shape, options) == ((1, 2, 64), {})


def placed(root: Path, kind: str, name: str, tensors: dict[str, Tensor]) -> Path:
    (root / kind).mkdir(exist_ok=True, parents=True)
    save_file(tensors, root / kind / name)
    return root / kind / name


def test_its_encoder_is_found_by_what_it_holds(tmp_path: Path, make_checkpoint: Callable[..., Path]) -> None:
    """Under any name, before a checkpoint; without one the error says what to put where."""
    folders = Folders(models=[tmp_path], input=tmp_path, output=tmp_path, temp=tmp_path)
    checkpoint = load_file(make_checkpoint("sd2"))
    blocks = [key for key in checkpoint if ".resblocks.1." in key]
    deep = {key.replace(".1.", f".{layer}."): checkpoint[key].clone() for key in blocks for layer in range(2, 24)}
    placed(tmp_path, "checkpoints", "a.safetensors", load_file(make_checkpoint("sd1")))
    with pytest.raises(MissingFile, match="no file has the text encoder of Stable Diffusion 2.x") as caught:
        encoder_file(folders)
    assert f"as {ENCODER}, or any SD 2.x checkpoint" in str(caught.value.hint)
    whole = placed(tmp_path, "checkpoints", "b.safetensors", {**checkpoint, **deep})
    folders.refresh()
    assert encoder_file(folders) == whole
    state = {name: each.clone() for name, each in text_model(23).state_dict().items()}
    own = placed(tmp_path, "text_encoders", "z.safetensors", state)
    folders.refresh()
    assert encoder_file(folders) == own
    (own.parent / "a_link_into_nothing.safetensors").symlink_to(tmp_path / "nothing")
    folders.refresh()
    assert encoder_file(folders) == own


def graph() -> dict[str, Any]:
    """Lotus' template, as a prompt."""

    def made(class_type: str, **inputs: Any) -> dict[str, Any]:
        return {"class_type": class_type, "inputs": inputs}

    return {
        "1": made("UNETLoader", unet_name="lotus-depth-d-v1-1.safetensors", weight_dtype="default"),
        "2": made("VAELoader", vae_name="vae-ft-mse-840000-ema-pruned.safetensors"),
        "3": made("LoadImage", image="x.png"),
        "4": made("VAEEncode", pixels=["3", 0], vae=["2", 0]),
        "5": made("LotusConditioning"),
        "6": made("BasicGuider", model=["1", 0], conditioning=["5", 0]),
        "7": made("BasicScheduler", model=["1", 0], scheduler="normal", steps=1, denoise=1.0),
        "8": made("SetFirstSigma", sigmas=["7", 0], sigma=999.0),
        "9": made("DisableNoise"),
        "10": made("KSamplerSelect", sampler_name="euler"),
        "11": made(
            "SamplerCustomAdvanced",
            noise=["9", 0],
            guider=["6", 0],
            sampler=["10", 0],
            sigmas=["8", 0],
            latent_image=["4", 0],
        ),
    }


def test_its_template_runs_beside_another_family_and_without_any_file(tmp_path: Path) -> None:
    """A missing encoder is told before the run, and what stands in for it is Lotus' own beside a model of FLUX."""
    flux = {"class_type": "UNETLoader", "inputs": {"unet_name": "flux1-dev.safetensors", "weight_dtype": "default"}}
    prompt = {"0": flux, **graph()}
    given: dict[str, Any] = {"temp": tmp_path / "temp", "output": tmp_path, "models": (tmp_path,)}
    with pytest.raises(InvalidWorkflow) as caught:
        weft.run(prompt, targets=["0", "11"], **given)
    assert {issue.node_id for issue in caught.value.issues if issue.missing_file} == {"0", "1", "2", "3", "5"}
    assert caught.value.exit_code == 4
    result = weft.run(prompt, targets=["0", "5", "11"], stand_ins=True, **given)
    assert tuple(result["5"][0][0][0].shape) == (1, 2, 80)
    assert tuple(result["11"][0]["samples"].shape) == (1, 4, 16, 16)
    assert result["0"][0].kind.name.startswith("flux")


def test_small_files_of_both_kinds() -> None:
    for name, channels in (("lotus-normal-d-v1-0", 4), ("lotus-depth-g-v2-1-disparity", 8), ("lotus_depth", 4)):
        tensors = small_file("diffusion_models", f"{name}.safetensors", "lotus", BASE)
        assert tensors is not None
        assert tensors["input_blocks.0.0.weight"].shape[1] == channels
