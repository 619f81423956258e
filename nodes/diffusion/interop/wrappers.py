"""Functions around a run's calls, and functions called on a model's way: `wrappers` and `callbacks` by ComfyUI's names.

A wrapper is called (executor, *arguments) in place of a function; executor(*arguments) goes on inwards. Both stand by
kind and key in transformer_options, which every clone copies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from weft.nodes.diffusion.errors import DiffusionError, nearest

Function = Callable[..., Any]


class WrappersMP:
    """Where a wrapper may stand."""

    PREPARE_SAMPLING = "prepare_sampling"
    OUTER_SAMPLE = "outer_sample"
    SAMPLER_SAMPLE = "sampler_sample"
    PREDICT_NOISE = "predict_noise"
    CALC_COND_BATCH = "calc_cond_batch"
    APPLY_MODEL = "apply_model"
    DIFFUSION_MODEL = "diffusion_model"


class CallbacksMP:
    """When a callback is called."""

    ON_CLONE = "on_clone"
    ON_LOAD = "on_load_after"
    ON_DETACH = "on_detach_after"
    ON_CLEANUP = "on_cleanup"
    ON_PRE_RUN = "on_pre_run"
    ON_PREPARE_STATE = "on_prepare_state"
    ON_APPLY_HOOKS = "on_apply_hooks"
    ON_REGISTER_ALL_HOOK_PATCHES = "on_register_all_hook_patches"
    ON_INJECT_MODEL = "on_inject_model"
    ON_EJECT_MODEL = "on_eject_model"


AROUND_RUN = (WrappersMP.OUTER_SAMPLE, WrappersMP.SAMPLER_SAMPLE, WrappersMP.PREDICT_NOISE)
"""The wrappers that take ComfyUI's way of running a sampler; the others act wherever a network is called."""
OBEYED = (*AROUND_RUN, WrappersMP.CALC_COND_BATCH, WrappersMP.APPLY_MODEL)
CALLED = (CallbacksMP.ON_CLONE, CallbacksMP.ON_PRE_RUN, CallbacksMP.ON_CLEANUP)

# wrappers or callbacks of transformer_options: kind -> key -> functions
Table = Mapping[str, Mapping[Any, Sequence[Function]]]


def check_wrapper(kind: str) -> None:
    """Raise DiffusionError for a kind of wrapper that nothing here calls."""
    if kind not in OBEYED:
        there = ", ".join(OBEYED)
        raise DiffusionError(f"a wrapper around {kind!r} cannot be carried{nearest(kind, OBEYED)}; there are {there}")


def check_callback(kind: str) -> None:
    """The same for callbacks."""
    if kind not in CALLED:
        there = ", ".join(CALLED)
        raise DiffusionError(f"a callback {kind!r} would never be called{nearest(kind, CALLED)}; there are {there}")


def of_kind(table: Table, kind: str) -> list[Function]:
    """All functions of a kind, in the order in which their keys came."""
    return [function for functions in table.get(kind, {}).values() for function in functions]


def wrappers_in(transformer_options: Mapping[str, Any], kind: str) -> list[Function]:
    """The wrappers of a kind in transformer_options; checks that all there are obeyed."""
    table: Table = transformer_options.get("wrappers", {})
    for other, functions in table.items():
        if any(functions.values()):
            check_wrapper(other)
    return of_kind(table, kind)


def call_back(model: Any, kind: str) -> None:
    """Call the callbacks of a kind that stand in a model's options, with the model."""
    table: Table = model.model_options.get("transformer_options", {}).get("callbacks", {})
    for callback in of_kind(table, kind):
        callback(model)


def around_run(model_options: Mapping[str, Any]) -> bool:
    """Whether wrappers are there that only ComfyUI's way of running a sampler calls (interop.guider)."""
    inner = model_options.get("transformer_options", {})
    return any(wrappers_in(inner, kind) for kind in AROUND_RUN)


class WrapperExecutor:
    """A function and the wrappers around it, the first outermost; `class_obj` is whose method it is."""

    def __init__(self, original: Function, class_obj: Any, wrappers: Sequence[Function], idx: int = 0) -> None:
        self.original = original
        self.class_obj = class_obj
        self.wrappers = list(wrappers)
        self.idx = idx

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Go on inwards."""
        return WrapperExecutor(self.original, self.class_obj, self.wrappers, self.idx + 1).execute(*args, **kwargs)

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Call the wrapper that is next, or the function itself."""
        if self.idx >= len(self.wrappers):
            return self.original(*args, **kwargs)
        return self.wrappers[self.idx](self, *args, **kwargs)

    @classmethod
    def new_executor(cls, original: Function, wrappers: Sequence[Function], idx: int = 0) -> WrapperExecutor:
        """Of a plain function."""
        return cls(original, None, wrappers, idx)

    @classmethod
    def new_class_executor(
        cls, original: Function, class_obj: Any, wrappers: Sequence[Function], idx: int = 0
    ) -> WrapperExecutor:
        """Of a method."""
        return cls(original, class_obj, wrappers, idx)


NOT_OBEYED = ("context_handler", "multigpu_clones")
"""What packs may write into model_options, by ComfyUI's names, and that nothing here does."""


def check_obeyed(options: Mapping[str, Any]) -> None:
    """Raise DiffusionError where model_options hold something that would change the picture, and does not here."""
    for name in NOT_OBEYED:
        if options.get(name) is not None:
            raise DiffusionError(f"model_options hold {name!r}, which nothing here obeys: it would change the picture")
