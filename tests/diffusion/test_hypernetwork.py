"""Hypernetworks of the web UI: what their files say, and what they change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.sampling.patches.hypernetwork import Hypernetworked, load_hypernetwork, with_hypernetwork
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint
from weft.nodes.diffusion.weights.patcher import ModelPatcher

from .ksampling import ksample

WIDTH = 64
CONTEXT = torch.linspace(-1, 1, 2 * WIDTH).reshape(1, 2, WIDTH)


def network(*layers: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    made = nn.Sequential(*layers)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.3)
    return made


def written(path: Path, made: nn.Sequential, width: int = WIDTH, **said: Any) -> Path:
    """A file of the web UI with one network for the keys, and its double for the values."""
    keys = {f"linear.{name}": value for name, value in made.state_dict().items()}
    values = {name: value * 2 for name, value in keys.items()}
    torch.save({"name": "x", "step": 1, width: (keys, values), **said}, path)
    return path


def changed(path: Path, strength: float = 1.0) -> tuple[Tensor, Tensor]:
    patch = Hypernetworked(load_hypernetwork(path), strength)
    with torch.no_grad():
        x, keys, values = patch(CONTEXT, CONTEXT, CONTEXT, {})
    assert x is CONTEXT
    return keys, values


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([nn.Linear(64, 128), nn.Linear(128, 64)], {}),
        (
            [nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64)],
            {"activation_func": "relu", "activate_output": False},
        ),
        (
            [nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 64), nn.Tanh()],
            {"activation_func": "tanh"},
        ),
        (
            [nn.Linear(64, 32), nn.Mish(), nn.LayerNorm(32), nn.Dropout(0.3), nn.Linear(32, 64), nn.LayerNorm(64)],
            {"activation_func": "mish", "is_layer_norm": True, "use_dropout": True, "activate_output": False},
        ),
        ([nn.Linear(64, 64), nn.Hardswish()], {"activation_func": "swish", "activate_output": True}),
    ],
)
def test_keys_and_values_are_changed_by_networks_of_their_own(
    tmp_path: Path, layers: list[nn.Module], said: dict[str, Any]
) -> None:
    made = network(*layers).eval()
    keys, values = changed(written(tmp_path / "x.pt", made, **said), 0.5)
    with torch.no_grad():
        torch.testing.assert_close(keys, CONTEXT + 0.5 * made(CONTEXT))
        for parameter in made.parameters():
            parameter.mul_(2)
        torch.testing.assert_close(values, CONTEXT + 0.5 * made(CONTEXT))


def test_the_first_files_called_the_layers_otherwise(tmp_path: Path) -> None:
    made = network(nn.Linear(64, 128), nn.Linear(128, 64))
    keys = {
        f"linear{name[0].translate({48: 49, 49: 50})}{name[1:]}": value for name, value in made.state_dict().items()
    }
    assert list(keys) == ["linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"]
    torch.save({64: [keys, keys]}, tmp_path / "old.pt")
    with torch.no_grad():
        torch.testing.assert_close(changed(tmp_path / "old.pt")[0], CONTEXT + made(CONTEXT))


def test_contexts_of_other_widths_stay(tmp_path: Path) -> None:
    path = written(tmp_path / "x.pt", network(nn.Linear(32, 32)), width=32)
    assert all(part is CONTEXT for part in changed(path))


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"loss": torch.zeros(1)}, "is no hypernetwork"),
        ({64: ({}, {}), "activation_func": "magic"}, "activation_func is 'magic'; known are"),
        ({64: ({},)}, "expected two networks for the width 64"),
        ({64: ({"linear.0.weight": torch.zeros(64, 64)},) * 2}, "expected linear.N.weight and linear.N.bias"),
        (
            {64: ({"linear.0.weight": torch.zeros(64, 32), "linear.0.bias": torch.zeros(64)},) * 2},
            "layer 0 reads 64 numbers",
        ),
        (
            {64: ({"linear.0.weight": torch.zeros(32, 64), "linear.0.bias": torch.zeros(32)},) * 2},
            "they give 32 numbers",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, stored: Any, message: str) -> None:
    torch.save(stored, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=message):
        load_hypernetwork(tmp_path / "x.pt")


def test_a_model_with_a_hypernetwork(parity: Path, tmp_path: Path) -> None:
    path = parity / "models" / "checkpoints" / "tiny_sd15.safetensors"
    loaded = load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32)
    model, clip = loaded.model, loaded.clip
    assert clip is not None
    width = next(
        weight.shape[1] for name, weight in model.network.base.named_parameters() if name.endswith("attn2.to_k.weight")
    )
    fits = load_hypernetwork(written(tmp_path / "x.pt", network(nn.Linear(width, width)), width=width))
    clone = with_hypernetwork(model, fits, 1.0)
    patches = clone.model_options["transformer_options"]["patches"]
    assert set(patches) == {"attn1_patch", "attn2_patch"}
    assert "patches" not in model.model_options["transformer_options"]
    prompt = clip.encode("a cat")

    def sampled(changed: ModelPatcher) -> Tensor:
        given = {"seed": 1, "steps": 1, "cfg": 1.0, "sampler": "euler", "scheduler": "normal"}
        latent = {"samples": torch.zeros(1, 4, 8, 8)}
        return ksample(changed, latent, positive=prompt, negative=prompt, **given)["samples"]

    plain = sampled(model)
    torch.testing.assert_close(sampled(with_hypernetwork(model, fits, 0.0)), plain)
    assert (sampled(clone) - plain).abs().max() > 0.01
    other = load_hypernetwork(written(tmp_path / "y.pt", network(nn.Linear(7, 7)), width=7))
    with pytest.raises(DiffusionError, match="its widths are 7, the model's"):
        with_hypernetwork(model, other, 1.0)
