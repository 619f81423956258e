"""Prompts into conditioning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.errors import MissingFile
from weft.engine.folders import Folders
from weft.engine.schema.authoring import node
from weft.engine.schema.node import Seen
from weft.engine.schema.sockets import Int, String
from weft.nodes.core.types import Clip, Conditioning
from weft.nodes.diffusion.text.mentions import mentions


def prompts(*inputs: str) -> dict[str, Any]:
    """For `@node(**prompts("text"))`: these inputs are texts in which `embedding:NAME` names a file.

    What the files hold joins the cache key. A name that no file has is said before anything runs where the text is
    known by then, else when it is encoded.
    """
    return {"fingerprint": _fingerprint_of(inputs), "check": _check_of(inputs)}


def _fingerprint_of(inputs: Sequence[str]) -> Callable[[Folders, Mapping[str, Any]], list[Path | str]]:
    def found(folders: Folders, constants: Mapping[str, Any]) -> list[Path | str]:
        # A text that comes through a link is known only when the node runs: it may name any of them.
        if any(name not in constants for name in inputs):
            return [part for item in folders.embeddings().items() for part in item]
        named = (mention for name in inputs for mention in mentions(constants[name], folders.embedding))
        return [mention.file or f"no {mention.name}" for mention in dict.fromkeys(named)]

    return found


def _text_of(seen: Seen, name: str) -> str:
    """The text of an input, as far as it is known: typed, or given by a node that has nothing else to give."""
    if name in seen.constants:
        return str(seen.constants[name])
    source = seen.source(name)
    texts = list(source.constants.values()) if source is not None and not source.links else []
    return texts[0] if len(texts) == 1 and isinstance(texts[0], str) else ""


def _check_of(inputs: Sequence[str]) -> Callable[[Seen], Iterator[tuple[str, MissingFile]]]:
    def missing(seen: Seen) -> Iterator[tuple[str, MissingFile]]:
        if seen.folders is None:
            return
        for name in inputs:
            text = _text_of(seen, name)
            if "prompt_schedule" in seen.passes and "[" in text:
                continue  # what its brackets become is checked
            for mention in dict.fromkeys(mentions(text, seen.folders.embedding)):
                if mention.file is None:
                    yield name, seen.folders.missing_embedding(mention.name)

    return missing


@node(display_name="CLIP Text Encode (Prompt)", category="conditioning", **prompts("text"))
def CLIPTextEncode(
    *, text: Annotated[str, String(multiline=True, dynamicPrompts=True)], clip: Clip, context: RunContext
) -> Conditioning:
    """Encode a prompt. `(red:1.3)` weighs words, `embedding:name` brings in a textual inversion.

    Args:
        text: The prompt.
        clip: The text encoders of a checkpoint.
    """
    return require(clip, "text encoder").encode(text, context.warn)


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
        from weft.nodes.diffusion.errors import DiffusionError

        raise DiffusionError(f"the checkpoint that this comes from holds no {name}; load one from another file")
    return part
