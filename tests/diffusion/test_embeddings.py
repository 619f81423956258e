"""Textual inversion: how prompts name embeddings, and what their files hold."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from weft.nodes.diffusion.eras import ERAS
from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.text.embeddings import load_embedding, lookup_in
from weft.nodes.diffusion.text.mentions import Mention, mentions, missing_in, pieces, split_mentions

FILE = Path("a.pt")


def known(*names: str):
    return lambda name: FILE if name in names else None


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", [""]),
        ("a cat", ["a cat"]),
        ("embedding:x", [Mention("x", FILE)]),
        ("embedding:x embedding:y", [Mention("x", FILE), Mention("y", FILE)]),
        ("embedding: x", [Mention("x", FILE)]),
        ("embedding:x,, b", [Mention("x", FILE), ",, b"]),
        ("embedding:x,", [Mention("x", FILE), ", "]),
        ("embedding:y, b", [Mention("y,", FILE), " b"]),
        ("embedding:no b", [Mention("no", None), " b"]),
        ("embedding:no, b", [Mention("no", None), ", b"]),
        ("embedding:", [Mention("", None)]),
        ("embedding:, b", [Mention("", None), ", b"]),
        ("catembedding:x", ["catembedding:x"]),
        ("Embedding:x", ["Embedding:x"]),
        ("[embedding:x]", ["[embedding:x]"]),
    ],
)
@pytest.mark.parametrize("era", ERAS)
def test_mentions(text: str, pieces: list, era: str) -> None:
    assert list(split_mentions(text, known("x", "y", "y,"), era)) == pieces


@pytest.mark.parametrize(
    ("text", "older", "newer"),
    [
        ("a embedding:x b", ["a", Mention("x", FILE), " b"], ["a ", Mention("x", FILE), " b"]),
        ("a\nembedding:x\tb\n c", ["a", Mention("x", FILE), " b c"], ["a\n", Mention("x", FILE), " b c"]),
        ("a\tembedding:x", ["a\tembedding:x"], ["a\t", Mention("x", FILE)]),
        ("embedding:x<a> b", [Mention("x<a>", None), " b"], [Mention("x", FILE), "<a> b"]),
        ("embedding:x[a", [Mention("x[a", None)], [Mention("x", FILE), "[a"]),
        ("embedding:x,[a", [Mention("x,[a", None)], [Mention("x", FILE), ",[a"]),
    ],
)
def test_marks_by_era(text: str, older: list, newer: list) -> None:
    assert [list(split_mentions(text, known("x"), era)) for era in ERAS] == [older, newer]


def test_missing_whichever_the_rules() -> None:
    assert [each.name for each in missing_in("a embedding:no<b embedding:x", known("x"))] == ["no"]
    assert not list(missing_in("a\tembedding:no", known("x")))
    assert not list(missing_in("embedding:x<b", known("x")))


def test_mentions_of_a_whole_prompt() -> None:
    text = "a (embedding:x:1.2), ((b embedding:no:0.5)) \\(embedding:x\\) [embedding:y] embedding:"
    assert [mention.name for mention in mentions(text, known("x"))] == ["x", "no"]


def test_without_a_lookup_all_is_text() -> None:
    assert list(pieces("embedding:x b", None)) == ["embedding:x b"]


def test_lookup(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for path in (first / "a.pt", second / "a.safetensors", second / "sub" / "b.bin", second / "b.v2.pt"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    find = lookup_in([first, second, tmp_path / "absent"])
    assert find("a") == first / "a.pt"
    assert find("a.safetensors") == second / "a.safetensors"
    assert find("sub/b") == second / "sub" / "b.bin"
    assert find("b.v2") == second / "b.v2.pt"
    assert find("b") is find("sub") is find("") is find("a\0") is find("x" * 5000) is find("é" * 200) is None


@pytest.mark.parametrize("name", ["../secret", "sub/../../secret", "/etc/passwd", ".."])
def test_lookup_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.pt").write_bytes(b"")
    with pytest.raises(DiffusionError, match="leads out of the folder"):
        lookup_in([tmp_path / "embeddings"])(name)


@pytest.mark.parametrize(
    ("content", "key", "expected"),
    [
        ({"clip_g": torch.zeros(1, 3), "clip_l": torch.ones(2, 3)}, "clip_l", 1.0),
        ({"emb_params": torch.ones(2, 3, dtype=torch.float16)}, "clip_g", 1.0),
        ({"string_to_token": {"*": torch.tensor(265)}, "string_to_param": {"*": torch.ones(2, 3)}}, "clip_l", 1.0),
        ({"<cat-toy>": torch.ones(3)}, "clip_l", 1.0),
        ({"string_to_param": {"*": torch.nn.Parameter(torch.ones(2, 3))}, "step": 5, "name": "x"}, "clip_l", 1.0),
        ({"string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(torch.ones(2, 3))})}, "clip_l", 1.0),
        ([{"a": torch.zeros(2, 4)}, {"b": torch.ones(3), "c": torch.ones(1, 2, 3)}], "clip_l", 1.0),
        ({"bundle_emb.w.clip_l": torch.ones(2, 3), "bundle_emb.w.clip_g": torch.zeros(1, 4)}, "clip_l", 1.0),
        ({"lora_unet_x.alpha": torch.zeros(()), "bundle_emb.w.string_to_param.*": torch.ones(1, 3)}, "clip_g", 1.0),
    ],
)
def test_contents(tmp_path: Path, content: dict, key: str, expected: float) -> None:
    path = tmp_path / "e.pt"
    torch.save(content, path)
    vectors = load_embedding(path, key, 3)
    assert vectors.dtype == torch.float32 and vectors.shape[1] == 3 and not vectors.requires_grad
    assert (vectors == expected).all()


def test_all_words_of_a_bundle_are_meant(tmp_path: Path) -> None:
    path = tmp_path / "bundle.safetensors"
    words = {"two": torch.full((1, 3), 2.0), "one": torch.ones(2, 3)}
    save_file({f"bundle_emb.{word}.clip_l": vectors for word, vectors in words.items()}, path)
    assert load_embedding(path, "clip_l", 3)[:, 0].tolist() == [1.0, 1.0, 2.0]
    save_file({"bundle_emb.a.clip_l": torch.ones(1, 3), "bundle_emb.b.clip_l": torch.ones(1, 4)}, path)
    with pytest.raises(CheckpointError, match=r"'bundle\.safetensors' holds vectors of widths \[3, 4\] for clip_l"):
        load_embedding(path, "clip_l", 3)


@pytest.mark.parametrize("content", [{"clip_l": torch.zeros(2, 1024)}, [{"a": torch.zeros(2, 1024)}]])
def test_another_width_is_given_as_it_is(tmp_path: Path, content: object) -> None:
    """Its vectors still count as tokens, in ComfyUI's way."""
    path = tmp_path / "wide.pt"
    torch.save(content, path)
    assert load_embedding(path, "clip_l", 768).shape == (2, 1024)


@pytest.mark.parametrize("shape", [(), (1, 2, 3)])
def test_another_form(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({"clip_l": torch.zeros(shape)}, path)
    with pytest.raises(CheckpointError, match="expected vectors"):
        load_embedding(path, "clip_l", 3)


def test_no_tensor(tmp_path: Path) -> None:
    path = tmp_path / "none.safetensors"
    save_file({}, path)
    with pytest.raises(CheckpointError, match="holds no tensor"):
        load_embedding(path, "clip_l", 3)


class Evil:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("name", ["e.pt", "e.safetensors"])
def test_code_is_never_run(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CheckpointError):
        load_embedding(path, "clip_l", 3)
    assert capsys.readouterr().out == ""


def test_a_torch_file_with_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "e.pt"
    torch.save({"x": Evil(), "clip_l": torch.zeros(1, 3)}, path)
    with pytest.raises(CheckpointError, match=r"e\.pt"):
        load_embedding(path, "clip_l", 3)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("shape", [(2, 0), (0, 8), (2, 3, 0)])
def test_a_list_with_no_numbers_in_it(shape: tuple[int, ...], tmp_path: Path) -> None:
    torch.save([{"a": torch.ones(*shape)}], tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="expected vectors"):
        load_embedding(tmp_path / "a.pt", "clip_l", 8)
