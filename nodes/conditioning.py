"""Prompts into conditioning."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from engine.authoring import node
from engine.folders import Folders
from engine.sockets import Int, String
from nodes.types import Clip, Conditioning

_EMBEDDING = re.compile(r"embedding:([^\s()]+)")


def embedding_files(*inputs: str) -> Callable[[Folders, Mapping[str, Any]], list[Path | str]]:
    """For `@node(fingerprint=...)`: the textual-inversion files that these texts name; their content decides too.

    A text that comes through a link is known only when the node runs: then it is every file that it could name.
    """

    def found(folders: Folders, constants: Mapping[str, Any]) -> list[Path | str]:
        if any(name not in constants for name in inputs):
            return [part for item in folders.embeddings().items() for part in item]
        return _named((constants[name] for name in inputs), folders)

    return found


def _named(texts: Iterable[Any], folders: Folders) -> list[Path | str]:
    names = (name for text in texts if isinstance(text, str) for name in _EMBEDDING.findall(text))
    found: list[Path | str] = []
    for name in dict.fromkeys(names):
        # As the encoder does, a name is also tried without the commas and the weight that follow it.
        spellings = dict.fromkeys((name, name.rstrip(","), name.partition(":")[0]))
        paths = [path for spelling in spellings if (path := folders.embedding(spelling)) is not None]
        found.extend(paths or [f"no {name}"])
    return found


@node(display_name="CLIP Text Encode (Prompt)", category="conditioning", fingerprint=embedding_files("text"))
def CLIPTextEncode(*, text: Annotated[str, String(multiline=True, dynamicPrompts=True)], clip: Clip) -> Conditioning:
    """Encode a prompt. `(red:1.3)` weighs words, `embedding:name` brings in a textual inversion.

    Args:
        text: The prompt.
        clip: The text encoders of a checkpoint.
    """
    return require(clip, "text encoder").encode(text)


@node(category="conditioning", display_name="CLIP Set Last Layer")
def CLIPSetLastLayer(
    *, clip: Clip, stop_at_clip_layer: Annotated[int, Int(default=-1, min=-24, max=-1, step=1)]
) -> Clip:
    """Take the text encoder's output from an earlier layer ("clip skip").

    Args:
        clip: The text encoders of a checkpoint.
        stop_at_clip_layer: -1 is the last layer, -2 the one before it.
    """
    return require(clip, "text encoder").with_layer(stop_at_clip_layer)


def require(part: Any, name: str) -> Any:
    """`part`, where the checkpoint had one. Raises DiffusionError where it had none."""
    if part is None:
        from nodes.diffusion.errors import DiffusionError

        raise DiffusionError(f"the checkpoint that this comes from holds no {name}; load one from another file")
    return part
