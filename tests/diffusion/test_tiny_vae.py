"""TAESD: files with the layers numbered as they are released, through the node, against diffusers' network."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import weft
from weft.engine.errors import NodeError
from weft.nodes.diffusion.errors import CheckpointError
from weft.nodes.diffusion.values.tiny_vae import KINDS, load_tiny_vae

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    from diffusers import AutoencoderTiny

    torch.manual_seed(0)
    return AutoencoderTiny().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def models(network: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with the network in two files, the decoder's layers one on, behind its clamp."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "vae_approx").mkdir()
    for half, first in (("encoder", 0), ("decoder", 1)):
        tensors = {
            re.sub(r"layers\.(\d+)\.", lambda found, by=first: f"{int(found[1]) + by}.", name): tensor
            for name, tensor in getattr(network, half).state_dict().items()
        }
        save_file(tensors, folder / "vae_approx" / f"taesd_{half}.safetensors")
    return folder


def test_there_and_back(network: torch.nn.Module, models: Path) -> None:
    prompt = {
        "1": {"class_type": "VAELoader", "inputs": {"vae_name": "taesd"}},
        "2": {"class_type": "EmptyImage", "inputs": {"width": 32, "height": 24, "batch_size": 1, "color": 0x4080FF}},
        "3": {"class_type": "VAEEncode", "inputs": {"pixels": ["2", 0], "vae": ["1", 0]}},
        "4": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["1", 0]}},
    }
    result = weft.run(prompt, models=models, targets=["2", "3", "4"], device="cpu")
    pixels = result["2"][0].movedim(-1, 1) * 2 - 1
    latent = network.encoder(pixels)
    torch.testing.assert_close(result["3"][0]["samples"], latent / 0.18215)
    expected = (network.decoder(latent) * 0.5 + 0.5).clamp(0, 1).movedim(1, -1)
    torch.testing.assert_close(result["4"][0], expected, rtol=1e-5, atol=1e-5)


def test_files_that_are_not_there_are_an_issue(models: Path) -> None:
    prompt = {"1": {"class_type": "VAELoader", "inputs": {"vae_name": "taesdxl"}}}
    [issue] = weft.validate(prompt, models=models, targets=["1"])
    assert issue.missing_file
    assert "taesdxl_encoder" in str(issue)


def test_another_file_is_refused(models: Path, tmp_path: Path) -> None:
    save_file({"x": torch.ones(1)}, tmp_path / "x.safetensors")
    files = dict.fromkeys(("encoder", "decoder"), tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="no encoder of TAESD"):
        load_tiny_vae(files, KINDS["taesd"], device=CPU, dtype=torch.float32)


def test_other_files_of_the_name_are_another_vae(network: torch.nn.Module, models: Path, tmp_path: Path) -> None:
    """A cached one would draw with the files of before."""
    folder = tmp_path / "models" / "vae_approx"
    shutil.copytree(models / "vae_approx", folder)
    session = weft.Session(models=(folder.parent,), cache=weft.MemoryCache())
    prompt = session.read({"1": {"class_type": "VAELoader", "inputs": {"vae_name": "taesd"}}})
    session.execute(session.plan(prompt, ["1"]))
    assert not any(step.runs for step in session.plan(prompt, ["1"]).steps)
    decoder = load_file(folder / "taesd_decoder.safetensors")
    save_file({name: tensor + 1 for name, tensor in decoder.items()}, folder / "taesd_decoder.safetensors")
    assert any(step.runs for step in session.plan(prompt, ["1"]).steps)


def test_it_is_not_saved_as_a_vae(models: Path, tmp_path: Path) -> None:
    prompt = {
        "1": {"class_type": "VAELoader", "inputs": {"vae_name": "taesd"}},
        "2": {"class_type": "VAESave", "inputs": {"vae": ["1", 0], "filename_prefix": "tiny"}},
    }
    with pytest.raises(NodeError, match="TAESD"):
        weft.run(prompt, models=models, output=tmp_path, device="cpu")
    assert not list(tmp_path.rglob("*.safetensors"))
