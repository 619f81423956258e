"""What Lotus reads beside a picture: the empty prompt of Stable Diffusion 2.x."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.errors import MissingFile
from weft.engine.folders import Folders
from weft.engine.schema.authoring import Output, node
from weft.engine.schema.node import Seen
from weft.nodes.core.loaders import place
from weft.nodes.core.types import Conditioning
from weft.nodes.diffusion.families.glances import text_file
from weft.nodes.diffusion.families.text_files import CLIP_H

ENCODER = "lotus_clip_h.safetensors"
"""How the text encoder may be called; it is known by its content under any other name, too."""

_PLACES = ("text_encoders", "checkpoints")
_MARKS = 2
"""Tokens of a text without words: where it starts and where it ends."""
_HINT = (
    f"Lotus reads its empty prompt: put text_encoder/model.safetensors of jingheya/lotus-depth-d-v1-1 into "
    f"models/text_encoders as {ENCODER}, or any SD 2.x checkpoint (.safetensors) into models/checkpoints"
)


def encoder_file(folders: Folders) -> Path:
    """A file with the text encoder of SD 2.x: the first among the text encoders, then among the checkpoints, by name.

    Raises MissingFile, which says what to put where.
    """
    for kind in _PLACES:
        for name in folders.files(kind):
            with suppress(MissingFile):  # a link into nothing is listed, too
                path = folders.find(kind, name)
                found = text_file(path)
                if found is not None and found.name == CLIP_H:
                    return path
    try:
        return folders.find(_PLACES[0], ENCODER)
    except MissingFile as error:
        raise MissingFile("no file has the text encoder of Stable Diffusion 2.x (CLIP-H)", hint=_HINT) from error


def _check(seen: Seen) -> Iterator[tuple[str, str | MissingFile]]:
    if seen.folders is not None:
        try:
            encoder_file(seen.folders)
        except MissingFile as error:
            yield "", error


def _fingerprint(folders: Folders, constants: Mapping[str, Any]) -> list[Path]:
    return [encoder_file(folders)]


@node(category="conditioning/lotus", python_module="comfy_extras.nodes_lotus", check=_check, fingerprint=_fingerprint)
def LotusConditioning(*, context: RunContext) -> Annotated[Conditioning, Output("conditioning")]:
    """The prompt that every model of Lotus reads: an empty one, as SD 2.x's text encoder writes it.

    ComfyUI has its numbers in its code; here the encoder's file computes them: one that holds CLIP-H in the
    text_encoders folders, else an SD 2.x checkpoint.
    """
    from weft.nodes.diffusion.weights.checkpoint import load_clip

    where, file = place(context), encoder_file(context.folders)
    clip = load_clip([file], "stable_diffusion", device=where.memory, dtype=where.text, warn=context.warn)
    rows, _ = clip.encode("")[0]
    # No token sees those behind it: these are the rows of the prompt without padding, as Lotus reads it.
    return [[rows[:, :_MARKS].clone(), {}]]
