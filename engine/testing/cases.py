"""What there is to test: workflows with a golden, with assertions, or with both, found by their file names."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UsageError, did_you_mean
from engine.testing.goldens import SUFFIX

ASSERTIONS = ".test.toml"
_WORKFLOWS = (".json", ".api.json", ".png", ".webp", ".jpg", ".jpeg", ".flac", ".mp4")
_SKIPPED = ("node_modules", "__pycache__", "site-packages")


@dataclass(frozen=True)
class Case:
    """One workflow to test: NAME.golden.json, NAME.test.toml, or both; they lie in `folder`."""

    folder: Path
    name: str

    @property
    def golden(self) -> Path:
        """Where its golden is or would be."""
        return self.folder / f"{self.name}{SUFFIX}"

    @property
    def assertions(self) -> Path:
        """Where its assertions are or would be."""
        return self.folder / f"{self.name}{ASSERTIONS}"

    @property
    def shown(self) -> str:
        """What a report calls it: the path without the suffix, from the current folder where it is below that."""
        path = self.folder / self.name
        try:
            return str(path.resolve().relative_to(Path.cwd()))
        except ValueError:
            return str(path)


def discover(paths: Iterable[Path]) -> list[Case]:
    """The cases in folders (searched deeply, hidden ones left out) and of files: goldens, assertions, workflows.

    Raises UsageError for a path that is not there, and for a workflow that has neither golden nor assertions.
    """
    found: dict[Case, None] = {}
    for path in paths:
        if path.is_dir():
            found.update(dict.fromkeys(_inside(path)))
        elif not path.exists():
            hint = did_you_mean(path.name, _names(path.parent))
            raise UsageError(f"{path} is not there", hint=hint)
        else:
            found[case_of(path)] = None
    return list(found)


def case_of(path: Path) -> Case:
    """The case that a golden, an assertions file or a workflow belongs to. Raises UsageError where there is none."""
    for suffix in (SUFFIX, ASSERTIONS):
        if path.name.endswith(suffix):
            return Case(path.parent, path.name.removesuffix(suffix))
    case = Case(path.parent, path.stem)
    if not case.golden.exists() and not case.assertions.exists():
        raise UsageError(f"{path} has no golden", hint=f"weft test record {path}")
    return case


def _inside(folder: Path) -> Iterator[Case]:
    for parent, children, files in os.walk(folder):
        children[:] = sorted(name for name in children if not name.startswith(".") and name not in _SKIPPED)
        ends = (SUFFIX, ASSERTIONS)
        names = {name.removesuffix(end) for name in files for end in ends if name.endswith(end)}
        yield from (Case(Path(parent), name) for name in sorted(names))


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


def workflow_of(case: Case, recorded: str | None) -> Path:
    """The workflow file of a case; `recorded` is what its golden says. Raises UsageError where it is not there."""
    if recorded is not None:
        path = case.folder / Path(recorded).name
        if not path.is_file():
            raise UsageError(f"golden {case.golden}: its workflow {path.name} is not there")
        return path
    candidates = [case.folder / f"{case.name}{suffix}" for suffix in _WORKFLOWS]
    for path in candidates:
        if path.is_file():
            return path
    names = ", ".join(path.name for path in candidates[:2])
    raise UsageError(f"{case.assertions}: no workflow beside it (looked for {names}, ...)", hint='workflow = "FILE"')
