"""Finds the packs of a folder and imports one, as ComfyUI does: by its place, into `sys.modules` under its path."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from weft.engine import extra_paths
from weft.engine.custom_nodes.containment import contained
from weft.engine.custom_nodes.limits import TookTooLong, limited
from weft.engine.custom_nodes.records import CustomPack, Imports
from weft.engine.custom_nodes.refusals import Refused
from weft.engine.errors import DefinitionError, UsageError, one_line
from weft.engine.schema.authoring import is_marked, read_function
from weft.engine.schema.packs import DISPLAY_NAMES, NodeSource
from weft.engine.schema.v1 import DIGESTS, pack_digest

_JUST_NOW_S = 3.0

CLASSES = "NODE_CLASS_MAPPINGS"
ENTRY = "comfy_entrypoint"
WEB = "WEB_DIRECTORY"
PRESTARTUP = "prestartup_script.py"
PARENT = "custom_nodes"
"""What stands before a pack's name in RELATIVE_PYTHON_MODULE and in object_info."""

_SKIPPED = (".disabled",)
_V1 = ("INPUT_TYPES", "RETURN_TYPES", "FUNCTION")


def packs_in(place: Path, source: str = "") -> Iterator[Path]:
    """The packs of a folder as ComfyUI has them: .py files and folders, sorted, without hidden and disabled ones.

    A folder that is a package is one pack, and so is a file; an extra_model_paths.yaml stands for the folders that it
    names as `custom_nodes`. Raises UsageError for what is not there; `source` says who named it.
    """
    if place.is_file():
        if place.suffix in (".yaml", ".yml"):
            folders = [path for kind, path, _ in extra_paths.read_extra_paths(place) if kind == PARENT]
            if not folders:
                raise UsageError(f"{place} names no {PARENT}")
            for folder in folders:
                yield from packs_in(folder, str(place))
            return
        if place.suffix != ".py":
            raise UsageError(f"{place} is no folder of packs, and no .py file")
        yield place.absolute()
        return
    if not place.is_dir():
        raise UsageError(f"{place} does not exist", hint=f"it is named by {source}")
    if (place / "__init__.py").is_file():
        yield place.absolute()
        return
    if (place / PARENT).is_dir():
        raise UsageError(f"{place} is no folder of packs", hint=f"did you mean {place / PARENT}?")
    for found in sorted(place.absolute().iterdir()):
        hidden = found.name.startswith((".", "__")) or found.name.endswith(_SKIPPED)
        if not hidden and (found.suffix == ".py" or found.is_dir()):
            yield found


def unread(path: Path) -> CustomPack:
    """The record of a pack that was not imported yet."""
    module = str(path.with_suffix("") if path.is_file() else path).replace(".", "_x_")
    return CustomPack(path.stem if path.is_file() else path.name, path, module)


def digest_of(pack: CustomPack) -> str:
    """A digest of the .py files of a pack; empty where they cannot be read."""
    try:
        return pack_digest(pack.module, _file(pack))
    except OSError:
        return ""


def prepare(pack: CustomPack, imports: Imports | None, *, seconds: float, trust: bool) -> None:
    """Run what the pack wants to be run before any pack is imported."""
    script = pack.path / PRESTARTUP
    if pack.path.is_dir() and script.is_file():
        error = _performed(pack, imports, lambda: _run(f"{pack.module}.prestartup_script", script), seconds, trust)
        if error:
            pack.notes.append(f"{PRESTARTUP}: {error}")


def read(pack: CustomPack, imports: Imports | None, *, seconds: float, trust: bool, own: bool = False) -> None:
    """Import the pack and fill in its record, whatever its code does.

    `own` is for a file of the user's: its `@node` functions and V1 classes are nodes without being listed. Raises
    KeyboardInterrupt alone.
    """
    started = time.perf_counter()
    DIGESTS[pack.module] = pack.digest

    def imported() -> None:
        module = _run(pack.module, _file(pack))
        pack.web = _web(pack, module)
        nodes, titles = _declared(pack, module)
        if own:
            nodes = {**_marked(module, f"{PARENT}.{pack.name}"), **nodes}
            if not any(inspect.isclass(found) for found in nodes.values()):
                nodes = {**_classes(module), **nodes}
        if not nodes and not own and not {CLASSES, ENTRY} & vars(module).keys():
            raise DefinitionError(f"it has neither {CLASSES} nor {ENTRY}")
        if not nodes and own:
            raise DefinitionError("it has no @node function, no class with INPUT_TYPES and no NODE_CLASS_MAPPINGS")
        for found in nodes.values():
            if inspect.isclass(found):
                with suppress(AttributeError, TypeError):
                    setattr(found, "RELATIVE_PYTHON_MODULE", f"{PARENT}.{pack.name}")  # noqa: B010  # of V1
        pack.nodes = nodes
        pack.titles = {name: title for name, title in titles.items() if name in nodes and isinstance(title, str)}

    pack.error = _performed(pack, imports, imported, seconds, trust)
    if pack.error:
        pack.nodes, pack.titles = {}, {}
        pack.hint = _hint(pack)
        _forget(pack.module)
    if imports is not None:
        pack.lacks = tuple(imports.lacking(pack.name))
        pack.notes.extend(f"replaces {name}: Weft's own nodes do not call it" for name in imports.replaced(pack.name))
    pack.seconds = time.perf_counter() - started


def _performed(pack: CustomPack, imports: Imports | None, work: Callable[[], Any], seconds: float, trust: bool) -> str:
    """Do what runs the pack's code; returns what went wrong, and where, in one line."""
    try:
        with contained(pack, imports, trust=trust):
            place = imports.loading(pack.name, str(pack.path)) if imports is not None else nullcontext()
            with place, limited(seconds, pack.path), _compiled_once(pack):
                work()
    except KeyboardInterrupt:
        raise
    except TookTooLong as error:
        where = _place(pack, error)
        return f"{where}it did not come to an end within {seconds:g} s (import_seconds)"
    except DefinitionError as error:
        return one_line(error.message)
    except BaseException as error:
        # What a SyntaxError says of its place stands in front.
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        what = "it called sys.exit" if isinstance(error, SystemExit) else f"{type(error).__name__}: {said}"
        if isinstance(error, Refused):
            what = str(error)
        return one_line(f"{_place(pack, error)}{what}")[:500]
    return ""


@contextmanager
def _compiled_once(pack: CustomPack) -> Iterator[None]:
    """Inside the block, no bytecode is written of a pack that was changed just now.

    Python tells an edited file by its size and the second of its change: what is written twice within one second would
    be run as it was, under the key of what it is.
    """
    files = [pack.path] if pack.path.is_file() else pack.path.rglob("*.py")
    newest = 0.0
    with suppress(OSError):
        newest = max((file.stat().st_mtime for file in files), default=0.0)
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = before or time.time() - newest < _JUST_NOW_S
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _file(pack: CustomPack) -> Path:
    return pack.path if pack.path.suffix == ".py" and pack.path.is_file() else pack.path / "__init__.py"


def _run(name: str, file: Path) -> ModuleType:
    """Import a file under a name. Raises what it raises, FileNotFoundError where it is not there."""
    if not file.is_file():
        raise DefinitionError(f"there is no {file.name} in it")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None  # a .py file
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _forget(module: str) -> None:
    """Take what is left of a pack out of the process."""
    for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
        del sys.modules[name]


def forget(pack: CustomPack) -> None:
    """Make the next import of a pack a new one: its files have changed."""
    _forget(pack.module)


def _declared(pack: CustomPack, module: ModuleType) -> tuple[dict[str, NodeSource], Mapping[str, Any]]:
    """The nodes that a module declares, and what it calls them. Raises DefinitionError."""
    declared = getattr(module, CLASSES, None)
    if declared is not None and not isinstance(declared, Mapping):
        raise DefinitionError(f"{CLASSES}: expected a mapping, got {declared!r:.100}")
    nodes: dict[str, NodeSource] = {}
    for name, source in (declared or {}).items():
        if isinstance(name, str) and name:
            nodes[name] = source
        else:
            pack.notes.append(f"has a class called {name!r:.60}, which is left out: expected a text")
    titles = getattr(module, DISPLAY_NAMES, None)
    said: dict[str, Any] = dict(titles) if isinstance(titles, Mapping) else {}
    entry = getattr(module, ENTRY, None)
    if not nodes and callable(entry):
        from weft.engine.loops import in_loop

        for cls in in_loop(_listed(entry)):
            try:
                schema = cls.GET_SCHEMA()
            except Exception as error:  # the author's code: it may raise anything
                why = f"{type(error).__name__}: {error}"
                pack.notes.append(one_line(f"has a class {cls.__name__} that cannot be used: {why}"))
                continue
            nodes[schema.node_id] = cls
            if schema.display_name:
                said[schema.node_id] = schema.display_name
    return nodes, said


async def _listed(entry: Callable[[], Any]) -> list[Any]:
    """The classes of what an entry point gives: a ComfyExtension, or one that is still to come."""
    extension = await _come(entry())
    on_load = getattr(extension, "on_load", None)
    if on_load is not None:
        await _come(on_load())
    return list(await _come(extension.get_node_list()))


async def _come(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _marked(module: ModuleType, place: str) -> dict[str, NodeSource]:
    """The `@node` functions that are written in a module."""
    found: dict[str, NodeSource] = {}
    for value in list(vars(module).values()):
        if is_marked(value) and value.__module__ == module.__name__:
            value.__weft_node__ = replace(value.__weft_node__, python_module=place)
            found[read_function(value).schema.class_type] = value
    return found


def _classes(module: ModuleType) -> dict[str, NodeSource]:
    """The V1 classes that are written in a module, under their own names, and those of V3 under their schemas'."""
    classes = [
        value for value in vars(module).values() if inspect.isclass(value) and value.__module__ == module.__name__
    ]
    # A class of V3 has a schema once it was asked for what V1 has.
    nodes = [cls for cls in classes if all(getattr(cls, each, None) is not None for each in _V1)]
    return {getattr(getattr(cls, "SCHEMA", None), "node_id", cls.__name__): cls for cls in nodes}


def _web(pack: CustomPack, module: ModuleType) -> Path | None:
    named = getattr(module, WEB, None)
    folder = _file(pack).parent / named if isinstance(named, str | os.PathLike) else None
    return folder.resolve() if folder is not None and folder.is_dir() else None


def _place(pack: CustomPack, error: BaseException) -> str:
    """`nodes/text.py, line 3: ` where a pack's own code was last at work when the error came up."""
    root = pack.path if pack.path.is_dir() else pack.path.parent
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        frames.append(traceback.FrameSummary(error.filename, error.lineno or 0, ""))
    inside = [frame for frame in frames if Path(frame.filename).is_relative_to(root)]
    return f"{Path(inside[-1].filename).relative_to(root)}, line {inside[-1].lineno}: " if inside else ""


def _hint(pack: CustomPack) -> str:
    needs = pack.path / "requirements.txt"
    missing = pack.error.partition("No module named ")[2]
    return f"pip install -r {needs}" if missing and pack.path.is_dir() and needs.is_file() else ""
