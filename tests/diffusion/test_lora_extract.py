"""LoRAs from differences: put on the model that was subtracted, they give the other one, as far as their rank goes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.weights import lora_extract
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint
from weft.nodes.diffusion.weights.lora import apply_lora, load_lora
from weft.nodes.diffusion.weights.lora_extract import factors, save_lora
from weft.nodes.diffusion.weights.merge import merge_clips, merge_models, subtracted


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_factors_of_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its rank they give it back; of a lower one what is nearest; and nothing in them is far off."""
    monkeypatch.setattr(lora_extract, "_bound", lambda numbers: math.inf)
    low = drawn(12, 3) @ drawn(3, 20)
    whole, down = factors(low, 3)
    torch.testing.assert_close(whole @ down, low, atol=1e-4, rtol=1e-4)
    up, right = factors(drawn(12, 4, 3, 3), 5)
    assert (up.shape, right.shape) == ((12, 5), (5, 36))
    left = (drawn(12, 4, 3, 3).flatten(1) - up @ right).norm()
    _, exact, _ = torch.linalg.svd(drawn(12, 4, 3, 3).flatten(1))
    torch.testing.assert_close(left, exact[5:].norm())
    monkeypatch.undo()
    clipped, _ = factors(low, 3)
    bound = float(torch.cat((whole.flatten(), down.flatten())).sort().values[-2])
    torch.testing.assert_close(clipped, whole.clamp(-bound, bound))


@pytest.mark.parametrize("full", [True, False])
def test_a_lora_of_a_difference_makes_the_other_model(
    random_models: Path, tmp_path: Path, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other model has a LoRA, which is found again."""
    monkeypatch.setattr(lora_extract, "_bound", lambda numbers: math.inf)
    cpu = torch.device("cpu")
    one = load_checkpoint(random_models / "checkpoints" / "weft-tiny.safetensors", device=cpu, dtype=torch.float32)
    given = load_lora(random_models / "loras" / "weft-pixel.safetensors")
    other, other_clip, _ = apply_lora(one.model, one.clip, given, 1.0, 1.0)
    assert one.clip is not None
    assert other is not None
    assert other_clip is not None
    model, _ = merge_models(other, one.model, lambda name: subtracted(1.0))
    clip = merge_clips(other_clip, one.clip, subtracted(1.0))
    path = tmp_path / "difference.safetensors"
    with path.open("wb") as stream:
        save_lora(stream, model, clip, rank=8, full=full, biases=True, metadata={"of": "two"})
    changed, text, report = apply_lora(one.model, one.clip, load_lora(path), 1.0, 1.0)
    assert changed is not None
    assert text is not None
    assert not report.unmatched
    assert not report.misfits
    pairs = [(changed.network, other.network), (text.encoders[0].network, other_clip.encoders[0].network)]
    for made, wanted in pairs:
        for name in wanted.patches:
            torch.testing.assert_close(made.weight(name, cpu), wanted.weight(name, cpu), atol=1e-4, rtol=1e-3)


def test_nothing_to_write(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as stream, pytest.raises(DiffusionError, match="no difference to make a LoRA of"):
        save_lora(stream, None, None, rank=8, full=False, biases=True, metadata={})
