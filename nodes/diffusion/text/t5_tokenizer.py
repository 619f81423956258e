"""T5's tokenizer, which no package brings: where its file is looked for, and how it is read.

Kudo 2018 (unigram models) in the vocabulary of Raffel et al. 2020, of 32,100 pieces. Checked against the ids that
ComfyUI gives (parity_families/tokens.json).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import DiffusionError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor

# What the file is called: as `tokenizers` writes it, or the model of sentencepiece.
FILES = ("t5_tokenizer.json", "tokenizer.json", "spiece.model")
# Repositories of Hugging Face whose tokenizer is T5's own, as their cache spells them.
REPOSITORIES = ("--t5", "flux.1", "stable-diffusion-3")
# Its ids of two texts: a file that gives others is another model's tokenizer.
PROBES = {"a photo of a cat": [3, 9, 1202, 13, 3, 9, 1712], "Hello, world!": [8774, 6, 296, 55]}


def ids_of(folders: Sequence[Path]) -> Callable[[str], list[int]]:
    """The ids of a text; the tokenizer is looked for when this is first called."""

    def ids(text: str) -> list[int]:
        return _opened(find(folders))(text)

    return ids


def ids_inside(tokenizer: Tensor) -> Callable[[str], list[int]]:
    """The ids of a text, by the bytes of a tokenizer that stands in a file of weights."""
    from tokenizers import Tokenizer

    return _ids(Tokenizer.from_buffer(tokenizer.numpy().tobytes()))


def small_tokenizer() -> Tensor:
    """The bytes of a tokenizer of letters, for small models that no text needs to mean anything to."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = [chr(code) for code in range(0x21, 0x7F)]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -2.0), *((letter, -3.0) for letter in letters)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=2, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return torch.tensor(list(tokenizer.to_str().encode()), dtype=torch.uint8)


def find(folders: Sequence[Path]) -> Path:
    """The file of the tokenizer: in these folders, in the ComfyUI that one is of, or in the cache of Hugging Face,
    which is not asked to load anything.

    folders: `tokenizers` of each folder of models, which need not exist.

    Raises:
        DiffusionError: it is nowhere there; it says which file to put where.
    """
    found = next((path for path in _places(folders) if path.is_file()), None)
    if found is None:
        raise DiffusionError(
            "T5 needs its tokenizer, a file of its own: put tokenizer.json or spiece.model of google/t5-v1_1-xxl "
            f"(or of the folder tokenizer_2 of FLUX.1) into {folders[0] if folders else 'tokenizers/ of the models'}"
        )
    return found


def _places(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        models = folder.parent
        # A checkout of ComfyUI brings one, and people keep theirs with the encoders.
        beside = (models / "text_encoders", models / "clip")
        comfyui = models.parent / "comfy" / "text_encoders" / "t5_tokenizer"
        for place in (folder, folder / "t5", comfyui):
            yield from (place / name for name in FILES)
        yield from (place / name for place in beside for name in (FILES[0], FILES[-1]))
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    for repository in sorted((home / "hub").glob("models--*")):
        if any(name in repository.name.lower() for name in REPOSITORIES):
            for name in FILES[1:]:
                yield from sorted(repository.glob(f"snapshots/*/tokenizer_[23]/{name}"))
                yield from sorted(repository.glob(f"snapshots/*/{name}"))


@functools.cache
def _opened(path: Path) -> Callable[[str], list[int]]:
    ids = _sentencepiece(path) if path.suffix == ".model" else _json(path)
    for text, wanted in PROBES.items():
        got = ids(text)
        if got != wanted:
            raise DiffusionError(f"{path} is no tokenizer of T5: {text!r} has the ids {got}, expected {wanted}")
    return ids


def _json(path: Path) -> Callable[[str], list[int]]:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises this very class for whatever it cannot read
        raise DiffusionError(f"{path} is no tokenizer: {error}") from error

    return _ids(tokenizer)


def _ids(tokenizer: Tokenizer) -> Callable[[str], list[int]]:
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def _sentencepiece(path: Path) -> Callable[[str], list[int]]:
    return sentencepiece_ids(path.read_bytes(), str(path))


def sentencepiece_ids(model: bytes, where: str) -> Callable[[str], list[int]]:
    """The ids of a text by a model of sentencepiece; where: what an error calls it."""
    import sentencepiece

    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise DiffusionError(f"{where} is no model of sentencepiece: {error}") from error

    def ids(text: str) -> list[int]:
        found: list[int] = processor.encode(text)
        return found

    return ids
