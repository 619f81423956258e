"""`weft doctor`: what is installed, where things are looked for, and what is wrong with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from weft.engine.checkup import Checkup, Fact, UnusableModel, facts_of
from weft.engine.errors import DefinitionError, UsageError, WeftError, one_line
from weft.engine.schema.packs import Packs, resolve
from weft.engine.terminal.streams import Line

if TYPE_CHECKING:
    from weft.engine.folders import Folders
    from weft.engine.schema.registry import Registry
    from weft.engine.session import Session
    from weft.engine.settings import Settings
    from weft.engine.terminal.answer import Answer

Facts = dict[str, list[Fact]]
"""By section, in the order in which they are said."""

_SPACE = 1 << 30
"""Bytes that should be free where pictures are written."""

_SECONDS = 120
"""How long the devices are waited for: importing torch from a slow disk takes a minute."""


class Doctor:
    """Looks at an installation; `worker` is what `weft daemon status` says, None where there is none."""

    def __init__(self, given: Mapping[str, Any], worker: Mapping[str, Any] | None) -> None:
        self._given = given
        self._worker = worker
        self._packs = Packs.installed()
        self._warned: list[str] = []

    def examine(self, *, devices: bool = False) -> Facts:
        """All there is to say; `devices` asks the libraries for theirs, which takes seconds."""
        found: Facts = {"Versions": [*_versions(), *facts_of(self._checkups, "facts")]}
        if devices:
            found["Devices"] = list(_devices())
        try:
            from weft.engine.session import Session

            session = Session(**self._given, warn=self._warned.append)
        except WeftError as error:
            found["Settings"] = [Fact("settings", error.message, True, error.hint)]
            return found
        found["Folders"] = list(_folders(session))
        found["Models"] = list(self._models(session.folders))
        found["Nodes"] = list(self._nodes(session))
        found["Cache"] = [*_cache(session.settings), *self._told_of_worker()]
        others = [message for message in self._warned if message not in session.registry.broken]
        told = {fact.value for facts in found.values() for fact in facts}
        found["Warnings"] = [Fact("", text, True) for text in others if not any(one in text for one in told)]
        return {section: facts for section, facts in found.items() if facts}

    @property
    def _checkups(self) -> list[tuple[str, Checkup]]:
        return list(_checkups(self._packs))

    def _models(self, folders: Folders) -> Iterator[Fact]:
        """The models by kind and by what they are, and those that are of no use."""
        by_kind: dict[str, Counter[str]] = defaultdict(Counter)
        wrong: list[Fact] = []
        for kind in folders.kinds():
            for name in folders.files(kind):
                try:
                    by_kind[kind][self._model(kind, folders.find(kind, name))] += 1
                except WeftError as error:
                    wrong.append(Fact(f"{kind}/{name}", error.message, True, error.hint or "fetch it again"))
        for kind, counts in by_kind.items():
            named = ", ".join(f"{count} {what}" if what else str(count) for what, count in counts.most_common())
            yield Fact(kind, named)
        yield from wrong

    def _model(self, kind: str, file: Path) -> str:
        for _, checkup in self._checkups:
            try:
                return checkup.model(kind, file)
            except (UnusableModel, OSError) as error:
                reason = error.strerror if isinstance(error, OSError) else None
                raise error if reason is None else UnusableModel(f"it cannot be read: {reason}") from error
        return ""

    def _nodes(self, session: Session) -> Iterator[Fact]:
        registry: Registry = session.registry
        yield Fact("packs", f"{', '.join(pack.name for pack in registry.packs)}: {len(registry)} classes")
        custom = [pack.error for pack in session.custom_nodes if pack.error]
        broken = [message for message in registry.broken if not any(error in message for error in custom)]
        yield from (Fact("pack", message, True, "mend or uninstall it") for message in broken)
        for pack in session.custom_nodes:
            if pack.error:
                yield Fact(pack.name, f"did not load: {pack.error}", True, pack.hint or "weft nodes --packs says more")
            else:
                yield Fact(pack.name, f"{len(pack.nodes)} classes")

    def _told_of_worker(self) -> Iterator[Fact]:
        if self._worker is None:
            yield Fact("worker", "none (weft run --keep-alive MINUTES leaves one)")
        else:
            yield Fact("worker", f"process {self._worker['pid']}, {self._worker['status']}")


def _checkups(packs: Packs) -> Iterator[tuple[str, Checkup]]:
    for pack in packs:
        if pack.checkup:
            try:
                yield pack.name, cast(Checkup, resolve(pack.checkup))
            except DefinitionError as error:
                yield pack.name, _Absent(error.message)


class _Absent:
    """Stands for a checkup that cannot be loaded."""

    def __init__(self, message: str) -> None:
        self._message = message

    def facts(self) -> Iterator[Fact]:
        yield Fact("pack", f"its checkup cannot be loaded: {self._message}", True, "report it to its author")

    def devices(self) -> Iterator[Fact]:
        return iter(())

    def model(self, kind: str, file: Path) -> str:
        return ""


def _versions() -> Iterator[Fact]:
    yield Fact("weft", f"{version('weft')}, Python {sys.version.split()[0]} on {sys.platform}")
    from packaging.requirements import Requirement

    absent: dict[str, list[str]] = {extra: [] for extra in metadata("weft").get_all("Provides-Extra") or ()}
    for text in requires("weft") or ():
        needed = Requirement(text)
        extra = next((name for name in absent if _is_of(needed, name)), "")
        try:
            found = version(needed.name)
        except PackageNotFoundError:
            found = ""
        if not found and extra:
            absent[extra].append(needed.name)
        elif not found or not needed.specifier.contains(found, prereleases=True):
            wanted = f"{needed.name}{needed.specifier}"
            said = f"{found}, and {wanted} is needed" if found else "is not installed"
            yield Fact(needed.name, said, True, f"pip install '{wanted}'")
    for extra, names in absent.items():
        said = f"not installed: {', '.join(names)} (pip install 'weft[{extra}]')" if names else "installed"
        yield Fact(f"weft[{extra}]", said)


def _is_of(needed: Any, extra: str) -> bool:
    marker = needed.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _devices() -> Iterator[Fact]:
    """What the libraries of a process of its own say: one that hangs or crashes is a fact."""
    mend = "python -c 'import torch; print(torch.cuda.is_available())' shows it"
    try:
        command = [sys.executable, "-m", __name__]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, stdin=subprocess.DEVNULL)
        if ended.returncode == 0:
            yield from (Fact(*each) for each in json.loads(ended.stdout))
            return
        said = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
        yield Fact("devices", f"cannot be asked: {said}", True, mend)
    except subprocess.TimeoutExpired:
        yield Fact("devices", f"no answer in {_SECONDS} seconds", True, mend)


def _folders(session: Session) -> Iterator[Fact]:
    settings, folders = session.settings, session.folders
    for root in folders.models:
        there = root.is_dir()
        said = f"{root}{'' if there else ' is not there: only the models that come with Weft are'}"
        yield Fact("models", f"{said} ({settings.source('models')})")
    for name in ("input", "output", "temp"):
        folder: Path = getattr(folders, name)
        fault, mend = _trouble(folder) if name != "input" else ("", "")
        missing = "" if folder.is_dir() else " is not there yet" if name != "input" else " is not there"
        yield Fact(name, f"{folder}{missing} ({settings.source(name)}){fault}", bool(fault), mend)


def _trouble(folder: Path) -> tuple[str, str]:
    """What keeps files from being written to a folder, and what to do."""
    place = next(each for each in (folder, *folder.parents) if each.exists())
    if not place.is_dir():
        return f": {place} is no folder", "name another one"
    if not os.access(place, os.W_OK | os.X_OK):
        return f": {place} cannot be written to", "name another one, or change its rights"
    free = shutil.disk_usage(place).free
    if free < _SPACE:
        return f": {free / 2**20:.0f} MiB are free there", "make room, or name another one"
    return "", ""


def _cache(settings: Settings) -> Iterator[Fact]:
    import sqlite3

    from weft.engine.cache.disk import DiskCache
    from weft.engine.terminal.caches import Budgets, folders_of

    for folder in folders_of(settings)[:1]:
        cache = DiskCache(folder, **Budgets.of(settings)._asdict(), read_only=True, warn=lambda message: None)
        try:
            if not cache.folder.is_dir():
                yield Fact("cache", f"{folder} is not there yet")
                continue
            size = cache.size()
            used = f"{size.bytes / 2**30:.1f} of {cache.max_bytes / 2**30:.1f} GiB"
            yield Fact("cache", f"{folder}: {size.entries} entries, {used}")
        except sqlite3.Error as error:
            yield Fact("cache", f"{cache.index.file} cannot be read: {error}", True, "weft cache clear makes a new one")
        except UsageError as error:
            yield Fact("cache", error.message, True, error.hint)
        finally:
            cache.close()


def tell(answer: Answer, found: Facts) -> None:
    """Say the facts, and at the end what is wrong. Raises SystemExit(1) where something is."""
    wrong = [fact for facts in found.values() for fact in facts if fact.wrong]
    if answer.as_json:
        facts = [{"section": section, **fact._asdict()} for section, some in found.items() for fact in some]
        answer.document({"status": "faulty" if wrong else "sound", "facts": facts})
    else:
        for line in _lines(found, wrong):
            answer.out.line(*line)
    if wrong:
        raise SystemExit(1)


def _lines(found: Facts, wrong: Sequence[Fact]) -> Iterator[Line]:
    for section, facts in found.items():
        yield [(section, "bold")]
        wide = max(len(fact.name) for fact in facts)
        for fact in facts:
            mark = ("wrong", "red") if fact.wrong else ("ok   ", "green")
            mend = f" ({fact.mend})" if fact.mend else ""
            yield ["  ", mark, f"  {one_line(fact.name):{wide}}  {one_line(fact.value)}", (mend, "cyan")]
    count = len(wrong)
    yield [
        (f"{count} thing{'s are' if count != 1 else ' is'} wrong", "red") if wrong else ("nothing is wrong", "green")
    ]


if __name__ == "__main__":
    print(json.dumps(list(facts_of(_checkups(Packs.installed()), "devices"))))
