"""How a model reads its prompts and the pictures to edit that they carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.nodes.diffusion.errors import DiffusionError

if TYPE_CHECKING:
    from weft.nodes.diffusion.weights.patcher import ModelPatcher


def keep_references(model: ModelPatcher) -> ModelPatcher:
    """The model that keeps what it reads of pictures to edit over the steps of a run: see Kind.keeping_references.

    Raises:
        DiffusionError: a model of a family in which none does.
    """
    kind = model.kind.keeping_references()
    if kind is None:
        raise DiffusionError(
            f"{model.kind.title} cannot keep what it reads of reference pictures over the steps: expected a model of "
            "FLUX.2 klein KV"
        )
    changed = model.clone()
    changed.kind = kind
    return changed


def keep_prefix(model: ModelPatcher, place: str, form: str) -> ModelPatcher:
    """The model that keeps what it reads of its prompt over the steps there, and in this form: see Kind.keeping_prefix.

    Raises:
        DiffusionError: a model of a family in which none does.
    """
    kind = model.kind.keeping_prefix(place, form)
    if kind is None:
        raise DiffusionError(
            f"{model.kind.title} cannot keep what it reads of its prompt over the steps: expected a model of "
            "Qwen-Image 2.1"
        )
    changed = model.clone()
    changed.kind = kind
    return changed
