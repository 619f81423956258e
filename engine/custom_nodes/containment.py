"""Keeps what the import of a pack changes in this process from reaching anybody else.

Invariants, after the block:
- The current folder, the signal handlers, the streams, the filters of warnings and what the root of logging writes to
  are as before. What was put on `sys.path` stands at its end.
- No function and no class of a watched module is another one than before, or than when the module was loaded: what was
  replaced is put back, and noted. Only what a library put in the place of its own stays.
"""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from weft.engine.custom_nodes.records import CustomPack, Imports
from weft.engine.custom_nodes.refusals import refusing

_OWN = __name__.partition(".")[0]
_PYTHONS = (
    *("builtins", "os", "posixpath", "ntpath", "sys", "io", "json", "time", "random", "pickle", "subprocess", "socket"),
    *("shutil", "threading", "asyncio", "warnings", "logging", "importlib", "urllib.request"),
)
_MOST_SAID = 20_000
"""Characters that are kept of what a pack prints."""


@contextmanager
def contained(pack: CustomPack, imports: Imports | None, *, trust: bool = False) -> Iterator[None]:
    """Around the import of a pack: what it changes is put back, and noted in its record.

    `trust` lets it start processes and open connections.
    """
    with ExitStack() as stack:
        watch = _Watch(imports)
        stack.callback(lambda: pack.notes.extend(watch.put_back()))
        stack.enter_context(_settings_kept())
        stack.enter_context(_streams_taken(pack))
        if not trust:
            stack.enter_context(refusing(pack.notes))
        stack.enter_context(watch.noticing())
        yield


class _Watch:
    """The functions and classes of watched modules as they were, and the states of libraries."""

    def __init__(self, imports: Imports | None) -> None:
        self._imports = imports
        self._names = (*_PYTHONS, *(imports.WATCHED if imports is not None else ()))
        self._before: dict[str, dict[str, Any]] = {}
        self._state: Mapping[str, Any] = {}
        self.look()

    def look(self, loaded: str = "") -> None:
        """Take down what is loaded and was not before; the package `loaded` has just been."""
        for name in [*self._names, *(name for name in sys.modules if name.startswith(f"{_OWN}.") and _is_ours(name))]:
            owner = _owner(name)
            if (
                owner is not None
                and name not in self._before
                and (name.partition(".")[0] == loaded or not _is_being_loaded(name))
            ):
                # A class may override by what is no code: one that compares has None for __hash__.
                own = _overriding(owner)
                self._before[name] = {key: value for key, value in vars(owner).items() if key in own or _is_code(value)}
        if self._imports is not None:
            self._state = {**self._imports.state(), **self._state}

    @contextmanager
    def noticing(self) -> Iterator[None]:
        """Inside the block, what is imported is looked at before anybody can change it."""
        finder = _Noticing({name.partition(".")[0] for name in self._names}, self.look)
        sys.meta_path.insert(0, finder)
        try:
            yield
        finally:
            with suppress(ValueError):
                sys.meta_path.remove(finder)

    def put_back(self) -> list[str]:
        """Put back what was replaced; returns what to say of it."""
        replaced: list[str] = []
        for name, before in self._before.items():
            owner = _owner(name)
            now = vars(owner) if owner is not None else {}
            for key, value in before.items():
                if now.get(key) is not value and not _of_its_own(name, now.get(key)):
                    setattr(owner, key, value)
                    replaced.append(f"{name}.{key}")
            for key in _overriding(owner) - before.keys():
                delattr(owner, key)
                replaced.append(f"{name}.{key}")
        changed = self._imports.restore(self._state) if self._imports is not None else ()
        return [
            *(f"replaced {name}, which was put back" for name in replaced),
            *(f"changed {name}, which was put back" for name in changed),
        ]


def _owner(name: str) -> Any:
    """A loaded module, or a class in one: `torch.nn.Module`."""
    found: Any = sys.modules.get(name)
    if found is None:
        module, _, kind = name.rpartition(".")
        found = vars(sys.modules.get(module, ModuleType(""))).get(kind)
        return found if isinstance(found, type) else None
    return found if isinstance(found, ModuleType) else None


def _of_its_own(name: str, value: Any) -> bool:
    """Whether a function is the library's that has it: torch wraps some of its own when it first compiles."""
    places = getattr(sys.modules.get(name.partition(".")[0]), "__path__", ())
    file = getattr(getattr(value, "__code__", None), "co_filename", "")
    return any(file.startswith(place + os.sep) for place in places)


def _overriding(owner: Any) -> set[str]:
    """The methods by which a class has others than it inherits."""
    if not isinstance(owner, type):
        return set()
    inherited = {key for base in owner.__mro__[1:] for key, value in vars(base).items() if _is_code(value)}
    return inherited & vars(owner).keys()


def _is_being_loaded(name: str) -> bool:
    """Whether the package of a module is still at its import: what it will have is not there yet."""
    spec = getattr(sys.modules.get(name.partition(".")[0]), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def _is_ours(name: str) -> bool:
    """Whether a module of Weft's is not there for packs, which may replace what is in those."""
    return ".modules" not in name


def _is_code(value: Any) -> bool:
    return callable(value) or isinstance(value, staticmethod | classmethod | property)


class _Noticing(MetaPathFinder):
    """Calls `loaded` with the name of each of these modules, right after it was loaded from outside."""

    def __init__(self, roots: set[str], loaded: Callable[[str], None]) -> None:
        self._roots = roots
        self._loaded = loaded

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find, with a loader that tells."""
        if fullname not in self._roots:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (finder.find_spec(fullname, path, target) for finder in others)), None)
        if spec is not None and getattr(spec.loader, "exec_module", None) is not None:
            loader: Any = spec.loader
            real = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                real(module)
                self._loaded(fullname)

            with suppress(AttributeError):
                loader.exec_module = exec_module  # of this one loader
        return spec


@contextmanager
def _settings_kept() -> Iterator[None]:
    """What a process has once: the current folder, the handlers of signals, filters, handlers of logging."""
    folder, path = os.getcwd(), list(sys.path)
    root = logging.getLogger()
    handlers, level, disabled = root.handlers[:], root.level, root.manager.disable
    hooks = sys.argv, sys.argv[:], sys.excepthook, sys.displayhook, threading.excepthook
    signals = _signals()
    try:
        with warnings.catch_warnings():
            yield
    finally:
        os.chdir(folder)
        sys.path[:] = [*path, *(place for place in sys.path if place not in path)]
        root.handlers[:], root.level, root.manager.disable = handlers, level, disabled
        root.manager._clear_cache()  # type: ignore[attr-defined]  # loggers remember whether they are heard
        sys.argv, sys.argv[:], sys.excepthook, sys.displayhook, threading.excepthook = hooks
        for number, handler in signals.items():
            if signal.getsignal(number) != handler:
                signal.signal(number, handler)


def _signals() -> dict[int, Any]:
    """The handlers that Python knows, where they can be set at all."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return {number: handler for number, handler in found.items() if handler is not None}


@contextmanager
def _streams_taken(pack: CustomPack) -> Iterator[None]:
    """What the pack prints goes into its record; what it reads is empty."""
    before = sys.stdin, sys.stdout, sys.stderr
    said = _Said(before[2])
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(), said, said
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
        pack.said = said.end()


class _Said(io.TextIOBase):
    """Keeps what is written to it until `end`; then it goes to standard error, for loggers that hold it."""

    encoding = "utf-8"

    def __init__(self, after: Any) -> None:
        self._kept: list[str] | None = []
        self._length = 0
        self._after = after

    def write(self, text: str) -> int:
        """Keep the text, or pass it on."""
        if self._kept is None:
            stream = sys.stderr if sys.stderr is not self else self._after
            return int(stream.write(text)) if stream is not None else len(text)
        if self._length < _MOST_SAID:
            self._kept.append(text[: _MOST_SAID - self._length])
            self._length += len(text)
        return len(text)

    def writable(self) -> bool:
        """Always."""
        return True

    def isatty(self) -> bool:
        """Never."""
        return False

    def end(self) -> str:
        """What was kept; from now on, it is passed on."""
        text, self._kept = "".join(self._kept or ()), None
        return text
