"""What stands for a name of ComfyUI's that Weft has not: it can be imported, and fails when it is used.

A pack imports dozens of names, and most of its nodes need few of them. So a missing name does not keep the pack from
loading: it is a placeholder, a class that can be a base, an annotation or a decorator, and that raises MissingName when
it is called, when its attributes are asked for, or when it is anything but passed on. A class that has one as its base
is whole until it is made an instance of. While the pack is loaded, attributes and calls give further placeholders.

Invariants:
- A guarded name (`try: from comfy.x import y ... except ImportError`) is never a placeholder: the pack is prepared.
- `hasattr(module, name)` says False, `getattr(module, name, default)` gives the default.
"""

from __future__ import annotations

import dis
import functools
import os
import sys
from abc import ABCMeta
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType, FunctionType, ModuleType
from typing import Any, NoReturn

from weft.engine.errors import WeftError
from weft.nodes.compat.guards import guarded


class MissingName(WeftError, AttributeError):
    """A pack used a name of ComfyUI's that Weft has not."""


LIBRARIES = {
    **{name: name for name in ("aiohttp", "einops", "psutil", "sentencepiece", "soundfile", "spandrel", "yarl")},
    **{name: name for name in ("torchaudio", "torchvision", "alembic")},
    "sqlalchemy": "SQLAlchemy",
}
"""What every ComfyUI has installed and Weft may be without: the module, and what it is called by pip.

A pack gets a placeholder for one that is not there, and nobody but a pack does.
"""

MADE = "__weft_made__"
"""Marks a module that stands for one of a library that is not there, and is no placeholder."""

_PACKS: dict[str, str] = {}
"""Where the packs lie, a folder or a file, and what they are called."""
_LACKING: dict[str, dict[str, None]] = {}
"""What each pack has asked for that is not there, in the order in which it did."""
_loading: list[str] = []


@contextmanager
def loading(pack: str, place: str) -> Iterator[None]:
    """Inside the block the pack that lies at `place` is imported: what it lacks is no error yet."""
    _PACKS[place] = pack
    _LACKING.pop(pack, None)
    _loading.append(pack)
    try:
        yield
    finally:
        _loading.pop()
        _forget_modules()


def lacking(pack: str) -> list[str]:
    """The names, `module.attribute`, that a pack has asked for and that are not there, without those on the way."""
    found = _LACKING.get(pack, {})
    above = {name.rpartition(".")[0] for name in found}
    return [name for name in found if name not in above]


def absent(module: str, name: str) -> Any:
    """What a written module gives for a name that it has not: called by its `__getattr__`. Raises AttributeError."""
    frame = _asking()
    how = _how(frame)
    # `from package import name` looks for an attribute first, then for a module, which is a placeholder if need be.
    if how == _FROM:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return _answer(module, name, frame, how)


def missing_module(name: str) -> Any:
    """A placeholder that stands for a module; None where the import is guarded."""
    frame = _asking()
    if guarded(frame, ImportError):
        return None
    module = placeholder(name, _pack_of(frame))
    module.__path__ = []
    module.__weft_module__ = True
    return module


def _answer(owner: str, name: str, frame: FrameType | None, how: str | None) -> Any:
    """What stands for an attribute that an owner lacks. Raises AttributeError where no placeholder is due."""
    if name.startswith("__") or how is None or guarded(frame, AttributeError if how == _READ else ImportError):
        raise AttributeError(f"{owner!r} has no attribute {name!r}")
    found = placeholder(f"{owner}.{name}", _pack_of(frame))
    if how == _READ and not _loading:
        raise found.__weft_error__()
    return found


def for_a_pack() -> bool:
    """Whether the code of a pack that is loaded asks for a module. Where other code does, no library is missing."""
    if not _loading:
        return False
    frame = _asking()
    if frame is not None and _place_of(frame.f_code.co_filename) is not None:
        return True
    if any(_stands(sys.modules.get(name)) for name in LIBRARIES):
        _forget_modules(LIBRARIES)
    return False


def is_missing(thing: Any) -> bool:
    """Whether this is a placeholder, or a class made on one."""
    return isinstance(thing, Missing)


_PROTOCOL = ("INPUT_TYPES", "RETURN_TYPES", "FUNCTION")
"""What a class of a node has, which is asked for by hasattr."""


class Missing(ABCMeta):
    """The class of placeholders: each is a class that stands for one name, `name`, and knows the `pack` it is for."""

    name: str
    pack: str

    def __weft_error__(cls) -> MissingName:
        who = f"pack {cls.pack!r}" if cls.pack else "a pack"
        library = LIBRARIES.get(cls.name.partition(".")[0])
        if library:
            return MissingName(f"{who} uses {cls.name}, which is not installed", hint=f"pip install {library}")
        return MissingName(
            f"{who} uses {cls.name}, which Weft has not",
            hint="docs/packs.md lists what there is of ComfyUI's API",
        )

    def __getattr__(cls, name: str) -> Any:
        if name in _PROTOCOL and not _loading:
            return cls._refused  # whoever reads the class as a node's is told what is wrong with it
        frame = _asking()
        if "__weft_placeholder__" not in vars(cls) and not name.startswith("__") and _how(frame) is not None:
            raise cls.__weft_error__()  # a class of the pack's, on a base that is missing
        return _answer(cls.name, name, frame, _how(frame))

    def __call__(cls, *args: Any, **named: Any) -> Any:
        if not _loading or "__weft_placeholder__" not in vars(cls):
            raise cls.__weft_error__()
        if len(args) == 1 and not named and isinstance(args[0], FunctionType):
            return _undecorated(cls, args[0])
        return placeholder(f"{cls.name}()", cls.pack)

    def __repr__(cls) -> str:
        return f"<{cls.name}, which Weft has not>"

    def _refused(cls, *args: Any) -> NoReturn:
        raise cls.__weft_error__()

    __bool__ = __len__ = __iter__ = __contains__ = __enter__ = __exit__ = _refused
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refused
    __lt__ = __le__ = __gt__ = __ge__ = __int__ = __float__ = __index__ = __neg__ = _refused

    def __getitem__(cls, key: Any) -> Any:
        # As an annotation, `Missing[int]`.
        return placeholder(f"{cls.name}[...]", cls.pack) if _loading else cls._refused()

    def __or__(cls, other: Any) -> Any:
        return cls

    __ror__ = __or__


def placeholder(name: str, pack: str) -> Any:
    """What stands for `name`, for a pack."""
    _note(pack, name)
    return Missing(name.rpartition(".")[2], (), {"name": name, "pack": pack, "__weft_placeholder__": True})


def _undecorated(decorator: Missing, function: Callable[..., Any]) -> Callable[..., Any]:
    """What a function is that a missing decorator was put on: it cannot be called."""

    @functools.wraps(function)
    def refused(*args: Any, **named: Any) -> Any:
        raise decorator.__weft_error__()

    return refused


def _note(pack: str, name: str) -> None:
    if not name.endswith((")", "]")):
        _LACKING.setdefault(pack, {})[name] = None


def _forget_modules(roots: Collection[str] = ()) -> None:
    """Take the modules that are placeholders out of the process, of all roots or of these: the next one to ask may
    guard what this pack did not.
    """
    for name, module in list(sys.modules.items()):
        root = name.partition(".")[0]
        if _stands(module) and (not roots or root in roots):
            above, _, own = name.rpartition(".")
            del sys.modules[name]
            if isinstance(sys.modules.get(above), ModuleType):
                vars(sys.modules[above]).pop(own, None)


def _stands(module: Any) -> bool:
    return is_missing(module) or MADE in getattr(module, "__dict__", ())


_MACHINERY = ("importlib._bootstrap", "importlib._bootstrap_external", "importlib", "functools")


def _asking() -> FrameType | None:
    """The frame that imports or asks for an attribute: the first one outside of this machinery."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module not in _MACHINERY and module not in _OWN:
            return frame
        frame = frame.f_back
    return None


_OWN = frozenset(f"weft.nodes.compat.{name}" for name in ("missing", "finder", "guards", "modules.nodes"))


_READ, _IMPORT, _FROM = "read", "import", "from"
_HOW = {"LOAD_ATTR": _READ, "LOAD_METHOD": _READ, "IMPORT_FROM": _IMPORT, "IMPORT_NAME": _FROM}


def _how(frame: FrameType | None) -> str | None:
    """How a frame asks for an attribute: by a dot, by an import; None for hasattr, getattr and their like."""
    if frame is None or frame.f_lasti < 0:
        return None
    return _HOW.get(dis.opname[frame.f_code.co_code[frame.f_lasti]])


def _pack_of(frame: FrameType | None) -> str:
    """The pack whose file a frame is in, or what called it; else the one that is loaded."""
    while frame is not None:
        pack = _place_of(frame.f_code.co_filename)
        if pack is not None:
            return pack
        frame = frame.f_back
    return _loading[-1] if _loading else ""


def _place_of(file: str) -> str | None:
    """The pack that a file is part of."""
    return next((pack for place, pack in _PACKS.items() if file == place or file.startswith(place + os.sep)), None)
