"""The CLIP socket: chunks, weights, layers, pooled output; and every text golden of ComfyUI."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from weft.nodes.diffusion.errors import DiffusionError, DiffusionWarning
from weft.nodes.diffusion.text.clip import Clip, TextEncoder, chunk, encode_chunks, tokenize
from weft.nodes.diffusion.text.embeddings import lookup_in
from weft.nodes.diffusion.text.mentions import EmbeddingLookup
from weft.nodes.diffusion.text.tokenizer import END, START
from weft.nodes.diffusion.weights.checkpoint import load_checkpoint
from weft.nodes.diffusion.weights.patched import PatchedNetwork

from ..reference.store import document, goldens, units

LIMIT = 5e-6  # of parity/README.md


def relative(got: torch.Tensor, expected: torch.Tensor) -> float:
    assert got.shape == expected.shape and got.dtype == expected.dtype
    return ((got - expected).abs().max() / expected.abs().max()).item()


def tower(width: int, *, projected: bool = False) -> PatchedNetwork:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    config = CLIPTextConfig(
        hidden_size=width, intermediate_size=8, num_hidden_layers=3, num_attention_heads=2, projection_dim=6
    )
    module = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
    return PatchedNetwork(module.eval().requires_grad_(False))


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder("clip_l", tower(4), SimpleNamespace(pad_token=END, layer=-1, final_norm=True))


@pytest.fixture(scope="module")
def clip(encoder: TextEncoder) -> Clip:
    return Clip((encoder,))


@pytest.fixture(scope="module")
def clip_xl() -> Clip:
    spec = SimpleNamespace(layer=-2, final_norm=False)
    l = TextEncoder("clip_l", tower(4), SimpleNamespace(pad_token=END, **vars(spec)))  # noqa: E741
    g = TextEncoder("clip_g", tower(8, projected=True), SimpleNamespace(pad_token=0, **vars(spec)))
    return Clip((l, g))


# Chunks


def ids(chunks: list) -> list[list[int]]:
    return [[token for token, _ in each] for each in chunks]


def test_no_token_makes_one_chunk() -> None:
    assert ids(chunk([], 0)) == [[START, END, *[0] * 75]]


def test_a_full_chunk_is_one() -> None:
    assert ids(chunk([[(5, 1.0)] * 75], 0)) == [[START, *[5] * 75, END]]


def test_a_long_group_is_torn_and_a_short_one_moves() -> None:
    first = [(5, 1.0)] * 70
    assert ids(chunk([first, [(6, 1.0)] * 7], 0)) == [
        [START, *[5] * 70, END, *[0] * 5],
        [START, *[6] * 7, END, *[0] * 68],
    ]
    assert ids(chunk([first, [(6, 1.0)] * 8], 0)) == [
        [START, *[5] * 70, *[6] * 5, END],
        [START, *[6] * 3, END, *[0] * 72],
    ]


def test_a_group_of_many_chunks() -> None:
    chunks = chunk([[(5, 1.0)] * 3, [(n, 1.0) for n in range(200)], [], [(7, 1.0)] * 3], 0)
    assert [len(each) for each in chunks] == [77] * 3
    assert [token for each in ids(chunks) for token in each[1:76]][3:203] == list(range(200))


def test_tokens_of_comfyui(parity: Path) -> None:
    encoder = TextEncoder("clip_l", tower(64), SimpleNamespace(pad_token=END))
    lookup = lookup_in([parity / "models" / "embeddings"])
    cases = document("tokens")["cases"]
    assert len(cases) >= 58
    for name, case in cases.items():
        got = [
            [[token if isinstance(token, int) else f"emb:{token.sum().item():.6f}", weight] for token, weight in each]
            for each in tokenize(case["text"], encoder, lookup, [].append)
        ]
        assert str(got) == str(case["chunks"]), name  # as text: one weight is nan


# Encoding


def test_shapes(clip: Clip, clip_xl: Clip) -> None:
    [[cond, extra]] = clip.encode("")
    assert cond.shape == (1, 77, 4) and extra["pooled_output"].shape == (1, 4)
    assert cond.dtype == torch.float32 and not cond.requires_grad
    [[cond, extra]] = clip_xl.encode("cat " * 80)
    assert cond.shape == (1, 154, 12) and extra["pooled_output"].shape == (1, 6)


def test_equal_to_transformers(clip: Clip) -> None:
    prompt = torch.tensor([[START, 2368, END, *[END] * 74]])
    expected = clip.encoders[0].network.base(prompt)
    [[cond, extra]] = clip.encode("cat")
    assert relative(cond, expected.last_hidden_state) < LIMIT
    assert relative(extra["pooled_output"], expected.last_hidden_state[:, 2]) < LIMIT


def test_a_weight_moves_tokens_away_from_the_empty_prompt(clip: Clip) -> None:
    plain, weighted, empty = (clip.encode(text)[0] for text in ("a cat", "a (cat:1.5)", ""))
    assert torch.equal(weighted[0][:, :2], plain[0][:, :2]) and torch.equal(weighted[0][:, 3:], plain[0][:, 3:])
    expected = empty[0][:, 2] + 1.5 * (plain[0][:, 2] - empty[0][:, 2])
    assert relative(weighted[0][:, 2], expected) < LIMIT
    assert torch.equal(weighted[1]["pooled_output"], plain[1]["pooled_output"])


def test_pooled_is_the_first_chunks(clip: Clip) -> None:
    long, first = clip.encode("cat " * 75 + "dog"), clip.encode("cat " * 75)
    assert relative(long[0][1]["pooled_output"], first[0][1]["pooled_output"]) < LIMIT


def test_pooled_is_taken_at_the_first_end_mark(clip: Clip) -> None:
    cut = clip.encode("cat<|endoftext|>dog")[0][1]["pooled_output"]
    assert relative(cut, clip.encode("cat")[0][1]["pooled_output"]) < LIMIT


def test_layers(clip: Clip) -> None:
    last = clip.encode("a cat")[0][0]
    assert torch.equal(clip.with_layer(-1).encode("a cat")[0][0], last)
    assert torch.equal(clip.with_layer(-4).encode("a cat")[0][0], last)
    others = [clip.with_layer(layer).encode("a cat")[0] for layer in (-2, -3)]
    assert not any(torch.allclose(cond, last) for cond, _ in others)
    pooled = clip.encode("a cat")[0][1]["pooled_output"]
    assert all(torch.equal(extra["pooled_output"], pooled) for _, extra in others)
    assert clip.layer is None  # with_layer made others


@pytest.mark.parametrize("layer", [0, 1])
def test_a_layer_counts_from_the_end(clip: Clip, layer: int) -> None:
    with pytest.raises(DiffusionError, match=f"stop_at_clip_layer is {layer}"):
        clip.with_layer(layer)


def test_a_very_long_prompt(clip: Clip) -> None:
    [[cond, _]] = clip.encode("(cat:1.1) " * 3000)
    assert cond.shape == (1, 77 * 40, 4) and cond.isfinite().all()
    assert torch.allclose(cond[:, -77 * 7 :][:, 1:60], cond[:, 77:][:, 1:60])  # batches do not mix


def test_ten_thousand_parentheses(clip: Clip) -> None:
    [[cond, _]] = clip.encode("(" * 10_000 + "cat" + ":0.5" + ")" * 10_000)
    assert cond.shape == (1, 77, 4) and cond.isfinite().all()


def test_texts_for_each_encoder(clip_xl: Clip) -> None:
    both = clip_xl.encode_each({"clip_l": "a cat", "clip_g": "a cat"})
    assert torch.equal(both[0][0], clip_xl.encode("a cat")[0][0])
    longer = clip_xl.encode_each({"clip_l": "cat " * 80, "clip_g": "a cat"})
    assert longer[0][0].shape == (1, 154, 12)
    empty = clip_xl.encode("")[0][0]
    assert torch.allclose(longer[0][0][:, 77:, 4:], empty[:, :, 4:])


def test_texts_for_other_encoders(clip: Clip) -> None:
    with pytest.raises(DiffusionError, match="clip_g"):
        clip.encode_each({"clip_l": "", "clip_g": ""})


def test_patches_for_another_encoder(clip: Clip) -> None:
    with pytest.raises(DiffusionError, match=r"no text encoder 'clip_g' among \['clip_l'\]; did you mean 'clip_l'"):
        clip.with_patches({"clip_g": {}}, 1.0)


# Embeddings


@pytest.fixture
def embeddings(tmp_path: Path) -> Path:
    save_file({"clip_l": torch.ones(2, 4), "clip_g": torch.ones(1, 8)}, tmp_path / "both.safetensors")
    save_file({"vectors": torch.ones(80, 4)}, tmp_path / "long.safetensors")
    save_file({"clip_l": torch.ones(1, 768)}, tmp_path / "wide.safetensors")
    return tmp_path


def test_vectors_stand_for_tokens(encoder: TextEncoder, embeddings: Path) -> None:
    [tokens] = tokenize("a (embedding:both:1.2) cat", encoder, lookup_in([embeddings]))
    assert [token for token, _ in tokens[:2]] == [START, 320]
    assert all(torch.equal(token, torch.ones(4)) and weight == 1.2 for token, weight in tokens[2:4])
    assert tokens[4][0] == 2368
    [[cond, _]] = Clip((encoder,), lookup_in([embeddings])).encode("embedding:both cat")
    assert cond.shape == (1, 77, 4)


def test_a_long_embedding_is_torn_at_the_end_of_a_chunk(encoder: TextEncoder, embeddings: Path) -> None:
    chunks = tokenize("cat embedding:long", encoder, lookup_in([embeddings]))
    vectors = [sum(not isinstance(token, int) for token, _ in each) for each in chunks]
    assert vectors == [74, 6]


def test_encoders_may_need_different_numbers_of_chunks(clip_xl: Clip, embeddings: Path) -> None:
    clip = Clip(clip_xl.encoders, lookup_in([embeddings]))
    [[cond, _]] = clip.encode("cat " * 74 + "embedding:both")  # two tokens for clip_l, one for clip_g
    assert cond.shape == (1, 77, 12)


def test_a_missing_embedding_is_left_out_with_a_warning(encoder: TextEncoder, embeddings: Path) -> None:
    told: list[str] = []
    got = tokenize("a embedding:absent cat embedding:", encoder, lookup_in([embeddings]), told.append)
    assert ids(got) == ids(tokenize("a cat", encoder, None))
    assert told == ["no embedding 'absent': ignored", "'embedding:' without a name: ignored"]


def test_an_embedding_of_another_model_is_left_out_with_a_warning(encoder: TextEncoder, embeddings: Path) -> None:
    told: list[str] = []
    [[cond, _]] = Clip((encoder,), lookup_in([embeddings])).encode("a embedding:wide (cat:1.5) hat", told.append)
    assert told == ["embedding 'wide.safetensors' has 1 vectors of width 768, clip_l takes 4: ignored"]
    # As in ComfyUI the weight stays where its word was, and comes upon the next one.
    [[expected, _]] = Clip((encoder,)).encode("a cat (hat:1.5)")
    assert torch.allclose(cond, expected, atol=1e-6)


def test_a_missing_embedding_may_be_an_error(encoder: TextEncoder, embeddings: Path) -> None:
    clip = Clip((encoder,), EmbeddingLookup(lookup_in([embeddings]), LookupError))
    with pytest.warns(DiffusionWarning, match="without a name"):
        clip.encode("embedding:both, embedding:")
    with pytest.raises(LookupError, match="absent"):
        clip.with_layer(-1).encode("a embedding:absent, cat")


# Goldens


@pytest.fixture(scope="module")
def checkpoints(parity: Path):
    def load(name: str) -> Clip:
        path = parity / "models" / "checkpoints" / name
        lookup = lookup_in([parity / "models" / "embeddings"])
        loaded = load_checkpoint(path, device=torch.device("cpu"), dtype=torch.float32, embeddings=lookup)
        assert loaded.clip is not None
        return loaded.clip

    return {name: load(name) for name in ("tiny_sd15.safetensors", "tiny_sdxl.safetensors")}


def run(prompt: dict, node: str, checkpoints: dict[str, Clip], loras: Path):
    """The CLIP or CONDITIONING of a node: the engine in small."""
    from weft.nodes.diffusion.weights.lora import apply_lora, load_lora

    inputs = prompt[node]["inputs"]
    kind = prompt[node]["class_type"]
    if kind == "CheckpointLoaderSimple":
        return checkpoints[inputs["ckpt_name"]]
    clip = run(prompt, inputs["clip"][0], checkpoints, loras)
    match kind:
        case "CLIPSetLastLayer":
            return clip.with_layer(inputs["stop_at_clip_layer"])
        case "LoraLoader":
            return apply_lora(None, clip, load_lora(loras / inputs["lora_name"]), 0.0, inputs["strength_clip"])[1]
        case "CLIPTextEncode":
            return clip.encode(inputs["text"], [].append)
        case "CLIPTextEncodeSDXL":
            return clip.encode_each({"clip_l": inputs["text_l"], "clip_g": inputs["text_g"]})
    raise AssertionError(kind)


def test_goldens_of_comfyui(parity: Path, checkpoints: dict[str, Clip]) -> None:
    names = [name for name in goldens("comfyui") if name.startswith(("clip_", "xl_clip_"))]
    assert len(names) >= 50
    errors: dict[str, float] = {}
    for name in names:
        golden = goldens("comfyui")[name]
        for target in golden.targets:
            [[cond, extra]] = run(golden.copy_of_prompt(), target, checkpoints, parity / "models" / "loras")
            slot = f"{target}.0.cond0"
            pooled = golden.tensors[f"{slot}.pooled_output"].difference(extra["pooled_output"])
            errors[name] = max(golden.tensors[slot].difference(cond), pooled)
    assert not {name: error for name, error in errors.items() if not error < LIMIT}


def test_hidden_layers_of_comfyui(parity: Path, checkpoints: dict[str, Clip]) -> None:
    """units/clip: every layer's output behind the final norm, of chunks given as ids."""
    numbers = units("clip")
    [encoder] = checkpoints["tiny_sd15.safetensors"].encoders
    for name in ("empty", "plain", "len76"):
        chunks = [[(token, 1.0) for token in row] for row in numbers[f"{name}/ids"].tolist()]
        for layer, expected in enumerate(numbers[f"{name}/layers"].unbind(1)):
            with torch.inference_mode():
                hidden, _ = encode_chunks(encoder, chunks, layer - 3)
            assert relative(hidden, expected.reshape(hidden.shape)) < LIMIT
