"""The finder of imports that answers ComfyUI's module names with the files below `modules/`.

Invariants:
- A name outside of ROOTS is never answered, and a name that is loaded already is never asked for.
- A module has one object, whether it is imported by ComfyUI's name or by its place in Weft.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from weft.nodes.compat import classes, replaced
from weft.nodes.compat.host import Host, become, folders
from weft.nodes.compat.missing import LIBRARIES, MADE, absent, for_a_pack, missing_module

ROOTS = frozenset(
    {
        *("comfy", "comfy_api", "comfy_api_nodes", "comfy_config", "comfy_execution", "comfy_extras"),
        *("comfyui_version", "execution", "folder_paths", "latent_preview", "node_helpers", "nodes", "server"),
    }
)
"""The top-level modules of ComfyUI that are answered, if need be with placeholders."""

LAST = frozenset({"app", "custom_nodes", "protocol", "utils"})
"""Those whose names are anybody's: answered with a file below `modules/`, and only where nothing else has the name."""

_PLACE = f"{__package__}.modules"
_FILES = Path(__file__).resolve().parent / "modules"


class _First(MetaPathFinder):
    """Answers ROOTS, before anything else is asked."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module of that name; None for one that is none of ComfyUI's, or whose import the pack guards."""
        if fullname.partition(".")[0] not in ROOTS:
            for_a_pack()  # what is no pack sees no placeholder of a library
            return None
        return _written(fullname) or _extras(fullname) or _missing(fullname)


class _Last(MetaPathFinder):
    """Answers LAST, when nothing else has."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module of that name, where there is a file for it, or where a pack lacks a library of ComfyUI's."""
        root = fullname.partition(".")[0]
        if root in LAST:
            return _written(fullname)
        if root not in LIBRARIES or not for_a_pack():
            return None
        return _aiohttp(fullname) or _missing(fullname)


_FIRST, _LAST = _First(), _Last()


def install(host: Host) -> None:
    """Answer ComfyUI's module names from now on, for packs of this session."""
    become(host)
    for name, module in list(sys.modules.items()):
        if getattr(module, "__dict__", {}).get("__weft_answers__") and name.partition(".")[0] in ROOTS:
            _place(module, name)
    if _FIRST not in sys.meta_path:
        sys.meta_path.insert(0, _FIRST)
        sys.meta_path.append(_LAST)


def uninstall() -> None:
    """Answer no more, and take what was answered out of the process."""
    become(None)
    for finder in (_FIRST, _LAST):
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
    for name, module in list(sys.modules.items()):
        ours = getattr(module, "__name__", "").startswith(_PLACE) or MADE in getattr(module, "__dict__", ())
        if name.partition(".")[0] in ROOTS | LAST and ours:
            del sys.modules[name]


def _written(fullname: str) -> ModuleSpec | None:
    place = _FILES.joinpath(*fullname.split("."))
    if (place / "__init__.py").is_file():
        return ModuleSpec(fullname, _Written(), is_package=True)
    return ModuleSpec(fullname, _Written()) if place.with_suffix(".py").is_file() else None


def _extras(fullname: str) -> ModuleSpec | None:
    """A module of comfy_extras that has no file, and that has classes which Weft has."""
    if fullname.count(".") != 1 or not fullname.startswith("comfy_extras.") or not any(classes.names_in(fullname)):
        return None
    module = ModuleType(fullname, f"ComfyUI's {fullname}: those of its classes that Weft has.")
    vars(module)[MADE] = True
    _with_missing(module, fullname)
    return ModuleSpec(fullname, _Made(module))


def _aiohttp(fullname: str) -> ModuleSpec | None:
    """What of aiohttp there is without it: what routes are made with."""
    if fullname not in ("aiohttp", "aiohttp.web"):
        return None
    from weft.nodes.compat.web import web

    module = web
    if fullname == "aiohttp":
        module = ModuleType(fullname, "Stands for aiohttp, which is not installed.")
        module.__path__ = []
    vars(module)[MADE] = True
    _with_missing(module, fullname)
    return ModuleSpec(fullname, _Made(module))


def _missing(fullname: str) -> ModuleSpec | None:
    module = missing_module(fullname)
    return None if module is None else ModuleSpec(fullname, _Made(module), is_package=True)


class _Written(Loader):
    """Gives the module that stands below `modules/`, itself."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module, imported by its place."""
        module = import_module(f"{_PLACE}.{spec.name}")
        vars(module).setdefault("__weft_spec__", module.__spec__)
        vars(module).setdefault(replaced.FIRST, {name: it for name, it in vars(module).items() if name[:1] != "_"})
        _with_missing(module, spec.name)
        _place(module, spec.name)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave it as it is: it has run."""
        module.__spec__ = module.__weft_spec__


def _place(module: ModuleType, name: str) -> None:
    """Have the module say that it lies where ComfyUI's would, beside the models: packs write below that folder."""
    if name.partition(".")[0] in ROOTS:
        file = folders().models[0].parent.joinpath(*name.split("."))
        module.__file__ = str(file / "__init__.py" if hasattr(module, "__path__") else file.with_suffix(".py"))


class _Made(Loader):
    """Gives a module that is a placeholder."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def create_module(self, spec: ModuleSpec) -> Any:
        """The module."""
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is to be run."""


def _with_missing(module: ModuleType, name: str) -> None:
    """Have the module answer what it lacks with placeholders, after a `__getattr__` of its own."""
    own = vars(module).get("__getattr__")
    if "__weft_answers__" in vars(module):
        return
    module.__dict__["__weft_answers__"] = True

    def answered(attribute: str) -> object:
        if attribute.startswith("__"):  # Python's own questions, which anybody may ask of any module
            raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
        if own is not None:
            try:
                return own(attribute)
            except AttributeError:
                pass
        # ComfyUI imports all of its modules before any pack: `comfy.model_base` is there after `import comfy.samplers`.
        below = f"{name}.{attribute}"
        if name.partition(".")[0] in ROOTS and (_written(below) or _extras(below)) is not None:
            return import_module(below)
        if name.startswith("comfy_extras.") and (found := classes.find(attribute)) is not None:
            return found
        return absent(name, attribute)

    module.__dict__["__getattr__"] = functools.wraps(own)(answered) if own is not None else answered
