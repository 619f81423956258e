"""Modules of libraries that run when something in them is used, not when something imports them.

transformers and diffusers import, with the class of one network, most of what they have, and torch's compiler: seconds
in which nothing is computed. `install` puts a finder in front of Python's for the modules in `DEFERRED` alone. Each is
the library's own module: nothing is left out, it only runs later. Invariants:

1. A deferred module is one object from its import on; its code runs in it, once, when a name is asked of it that the
   table does not have. Then it holds what it always holds; a thread that asks while another one runs it waits.
2. A name of the table is given before that: a submodule's own (a module's name stands there), a `Late` object that
   becomes what it stands for at its first use, or what a function makes that says the same.
3. Where a library was imported before, or a module has another version, Python's own rules hold: nothing is replaced.

`tests/diffusion/test_deferred.py` holds each name against the library that is installed, and names its version.
"""

from __future__ import annotations

import functools
import importlib
import sys
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any, Union

LATE = "*"
"""In the place of a name: every name. In the place of where it is: what is imported is a Late object."""

PATIENCE = 30.0
"""Seconds that a thread waits for another that runs a module: two that import each other's would wait for ever."""

Names = Mapping[str, "str | Callable[[], Any]"]

_ALL_LATE: Names = {LATE: LATE}
# What only loading from a hub, training, several processes and pictures of language models need.
_UNUSED = (
    "conversion_mapping",
    "core_model_loading",
    "distributed.checkpoint",
    "distributed.expert_parallel",
    "distributed.fsdp",
    "distributed.parallel_utils",
    "distributed.sharding_utils",
    "distributed.tensor_parallel",
    "image_processing_backends",
    "image_processing_utils",
    "integrations.finegrained_fp8",
    "loss.loss_ctc",
    "loss.loss_d_fine",
    "loss.loss_deformable_detr",
    "loss.loss_deimv2",
    "loss.loss_for_object_detection",
    "loss.loss_grounding_dino",
    "loss.loss_lsd",
    "loss.loss_lw_detr",
    "loss.loss_rf_detr",
    "loss.loss_rnnt",
    "loss.loss_rt_detr",
    "loss.loss_tdt",
    "loss.loss_utils",
    "models.auto.processing_auto",
    "quantizers.auto",
    "safetensors_conversion",
    "utils.chat_template_utils",
)
_OF_THE_HUB = (
    "CommitOperationAdd",
    "HfApi",
    "ModelCard",
    "ModelCardData",
    "ResolvedRevision",
    "create_repo",
    "hf_hub_download",
    "hf_hub_url",
    "is_offline_mode",
    "model_info",
    "resolve_revision",
    "snapshot_download",
    "split_torch_state_dict_into_shards",
    "try_to_load_from_cache",
    "upload_folder",
)


# Libraries, and modules, that need not what the package around them does when it runs.
_LOOSE = ("diffusers", "huggingface_hub", "transformers", "torch._dynamo._trace_wrapped_higher_order_op")


class Late:
    """A name of a module that has not run: whatever is done with it, but `is`, is done with what it stands for."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    @property
    def _meant(self) -> Any:
        return getattr(_loaded(self._module), self._name)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._meant(*args, **named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._meant, name)

    def __getitem__(self, key: Any) -> Any:
        return self._meant[key]

    def __contains__(self, key: Any) -> bool:
        return key in self._meant

    def __iter__(self) -> Iterator[Any]:
        return iter(self._meant)

    def __len__(self) -> int:
        return len(self._meant)

    def __bool__(self) -> bool:
        return bool(self._meant)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, self._meant)

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self._meant)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self._meant,)

    # In an annotation nothing is used.
    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007

    def __ror__(self, other: Any) -> Any:
        return Union[other, self]  # noqa: UP007


class _Marks:
    """Marks that torch's compiler puts on functions, kept until there is a compiler. Without one they mean nothing."""

    def __init__(self) -> None:
        self._marked: list[tuple[str, Any]] = []

    def marker(self, name: str) -> Callable[[], Any]:
        """A decorator that marks what it is given as the compiler's of this name does."""

        def mark(function: Any) -> Any:
            self._marked.append((name, function))
            return function

        return lambda: mark

    def put(self, compiler: Any) -> None:
        """The compiler is there."""
        while self._marked:
            name, function = self._marked.pop(0)
            getattr(compiler, name)(function)


_MARKS = _Marks()


def _disable() -> Any:
    """torch._dynamo.disable: what it wraps is never compiled, which is so while there is no compiler."""

    def disable(fn: Any = None, recursive: bool = True, **named: Any) -> Any:
        if fn is None:
            return lambda function: disable(function, recursive, **named)
        made: list[Any] = []

        @functools.wraps(fn)
        def called(*args: Any, **given: Any) -> Any:
            if not _is_waiting("torch._dynamo") and not made:
                made.append(sys.modules["torch._dynamo"].disable(fn, recursive, **named))
            return (made[0] if made else fn)(*args, **given)

        return called

    return disable


def _version(library: str) -> str:
    from importlib.metadata import version

    return version(library)


DEFERRED: Mapping[str, Names] = {
    "torch._dynamo": {
        "allow_in_graph": _MARKS.marker("allow_in_graph"),
        "assume_constant_result": _MARKS.marker("assume_constant_result"),
        "disable": _disable,
    },
    "huggingface_hub": {
        "__version__": partial(_version, "huggingface_hub"),
        # Compared by identity.
        "_CACHED_NO_EXIST": "huggingface_hub.file_download",
        **dict.fromkeys(_OF_THE_HUB, LATE),
    },
    "requests": {},
    "scipy.integrate": {},
    "scipy.optimize": {"linear_sum_assignment": LATE},
    "scipy.stats": {},
    "diffusers.hooks": {},
    "diffusers.loaders": {
        "FromOriginalModelMixin": "diffusers.loaders.single_file_model",
        "PeftAdapterMixin": "diffusers.loaders.peft",
        "UNet2DConditionLoadersMixin": "diffusers.loaders.unet",
    },
    "diffusers.models.autoencoders": {},
    "diffusers.models.transformers": {},
    "diffusers.models.unets": {},
    "diffusers.loaders.single_file_utils": _ALL_LATE,
    "diffusers.quantizers": {"DiffusersAutoQuantizer": LATE, "DiffusersQuantizer": LATE},
    "diffusers.utils.dynamic_modules_utils": _ALL_LATE,
    "transformers": {
        "__version__": partial(_version, "transformers"),
        "AutoImageProcessor": LATE,
        "PreTrainedModel": "transformers.modeling_utils",
    },
    "transformers.models": {},
    "transformers.processing_utils": {"Unpack": "typing", **_ALL_LATE},
    **{f"transformers.{name}": _ALL_LATE for name in _UNUSED},
}


class DeferredModule(types.ModuleType):
    """A module of DEFERRED that has not run yet, or has."""

    _names: Names
    _source: Any
    _ran: bool
    _lock: threading.RLock

    def __getattr__(self, name: str) -> Any:
        given = self.__dict__
        if "_names" not in given or (name.startswith("__") and name not in (*given["_names"], "__all__")):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if not given["_ran"]:
            where = given["_names"].get(name, None if name.startswith("__") else given["_names"].get(LATE))
            if where is not None:
                found = self._before(name, where)
                with self._lock:
                    if not given["_ran"]:
                        return given.setdefault(name, found)
                return self._after(name)
            inner = f"{self.__name__}.{name}"
            if _is_loose(inner) and "__path__" in given and PathFinder.find_spec(inner, given["__path__"]) is not None:
                return importlib.import_module(inner)
        return getattr(_loaded(self.__name__), name) if not given["_ran"] else self._after(name)

    def _before(self, name: str, where: str | Callable[[], Any]) -> Any:
        if where == LATE:
            return Late(self.__name__, name)
        return getattr(importlib.import_module(where), name) if isinstance(where, str) else where()

    def _after(self, name: str) -> Any:
        # Another thread may be running the module: what it has not got yet it may have then.
        if self._lock.acquire(timeout=PATIENCE):
            self._lock.release()
        if name in self.__dict__:
            return self.__dict__[name]
        # Some modules put another in their place.
        now = sys.modules.get(self.__name__, self)
        if now is self:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(now, name)

    def run(self) -> None:
        """Run the module's code, if it has not run."""
        with self._lock:
            if self._ran:
                return
            self._ran = True
            for name in self._names:
                self.__dict__.pop(name, None)
            try:
                self._source.exec_module(self)
            except BaseException:
                self._ran = False
                raise
        if self.__name__ == "torch._dynamo":
            _MARKS.put(self)


class _Finder:
    """Finds the modules of DEFERRED where Python finds them, and lets them wait."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """See importlib.abc.MetaPathFinder."""
        if name not in DEFERRED:
            around = name.rpartition(".")[0]
            if not _is_waiting(around) or _is_loose(name):
                return None
            _loaded(around)
            return _there(name)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Waiting(spec.loader, DEFERRED[name])  # type: ignore[assignment]
        return spec


class _Made:
    """A loader of a module that its package has imported meanwhile."""

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """See importlib.abc.Loader."""
        return sys.modules[spec.name]

    def exec_module(self, module: types.ModuleType) -> None:
        """See importlib.abc.Loader."""


def _there(name: str) -> ModuleSpec | None:
    return ModuleSpec(name, _Made()) if name in sys.modules else None  # type: ignore[arg-type]


class _Waiting:
    """A loader whose modules run later."""

    def __init__(self, source: Any, names: Names) -> None:
        self._source = source
        self._names = names

    def __getattr__(self, name: str) -> Any:
        # Resources, source and whatever else loaders are asked for.
        return getattr(self._source, name)

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """See importlib.abc.Loader."""
        return DeferredModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """See importlib.abc.Loader."""
        module.__dict__.update(_names=self._names, _source=self._source, _ran=False, _lock=threading.RLock())


def _is_loose(name: str) -> bool:
    """Whether a module inside a package can be imported before the package's own code has run."""
    return name in _LOOSE or name.partition(".")[0] in _LOOSE


def _is_waiting(name: str) -> bool:
    module = sys.modules.get(name)
    return isinstance(module, DeferredModule) and not module._ran


def _loaded(name: str) -> types.ModuleType:
    module = sys.modules[name]
    if isinstance(module, DeferredModule):
        module.run()
    return sys.modules[name]


def install() -> None:
    """Let the modules of DEFERRED wait that nobody has imported. Done once for a process."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
