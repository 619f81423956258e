"""`comfy.patcher_extension`: functions around a run's calls, and on a model's way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from weft.nodes.diffusion.interop.wrappers import CallbacksMP, WrapperExecutor, WrappersMP, check_wrapper, of_kind

__all__ = ["CallbacksMP", "WrapperExecutor", "WrappersMP"]

Options = dict[str, Any]


class PatcherInjection:
    """Two functions that change a network and change it back: made, but a MODEL here takes none."""

    def __init__(self, inject: Callable[..., Any], eject: Callable[..., Any]) -> None:
        self.inject = inject
        self.eject = eject


def _inner(options: Options, is_model_options: bool) -> Options:
    inner: Options = options.setdefault("transformer_options", {}) if is_model_options else options
    return inner


def add_wrapper_with_key(
    wrapper_type: str,
    key: str | None,
    wrapper: Callable[..., Any],
    transformer_options: Options,
    is_model_options: bool = False,
) -> None:
    """Put a function around one of a run's calls, into transformer_options (or into those in model_options).

    Raises:
        DiffusionError: one that nothing here would call.
    """
    check_wrapper(wrapper_type)
    kinds = _inner(transformer_options, is_model_options).setdefault("wrappers", {}).setdefault(wrapper_type, {})
    kinds[key] = [*kinds.get(key, ()), wrapper]


def add_wrapper(
    wrapper_type: str, wrapper: Callable[..., Any], transformer_options: Options, is_model_options: bool = False
) -> None:
    """See add_wrapper_with_key."""
    add_wrapper_with_key(wrapper_type, None, wrapper, transformer_options, is_model_options)


def get_wrappers_with_key(
    wrapper_type: str, key: str | None, transformer_options: Options, is_model_options: bool = False
) -> list[Callable[..., Any]]:
    """Those of a key."""
    return list(_inner(transformer_options, is_model_options).get("wrappers", {}).get(wrapper_type, {}).get(key, ()))


def get_all_wrappers(
    wrapper_type: str, transformer_options: Options, is_model_options: bool = False
) -> list[Callable[..., Any]]:
    """Those of all keys."""
    return of_kind(_inner(transformer_options, is_model_options).get("wrappers", {}), wrapper_type)


def copy_nested_dicts(input_dict: Mapping[Any, Any]) -> dict[Any, Any]:
    """Dicts and lists copied all the way down, everything else shared."""
    from weft.nodes.diffusion.sampling.model_options import copied

    found: dict[Any, Any] = copied(dict(input_dict))
    return found


def merge_nested_dicts(dict1: Mapping[Any, Any], dict2: Mapping[Any, Any], copy_dict1: bool = True) -> dict[Any, Any]:
    """Both in one: dicts merged, lists joined, of others the second."""
    merged: dict[Any, Any] = copy_nested_dicts(dict1) if copy_dict1 else dict1  # type: ignore[assignment]
    for key, value in dict2.items():
        own = merged.get(key)
        if isinstance(own, dict) and isinstance(value, dict):
            merged[key] = merge_nested_dicts(own, value, copy_dict1=False)
        elif isinstance(own, list) and isinstance(value, list):
            merged[key] = [*own, *value]
        else:
            merged[key] = value
    return merged
