"""What a sweep shows of itself beside its index: contact sheets, a page, an animation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from weft.engine.errors import UsageError, did_you_mean
from weft.engine.folders import IMAGE_SUFFIXES
from weft.engine.sweeping.layout import frames, sheets
from weft.engine.sweeping.page import page
from weft.engine.sweeping.pictures import Pictures, SheetTile
from weft.engine.sweeping.sweep import Sweep
from weft.engine.wholefiles import write_whole

SUFFIXES = (".webp", ".gif", ".png")

_PER_CELL = 4


class Animation(NamedTuple):
    """What is animated: the axis that is the time, by its place, the file, and its pace."""

    axis: int
    name: str = "animation.webp"
    fps: float = 6.0

    @classmethod
    def of(cls, sweep: Sweep, axis: str, name: str, fps: float) -> Animation:
        """That of an axis, named as it was given or by a column of it. Raises UsageError."""
        suffix = Path(name).suffix
        if Path(name).name != name or suffix not in SUFFIXES:
            hint = f"a name that ends in {', '.join(SUFFIXES)}"
            raise UsageError(f"--animation {name!r} is no file of the sweep's folder", hint=hint)
        for place, each in enumerate(sweep.axes):
            references = {reference for named in each.columns.values() for reference in named}
            if axis in (each.name, *each.columns, *references):
                return cls(place, name, fps)
        known = [each.name for each in sweep.axes]
        hint = did_you_mean(axis, known) or f"there are {', '.join(known)}"
        raise UsageError(f"no axis {axis!r} to animate", hint=hint)


def draw(sweep: Sweep, drawing: Pictures, title: str, animation: Animation | None = None) -> Iterator[Path]:
    """Write the sheets, the page and the animation into the folder, and give each file that was written.

    Raises UsageError where one cannot be made or written.
    """
    folder, files = sweep.folder, {number: _pictures(sweep, number) for number in sweep.records}
    tiles = {cell.at: _tile(sweep, cell.number, files) for cell in sweep.cells}
    drawn = sheets(sweep.axes, tiles)
    for number, blocks in enumerate(drawn, 1):
        yield _written(folder / ("sheet.png" if number == 1 else f"sheet_{number}.png"), drawing.sheet(blocks))
    for number in range(len(drawn) + 1, 1_000):
        beyond = folder / f"sheet_{number}.png"  # of an earlier, larger sweep
        if number > 1 and not beyond.is_file():
            break
        if number > 1:
            beyond.unlink()
    if animation is not None:
        told = frames(sweep.axes, animation.axis, tiles)
        try:
            content = drawing.animation(told, Path(animation.name).suffix, animation.fps)
        except ValueError as error:
            raise UsageError(str(error)) from error
        yield _written(folder / animation.name, content)
    html = page(title, sweep.axes, sweep.cells, sweep.records, files, drawing)
    yield _written(folder / "index.html", html.encode())


def _written(file: Path, content: bytes) -> Path:
    try:
        write_whole(file, content)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    return file


def _pictures(sweep: Sweep, number: int) -> list[Path]:
    """The pictures of a cell: its results, or what it previewed where it has none."""
    record = sweep.records[number]
    for names in (record.files, record.previews):
        found = [sweep.folder / name for name in names if name.lower().endswith(IMAGE_SUFFIXES)]
        if found:
            return found
    return []


def _tile(sweep: Sweep, number: int, files: Mapping[int, list[Path]]) -> SheetTile:
    record = sweep.records.get(number)
    if record is None:
        return SheetTile(text="not run")
    if not record.is_done:
        return SheetTile(text=f"failed: {record.error}")
    return SheetTile(tuple(files[number][:_PER_CELL]), text="no picture")
