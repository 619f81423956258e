"""The encoder of the Efficiency loaders: normalisation and interpretation of weights."""

from __future__ import annotations

import math
import re
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.nodes.diffusion.errors import DiffusionError
from weft.nodes.diffusion.text.clip import Clip, TextEncoder, encode_chunks, tokenize
from weft.nodes.diffusion.text.names import TOKEN_NORMALIZATIONS, WEIGHT_INTERPRETATIONS
from weft.nodes.diffusion.text.prompt_encoder import MASK_TOKEN, Word, encode_prompt, normalise, read_words
from weft.nodes.diffusion.text.tokenizer import END
from weft.nodes.diffusion.weights.patched import PatchedNetwork

WEIGHTED = "a (red:1.4) cat on ((green) grass:0.6), [x] (sky:1.2)"
LONG = "an (old:0.7) castle, " * 12 + "(end of the prompt:1.3)"


def tower(width: int, *, projected: bool = False) -> PatchedNetwork:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(width)
    config = CLIPTextConfig(
        hidden_size=width, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2, projection_dim=6
    )
    module = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
    # A layer norm without bias has a mean of 0, which no mean can be scaled to.
    torch.nn.init.normal_(getattr(module, "text_model", module).final_layer_norm.bias)
    return PatchedNetwork(module.eval().requires_grad_(False))


@pytest.fixture(scope="module")
def clip() -> Clip:
    return Clip((TextEncoder("clip_l", tower(8), SimpleNamespace(pad_token=END, layer=-1, final_norm=True)),))


@pytest.fixture(scope="module")
def clip_xl() -> Clip:
    spec = SimpleNamespace(layer=-2, final_norm=False)
    l = TextEncoder("clip_l", tower(4), SimpleNamespace(pad_token=END, **vars(spec)))  # noqa: E741
    g = TextEncoder("clip_g", tower(8, projected=True), SimpleNamespace(pad_token=0, **vars(spec)))
    return Clip((l, g))


def cond(clip: Clip, text: str, normalization: str = "none", interpretation: str = "comfy") -> torch.Tensor:
    [[encoded, _]] = encode_prompt(clip, text, normalization, interpretation)
    return encoded


# Normalisation


words = st.lists(
    st.builds(Word, st.integers(1, 12).map(lambda count: (320,) * count), st.floats(-3, 3)), min_size=1, max_size=12
)


@given(words)
def test_length_divides_the_deviation_by_the_root_of_the_tokens(given: list[Word]) -> None:
    for before, after in zip(given, normalise(given, "length"), strict=True):
        assert after.tokens == before.tokens
        assert math.isclose((after.weight - 1) * math.sqrt(len(before.tokens)), before.weight - 1, abs_tol=1e-12)


@given(words)
def test_mean_shifts_the_mean_over_tokens_to_one(given: list[Word]) -> None:
    for normalization, start in (("mean", "none"), ("length+mean", "length")):
        before, after = normalise(given, start), normalise(given, normalization)
        tokens = sum(len(word.tokens) for word in after)
        assert math.isclose(sum(len(word.tokens) * word.weight for word in after) / tokens, 1, abs_tol=1e-12)
        shifts = [b.weight - a.weight for a, b in zip(before, after, strict=True)]
        assert max(shifts) - min(shifts) < 1e-12


@given(words)
def test_none_changes_nothing(given: list[Word]) -> None:
    assert [word.weight for word in normalise(given, "none")] == [word.weight for word in given]


def test_no_words_have_no_mean() -> None:
    assert normalise([], "length+mean") == []


def test_a_word_is_a_run_of_one_weight(clip: Clip) -> None:
    """Not what stands between spaces; a long one counts whole, though it spans two chunks."""
    read = read_words("a big (red fat cat:1.5) (x)(y)", clip.encoders[0], None)
    assert [(len(word.tokens), round(word.weight, 2)) for word in read] == [(2, 1.0), (3, 1.5), (1, 1.1), (1, 1.1)]
    [long] = read_words("(cat " * 1 + "dog " * 99 + ":1.5)", clip.encoders[0], None)
    assert len(long.tokens) == 100
    assert math.isclose(normalise([long], "length")[0].weight, 1.05)


# Interpretation


@pytest.mark.parametrize("text", ["", "a cat", WEIGHTED, LONG, "((deep) (deeper:0.3))"])
def test_none_and_comfy_are_the_core_encoder(clip: Clip, clip_xl: Clip, text: str) -> None:
    for each in (clip, clip_xl, clip.with_layer(-2)):
        [[expected, extra]] = each.encode(text)
        [[got, options]] = encode_prompt(each, text, "none", "comfy")
        assert torch.equal(got, expected)
        if each is clip_xl:
            assert torch.equal(options["pooled_output"], extra["pooled_output"])


@pytest.mark.parametrize("interpretation", WEIGHT_INTERPRETATIONS)
@pytest.mark.parametrize("normalization", TOKEN_NORMALIZATIONS)
def test_without_weights_all_are_the_core_encoder(clip_xl: Clip, normalization: str, interpretation: str) -> None:
    for text in ("", "   ", "a cat on the grass", "word " * 100):
        assert torch.equal(cond(clip_xl, text, normalization, interpretation), clip_xl.encode(text)[0][0])


def test_a1111_multiplies_and_keeps_the_mean(clip: Clip) -> None:
    plain, weighted = cond(clip, "a cat"), cond(clip, "a (cat:1.6)", interpretation="A1111")
    ratio = weighted / plain
    assert torch.allclose(ratio[:, 2] / ratio[:, 1], torch.tensor(1.6), rtol=1e-4)
    assert torch.allclose(weighted.mean(), plain.mean(), rtol=1e-3)
    assert not torch.equal(weighted[:, 10], plain[:, 10])


def test_compel_raises_as_comfy_does(clip: Clip) -> None:
    text = "a (cat:1.6) on (green grass:1.2)"
    assert torch.equal(cond(clip, text, interpretation="compel"), cond(clip, text))


def test_lowering_mixes_in_an_encoding_with_a_mask(clip: Clip) -> None:
    """w of the prompt and 1 - w of the prompt whose start mark is masked, as the pack does in a prompt of one chunk."""
    encoder = clip.encoders[0]
    [chunk] = tokenize("a cat", encoder, None)
    masked, _ = encode_chunks(encoder, [[(MASK_TOKEN, 1.0), *chunk[1:]]], clip.layer)
    plain = cond(clip, "a cat")
    for interpretation in ("compel", "comfy++", "down_weight"):
        got = cond(clip, "a (cat:0.25)", interpretation=interpretation)
        assert torch.allclose(got, 0.25 * plain + 0.75 * masked, atol=1e-6)


def test_a_weight_of_two_chunks_masks_two_positions(clip: Clip) -> None:
    encoder = clip.encoders[0]
    text = "(" + "cat " * 100 + ":0.5)"
    first, second = tokenize("cat " * 100, encoder, None)
    hidden = [(MASK_TOKEN, 1.0), (MASK_TOKEN, 1.0), *first[2:]]
    masked, _ = encode_chunks(encoder, [hidden, second], clip.layer)
    plain = cond(clip, "cat " * 100)
    assert torch.allclose(cond(clip, text, interpretation="compel"), (plain + masked) / 2, atol=1e-6)


def test_the_mask_of_compel_has_no_weight(clip: Clip) -> None:
    """A masked position loses the weight above 1 that it had: with `mean` that is any first word of two chunks."""
    encoder = clip.encoders[0]
    rest = "cat " * 100
    first, second = tokenize(f"(big:1.5) {rest}", encoder, None)
    plain, _ = encode_chunks(encoder, [first, second], clip.layer)
    masked, _ = encode_chunks(encoder, [[(MASK_TOKEN, 1.0), (MASK_TOKEN, 1.0), *first[2:]], second], clip.layer)
    got = cond(clip, f"(big:1.5) ({rest}:0.5)", interpretation="compel")
    assert torch.allclose(got, (plain + masked) / 2, atol=1e-6)


def test_comfy_plus_plus_moves_a_word_away_from_the_prompt_without_it(clip: Clip) -> None:
    encoder = clip.encoders[0]
    [chunk] = tokenize("a cat here", encoder, None)
    without, _ = encode_chunks(encoder, [[*chunk[:2], (MASK_TOKEN, 1.0), *chunk[3:]]], clip.layer)
    plain, got = cond(clip, "a cat here"), cond(clip, "a (cat:1.5) here", interpretation="comfy++")
    assert torch.equal(got[:, :2], plain[:, :2])
    assert torch.equal(got[:, 3:], plain[:, 3:])
    assert torch.allclose(got[:, 2], plain[:, 2] + 0.5 * (plain - without)[:, 2], atol=1e-6)


def test_comfy_plus_plus_reads_words_of_other_chunks_alone(clip: Clip) -> None:
    """What stands in another chunk does not change: chunks are encoded one by one."""
    text = "word " * 75 + "and (cat:1.5)"
    plain, got = cond(clip, text.replace("(cat:1.5)", "(cat:1.0)")), cond(clip, text, interpretation="comfy++")
    assert torch.equal(got[:, :77], plain[:, :77])
    assert not torch.equal(got[:, 77:], plain[:, 77:])


def test_down_weight_divides_by_the_largest_weight(clip: Clip) -> None:
    assert torch.equal(cond(clip, "(all of it:1.7)", interpretation="down_weight"), cond(clip, "(all of it:1.0)"))
    raised, lowered = "(a:2.0) (cat:1.0)", "(a:1.0) (cat:0.5)"
    down = {text: cond(clip, text, interpretation="down_weight") for text in (raised, lowered)}
    assert torch.allclose(down[raised], down[lowered], atol=1e-6)


@pytest.mark.parametrize("interpretation", WEIGHT_INTERPRETATIONS)
@pytest.mark.parametrize("text", [WEIGHTED, LONG])
def test_weights_count(clip: Clip, text: str, interpretation: str) -> None:
    plain = cond(clip, re.sub(r":[0-9.]+\)", ":1.0)", text), interpretation=interpretation)
    got = cond(clip, text, interpretation=interpretation)
    assert got.shape == plain.shape
    assert got.isfinite().all()
    assert not torch.allclose(got, plain, atol=1e-3)


def test_the_pooled_output_is_that_of_clip_g_and_knows_no_weights(clip: Clip, clip_xl: Clip) -> None:
    assert encode_prompt(clip, WEIGHTED, "none", "comfy")[0][1] == {"pooled_output": None}
    plain = clip_xl.encode("a (cat:1.0)")[0][1]["pooled_output"]
    for interpretation in WEIGHT_INTERPRETATIONS:
        [[_, options]] = encode_prompt(clip_xl, "a (cat:0.5)", "length", interpretation)
        assert torch.allclose(options["pooled_output"], plain, atol=1e-6)


@pytest.mark.parametrize("name", ["clip_h", "clip_g"])
def test_a_single_larger_encoder(name: str) -> None:
    """SD 2.x, which the pack cannot read, and SDXL's refiner, whose model is given the pooled output."""
    spec = SimpleNamespace(pad_token=0, layer=-2, final_norm=name == "clip_h")
    clip = Clip((TextEncoder(name, tower(8, projected=True), spec),))
    [[expected, extra]] = clip.encode(WEIGHTED)
    [[got, options]] = encode_prompt(clip, WEIGHTED, "none", "comfy")
    assert torch.equal(got, expected)
    assert (options["pooled_output"] is None) == (name == "clip_h")
    assert options["pooled_output"] is None or torch.equal(options["pooled_output"], extra["pooled_output"])
    assert all(cond(clip, LONG, "mean", each).isfinite().all() for each in WEIGHT_INTERPRETATIONS)


@settings(max_examples=25)
@given(
    st.text("ab (:.0123456789)", max_size=60),
    st.sampled_from(TOKEN_NORMALIZATIONS),
    st.sampled_from(WEIGHT_INTERPRETATIONS),
)
def test_any_text_can_be_read(clip: Clip, text: str, normalization: str, interpretation: str) -> None:
    assert cond(clip, text, normalization, interpretation).shape[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a", "lenght", "comfy"), "unknown token normalization 'lenght'.*did you mean 'length'"),
        (("a", "none", "a1111"), "unknown weight interpretation 'a1111'.*did you mean 'A1111'"),
        (("(a:nan)", "mean", "comfy"), "a weight of the prompt is nan"),
        (("(a:inf)", "none", "A1111"), "a weight of the prompt is inf"),
    ],
)
def test_bad_input(clip: Clip, arguments: tuple[str, str, str], message: str) -> None:
    with pytest.raises(DiffusionError, match=message):
        encode_prompt(clip, *arguments)
