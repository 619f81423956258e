"""`extra_model_paths.yaml`: folders of models in other places, as ComfyUI's users write them down."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from weft.engine.documents import kind_of, names_a_place, read_text
from weft.engine.errors import UsageError

FILE = "extra_model_paths.yaml"
MAX_EXTRA_PATHS = 1 << 16
"""Bytes of an extra_model_paths.yaml that is read, and values in it, those of aliases counted each time."""


def read_extra_paths(file: Path) -> list[tuple[str, Path, bool]]:
    """The (kind, folder, is_default) entries of an extra_model_paths.yaml; relative paths start at its folder."""
    document = _read_yaml(file)
    if not isinstance(document or {}, dict):
        raise UsageError(f"{file}: expected named sections, got {kind_of(document)}")
    entries: list[tuple[str, Path, bool]] = []
    for section, content in (document or {}).items():
        if content is None:
            continue
        if not isinstance(content, dict):
            raise UsageError(f"{file}: section {section!r:.80} should map kinds to folders, got {kind_of(content)}")
        base = file.parent / _place(content.get("base_path") or "", f"{file}: {section!s:.80}.base_path")
        is_default = bool(content.get("is_default"))
        for kind, paths in content.items():
            if kind in ("base_path", "is_default") or paths is None:
                continue
            where = f"{file}: {section!s:.80}.{kind!s:.80}"
            if not isinstance(paths, str):
                raise UsageError(f"{where} should be a path, or paths a line each, got {kind_of(paths)}")
            for line in filter(None, (line.strip() for line in paths.splitlines())):
                folder = base / _place(line, where)
                entries.append((str(kind), Path(os.path.normpath(folder)), is_default))
    return entries


def _place(text: Any, where: str) -> str:
    """A path with `~` and variables replaced. Raises UsageError for what is none."""
    if not isinstance(text, str) or not names_a_place(text):
        raise UsageError(f"{where} should be a path, got {repr(text)[:80] if isinstance(text, str) else kind_of(text)}")
    return os.path.expandvars(os.path.expanduser(text))


def _read_yaml(file: Path) -> Any:
    """The content of a YAML file. Raises UsageError that names the file, whatever is wrong with it."""
    import yaml

    text = read_text(file, MAX_EXTRA_PATHS)
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _weight(node, {}) > MAX_EXTRA_PATHS:
            raise UsageError(f"{file}: its aliases multiply to more than {MAX_EXTRA_PATHS:,} values")
        return loader.construct_document(node)
    except UsageError:
        raise
    except RecursionError as error:
        raise UsageError(f"{file} is nested too deeply") from error
    except Exception as error:  # a tag that does not fit its text raises anything: ValueError, KeyError, AttributeError
        said = f"{error}" if isinstance(error, yaml.YAMLError) else f"{type(error).__name__}: {error}"
        raise UsageError(f"{file} is no YAML that can be read: {' '.join(said.split()):.300}") from error
    finally:
        if loader is not None:
            loader.dispose()


def _weight(node: Any, known: dict[int, int]) -> int:
    """How many values a YAML node stands for, with every alias written out; a node inside itself has no end."""
    if id(node) not in known:
        known[id(node)] = MAX_EXTRA_PATHS + 1  # while it is open
        parts = node.value if isinstance(node.value, list) else []
        inner = [part for pair in parts for part in (pair if isinstance(pair, tuple) else (pair,))]
        known[id(node)] = 1 + sum(_weight(part, known) for part in inner)
    return known[id(node)]
