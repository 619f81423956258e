"""Vision towers: transformers' own forward pass is the reference, and every layout gives the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, SiglipVisionConfig, SiglipVisionModel

from weft.nodes.core.vision import StyleModelApply, SVD_img2vid_Conditioning
from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.values import clip_vision
from weft.nodes.diffusion.values.clip_vision import CLIP_DEVIATION, CLIP_MEAN, prepared
from weft.nodes.diffusion.values.clip_vision_files import load_clip_vision, small_clip_vision
from weft.nodes.diffusion.values.style_models import load_style_model, with_style
from weft.nodes.diffusion.weights.export import save_model

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 16,
    "image_size": 12,
    "patch_size": 4,
}
CPU: dict[str, Any] = {"device": torch.device("cpu"), "dtype": torch.float32}


def image(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def clip() -> Any:
    torch.manual_seed(1)
    config = CLIPVisionConfig(**SIZES, projection_dim=20, hidden_act="quick_gelu")
    return CLIPVisionModelWithProjection(config).eval().requires_grad_(False)


def of_open_clip(state: dict[str, Tensor], layers: int = SIZES["num_hidden_layers"]) -> dict[str, Tensor]:
    """A tower of transformers as open_clip stores it."""
    made = {
        "class_embedding": state["vision_model.embeddings.class_embedding"],
        "conv1.weight": state["vision_model.embeddings.patch_embedding.weight"],
        "positional_embedding": state["vision_model.embeddings.position_embedding.weight"],
        "proj": state["visual_projection.weight"].t().contiguous(),
    }
    names = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj"}
    names |= {"mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    for end in ("weight", "bias"):
        made[f"ln_pre.{end}"] = state[f"vision_model.pre_layrnorm.{end}"]
        made[f"ln_post.{end}"] = state[f"vision_model.post_layernorm.{end}"]
        for layer in range(layers):
            old, new = f"transformer.resblocks.{layer}", f"vision_model.encoder.layers.{layer}"
            made |= {f"{old}.{a}.{end}": state[f"{new}.{b}.{end}"] for a, b in names.items()}
            parts = [state[f"{new}.self_attn.{name}.{end}"] for name in ("q_proj", "k_proj", "v_proj")]
            made[f"{old}.attn.in_proj_{end}"] = torch.cat(parts)
    return {f"visual.{name}": tensor for name, tensor in made.items()}


@pytest.fixture(params=["transformers", "prefixed", "open_clip"])
def file(request: pytest.FixtureRequest, clip: Any, tmp_path: Path) -> Path:
    state = {name: tensor.clone() for name, tensor in clip.state_dict().items()}
    if request.param == "prefixed":
        state = {f"clip.{name}": tensor for name, tensor in state.items()} | {"clip.text_model.x": torch.zeros(1)}
    elif request.param == "open_clip":
        state = {f"embedder.model.{name}": tensor for name, tensor in of_open_clip(state).items()}
    save_file(state, tmp_path / "vision.safetensors")
    return tmp_path / "vision.safetensors"


def test_every_layout_gives_what_transformers_gives(file: Path, clip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_vision, "BATCH", 2)
    pictures = image(3, 20, 15, 4)
    found = load_clip_vision(file, **CPU).encode_image(pictures)
    expected = clip(prepared(pictures, 12), output_hidden_states=True)
    torch.testing.assert_close(found.image_embeds, expected.image_embeds)
    torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state)
    torch.testing.assert_close(found["penultimate_hidden_states"], expected.hidden_states[-2])
    assert found.image_embeds.shape == (3, 20)


def test_siglip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last hidden state is normalised; its own head is left out. Layers further in are there for those that ask."""
    torch.manual_seed(2)
    config = SiglipVisionConfig(**SIZES, hidden_act="gelu_pytorch_tanh")
    model = SiglipVisionModel(config).eval().requires_grad_(False)
    state = {
        f"vision_model.{name.removeprefix('vision_model.')}": each.clone() for name, each in model.state_dict().items()
    }
    save_file(state, tmp_path / "siglip.safetensors")
    opened = load_clip_vision(tmp_path / "siglip.safetensors", **CPU)
    pictures = image(1, 9, 9, 3)
    expected = model(prepared(pictures, 12, (0.5,) * 3, (0.5,) * 3, crop=False), output_hidden_states=True)
    found = opened.encode_image(pictures, crop=False)
    torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state)
    assert found.deeper == {}
    monkeypatch.setattr(clip_vision, "DEEPER", (-3, -4, -5))
    deeper = opened.encode_image(pictures, crop=False).deeper
    assert list(deeper) == [-3, -4]
    for place, state in deeper.items():
        torch.testing.assert_close(state, expected.hidden_states[place])


def test_how_pictures_are_prepared() -> None:
    """Of a picture of the right size only the scale changes; otherwise the middle counts, or all of it."""
    exact = (image(1, 4, 4, 3) * 255).round() / 255
    mean, deviation = (torch.tensor(each)[:, None, None] for each in (CLIP_MEAN, CLIP_DEVIATION))
    torch.testing.assert_close(prepared(exact, 4), (exact.movedim(-1, 1) - mean) / deviation)
    wide = torch.zeros(1, 8, 24, 3)
    wide[:, :, 8:16] = 1.0
    assert (prepared(wide, 8) * deviation + mean).mean() > 0.99
    whole = prepared(wide, 8, crop=False) * deviation + mean
    assert 0.3 < whole.mean() < 0.37
    torch.testing.assert_close(whole * 255, (whole * 255).round(), atol=1e-4, rtol=0)
    with pytest.raises(DiffusionError, match="expected .B,H,W,C."):
        prepared(wide[0], 8)


def test_what_is_no_vision_model(file: Path, tmp_path: Path, clip: Any) -> None:
    save_file({"redux_up.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"other.safetensors: no vision model, but"):
        load_clip_vision(tmp_path / "other.safetensors", **CPU)
    state = {name: each.clone() for name, each in clip.state_dict().items() if "layers.1.mlp.fc2" not in name}
    save_file(state, tmp_path / "cut.safetensors")
    with pytest.raises(CheckpointError, match=r"lacks 2 tensors: vision_model.encoder.layers.1.mlp.fc2.bias"):
        load_clip_vision(tmp_path / "cut.safetensors", **CPU)


def redux(path: Path, width: int) -> Path:
    generator = torch.Generator().manual_seed(3)
    shapes = {
        "redux_up.weight": (8, width),
        "redux_up.bias": (8,),
        "redux_down.weight": (6, 8),
        "redux_down.bias": (6,),
    }
    save_file({name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}, path)
    return path


def test_redux_puts_tokens_behind_the_prompt(file: Path, tmp_path: Path) -> None:
    model = load_style_model(redux(tmp_path / "redux.safetensors", 32), **CPU)
    seen = load_clip_vision(file, **CPU).encode_image(image(2, 12, 12, 3))
    weights: Any = model.network.module()
    up = seen.last_hidden_state @ weights.redux_up.weight.T + weights.redux_up.bias
    expected = (up * up.sigmoid()) @ weights.redux_down.weight.T + weights.redux_down.bias
    prompt = [[torch.zeros(1, 3, 6), {"pooled_output": None}]]
    ((context, options),) = with_style(prompt, model, seen, 0.5)
    torch.testing.assert_close(context[0, 3:], expected.flatten(0, 1) * 0.5)
    assert options == {"pooled_output": None}
    with pytest.raises(DiffusionError, match="tokens of width 6, the prompt's are 5 wide"):
        with_style([[torch.zeros(1, 3, 5), {}]], model, seen, 1.0)
    other = load_style_model(redux(tmp_path / "wide.safetensors", 33), **CPU)
    with pytest.raises(DiffusionError, match="reads tokens of width 33, the vision model gave 32"):
        other.tokens(seen)
    with pytest.raises(CheckpointError, match="no style model of a known kind"):
        load_style_model(file, **CPU)


def test_a_picture_for_a_video(file: Path) -> None:
    """Its vector in the place of a prompt, and its latent beside: the negative side has zeros for both."""

    class Halves:
        def encode(self, pixels: Tensor) -> Tensor:
            return pixels.movedim(-1, 1)[:, :, ::8, ::8]

    halves: Any = Halves()
    sizes = {"width": 64, "height": 32, "video_frames": 3, "motion_bucket_id": 127, "fps": 6}
    given: dict[str, Any] = {
        "clip_vision": load_clip_vision(file, **CPU),
        "init_image": image(1, 20, 40, 4),
        "vae": halves,
    }
    ((vector, said),), ((zeros, other),), latent = SVD_img2vid_Conditioning(**given, **sizes, augmentation_level=0.0)
    assert (vector.shape, latent["samples"].shape) == ((1, 1, 20), (3, 4, 4, 8))
    assert (said["motion_bucket_id"], said["fps"], said["augmentation_level"]) == (127, 6, 0.0)
    assert said["concat_latent_image"].shape == (1, 3, 4, 8)
    assert not zeros.any()
    assert not other["concat_latent_image"].any()
    noisy = [SVD_img2vid_Conditioning(**given, **sizes, augmentation_level=0.5)[0][0][1] for _ in range(2)]
    assert torch.equal(*(each["concat_latent_image"] for each in noisy))
    assert not torch.equal(noisy[0]["concat_latent_image"], said["concat_latent_image"])


def test_a_bias_of_attention_is_refused() -> None:
    nothing: Any = None
    with pytest.raises(DiffusionError, match="attn_bias is not supported yet"):
        StyleModelApply(
            conditioning=[], style_model=nothing, clip_vision_output=nothing, strength=0.5, strength_type="attn_bias"
        )


def test_a_tower_in_a_checkpoint(tmp_path: Path, open_checkpoint: Any) -> None:
    """Saved beside a model it opens with the same bits, by open_clip's names; SigLIP's has none."""
    save_file(small_clip_vision(64), tmp_path / "tower.safetensors")
    tower = load_clip_vision(tmp_path / "tower.safetensors", **CPU)
    loaded = open_checkpoint("sd1")
    with (tmp_path / "both.safetensors").open("wb") as stream:
        save_model(stream, loaded.model, None, loaded.vae, tower, title="both", metadata={})
    assert "conditioner.embedders.0.open_clip.model.visual.proj" in load_file(tmp_path / "both.safetensors")
    told: list[str] = []
    again = load_clip_vision(
        tmp_path / "both.safetensors", device=torch.device("cpu"), dtype=torch.float32, warn=told.append
    )
    pairs = zip(tower.network.base.state_dict().items(), again.network.base.state_dict().items(), strict=True)
    assert all(name == other and torch.equal(a, b) for (name, a), (other, b) in pairs)
    assert not told
    picture = torch.rand(1, 40, 30, 3)
    assert torch.equal(tower.encode_image(picture).image_embeds, again.encode_image(picture).image_embeds)
