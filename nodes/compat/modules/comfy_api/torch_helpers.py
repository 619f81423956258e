"""Compiling a model. Networks run as they are here: a compiled one gives the same picture, so that is only said."""

from __future__ import annotations

from typing import Any

from weft.nodes.compat.host import context


def set_torch_compile_wrapper(model: Any, *args: Any, **kwargs: Any) -> None:
    """Leave the model as it is, with a warning."""
    context().warn("torch.compile is not carried out here: the model runs as it is, slower than if it were compiled")


def get_torch_compile_wrapper_keys(model: Any) -> list[str]:
    """The parts of the model that are compiled."""
    return []
