"""What there is to test: workflows with a golden, with assertions, or with both; and workflows that hold assertions."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from weft.engine.errors import UsageError, did_you_mean
from weft.engine.testing.framework import carries, is_test
from weft.engine.testing.goldens import SUFFIX

ASSERTIONS = ".test.toml"
_ENDS = (SUFFIX, ASSERTIONS)
_WORKFLOWS = (".json", ".api.json", ".png", ".webp", ".jpg", ".jpeg", ".flac", ".mp4")
_SKIPPED = ("node_modules", "__pycache__", "site-packages")


@dataclass(frozen=True)
class Case:
    """One workflow to test: NAME.golden.json, NAME.test.toml, or both; they lie in `folder`.

    Where there is neither, `workflow` holds assertion nodes.
    """

    folder: Path
    name: str
    workflow: Path | None = None

    @property
    def golden(self) -> Path:
        """Where its golden is or would be."""
        return self.folder / f"{self.name}{SUFFIX}"

    @property
    def assertions(self) -> Path:
        """Where its assertions are or would be."""
        return self.folder / f"{self.name}{ASSERTIONS}"

    @property
    def is_there(self) -> bool:
        """Whether there is a golden or a file of assertions."""
        return self.golden.exists() or self.assertions.exists()

    @property
    def place(self) -> Path:
        """The file that it is known by."""
        return self.workflow or (self.golden if self.golden.exists() else self.assertions)

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

    Of the workflows in a folder those count that hold assertion nodes or a TestDefinition. Raises UsageError for a path
    that is not there, and for a workflow that has neither golden nor assertions.
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
    case = named(path)
    if path.name.endswith(_ENDS) or case.is_there:
        return case
    if is_test(path) or carries(path):
        return Case(path.parent, path.stem, path)
    raise UsageError(f"{path} has no golden", hint=f"weft test record {path}")


def named(path: Path) -> Case:
    """The case that a golden, an assertions file or a workflow would belong to, whether it is there or not."""
    end = next((end for end in _ENDS if path.name.endswith(end)), path.suffix)
    return Case(path.parent, path.name.removesuffix(end))


def stands_alone(path: Path) -> bool:
    """Whether a workflow in a folder is a case of its own: it holds assertion nodes, and no golden is about it."""
    case = named(path)
    if path.suffix != ".json" or path.name.endswith(SUFFIX) or case.is_there:
        return False
    # The export of a workflow that a golden or assertions are about is no other test.
    whole = case.name.removesuffix(".api")
    if whole != case.name and Case(case.folder, whole).is_there and not (case.folder / f"{whole}.json").exists():
        return False
    return is_test(path)


def _inside(folder: Path) -> Iterator[Case]:
    for parent, children, files in os.walk(folder):
        children[:] = sorted(name for name in children if not name.startswith(".") and name not in _SKIPPED)
        place = Path(parent)
        cases = {name.removesuffix(end): Case(place, name.removesuffix(end))
                 for name in files for end in _ENDS if name.endswith(end)}  # fmt: skip
        alone = (place / name for name in files if stands_alone(place / name))
        cases |= {file.stem: Case(place, file.stem, file) for file in alone}
        yield from (cases[name] for name in sorted(cases))


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


def workflow_of(case: Case, recorded: str | None) -> Path:
    """The workflow file of a case; `recorded` is what its golden says. Raises UsageError where it is not there."""
    if case.workflow is not None:
        return case.workflow
    if recorded is not None:
        path = case.folder / Path(recorded).name
        if not os.path.isfile(path):  # unlike Path.is_file, False for a name that is too long
            raise UsageError(f"golden {case.golden}: its workflow {path.name} is not there")
        return path
    candidates = [case.folder / f"{case.name}{suffix}" for suffix in _WORKFLOWS]
    for path in candidates:
        if path.is_file():
            return path
    names = ", ".join(path.name for path in candidates[:2])
    raise UsageError(f"{case.assertions}: no workflow beside it (looked for {names}, ...)", hint='workflow = "FILE"')
