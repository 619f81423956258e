r"""Texts and LoRA strengths that change over the steps of a run.

Texts, in the syntax of AUTOMATIC1111's web UI (its wiki, "Prompt editing" and "Alternating words"):

    [a:b:8]     a before step 8, b from step 8 on; steps count from 0
    [a:b:0.5]   a number with a point is a share of the steps: int(0.5 * steps); at 1.0 the change never comes
    [a:0.3]     nothing, then a
    [a::0.7]    a, then nothing
    [a|b|c]     a, b, c, a, ...: another one every step

Brackets nest, and may hold and stand in groups `(words:1.2)`, whose colons are the group's own, as is the colon of
`embedding:name`. A backslash before [ ] : | makes a letter of it and goes away; before ( ) it stays, for the encoder.
Brackets of another form are letters: `[a]`, `[a:b]`.

LoRA strengths, a line for each LoRA:

    pixel.safetensors: 0.8, 1.0 from 0.5, 0 from 18
    line.safetensors: 0.7/0.3 from 4

the strength at the beginning, then strengths and the step (or the share of the steps) from which on they hold. A LoRA
whose first strength has a step is off before it. `0.7/0.3` is 0.7 for the diffusion model, 0.3 for the text encoders.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, TypeVar

from weft.nodes.diffusion.errors import DiffusionError

MAX_DEPTH = 100
MAX_STEP = 10_000
_LETTERS = "[]:|"
_EMBEDDING = re.compile(r"(?<!\w)embedding$")
_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*")
_STRENGTHS = re.compile(r"([^/\s]+)(?:\s*/\s*([^/\s]+))?(?:\s+from\s+(\S+))?")
Variant = TypeVar("Variant", bound=Hashable)


class ScheduleError(DiffusionError):
    """A schedule that does not follow its syntax; says where."""


class When(NamedTuple):
    """The step of a change: a step, counted from 0, or a share of the steps."""

    value: float
    share: bool = False

    def step(self, steps: int) -> int:
        """The first step of a run of `steps` steps that is after the change."""
        return int(self.value * steps) if self.share else int(self.value)

    def comes(self, steps: int) -> bool:
        """Whether a run of `steps` steps has a step after the change."""
        return self.step(steps) < steps

    def __str__(self) -> str:
        return str(float(self.value) if self.share else int(self.value))


@dataclass(frozen=True)
class Swap:
    """`before` up to a step, `after` from it on."""

    before: Pieces
    after: Pieces
    when: When


@dataclass(frozen=True)
class Cycle:
    """Another option every step."""

    options: tuple[Pieces, ...]


Piece = str | Swap | Cycle
Pieces = tuple[Piece, ...]


@dataclass(frozen=True)
class TextSchedule:
    """A text that may change over the steps."""

    text: str
    parts: Pieces

    @property
    def changes(self) -> bool:
        """Whether it is scheduled at all."""
        return any(type(part) is not str for part in self.parts)

    def at(self, step: int, steps: int) -> str:
        """The text of a step, counted from 0, in a run of `steps` steps."""
        return "".join(_words(self.parts, step, steps))

    @property
    def changes_at(self) -> list[When]:
        """When its words are swapped, in the order of the text."""
        return list(_swaps(self.parts))


def _words(parts: Pieces, step: int, steps: int) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Cycle):
            yield from _words(part.options[step % len(part.options)], step, steps)
        else:
            yield from _words(part.before if step < part.when.step(steps) else part.after, step, steps)


def _swaps(parts: Pieces) -> Iterator[When]:
    for part in parts:
        if isinstance(part, Swap):
            yield from (*_swaps(part.before), *_swaps(part.after), part.when)
        elif isinstance(part, Cycle):
            for option in part.options:
                yield from _swaps(option)


def parse_text(text: str) -> TextSchedule:
    """Read a text. Raises ScheduleError with the place of what is wrong."""
    if not any(letter in text for letter in "[]\\"):
        return TextSchedule(text, (text,) if text else ())
    return TextSchedule(text, _Reader(text).whole())


class _Reader:
    """Reads one text from left to right; `at` is the next character, `open` counts the brackets around it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.open = 0

    def whole(self) -> Pieces:
        parts = self._sequence(0, "")
        if self.at < len(self.text):
            raise self._error(self.at, "']' closes nothing; write \\] for a bracket that is meant")
        return parts

    def _error(self, at: int, message: str) -> ScheduleError:
        return ScheduleError(f"{place(self.text, at)}: {message}")

    def _sequence(self, depth: int, ends: str) -> Pieces:
        """The parts up to a character of `ends`, to a bracket that this sequence has not opened, or to the end."""
        if depth > MAX_DEPTH:
            raise self._error(self.at, f"brackets are nested more than {MAX_DEPTH} deep")
        parts: list[Piece] = []
        text = self.text
        while self.at < len(text):
            letter = text[self.at]
            if letter == "\\" and text[self.at + 1 : self.at + 2] in (*_LETTERS, "(", ")"):
                escaped = text[self.at + 1]
                parts.append(escaped if escaped in _LETTERS else f"\\{escaped}")
                self.at += 2
            elif letter == "[":
                parts.extend(self._bracket(depth + 1))
            elif letter == "(":
                parts.extend(self._group(depth + 1))
            elif letter == "]" or (letter in ends and not (letter == ":" and self._after_embedding())):
                break
            else:
                parts.append(letter)
                self.at += 1
        return _joined(parts)

    def _after_embedding(self) -> bool:
        return _EMBEDDING.search(self.text, max(0, self.at - 10), self.at) is not None

    def _group(self, depth: int) -> Iterator[Piece]:
        """`(...)`, whose colons are its own; one that nothing closes is a letter."""
        start = self.at
        self.at += 1
        yield "("
        yield from self._sequence(depth, ")")
        if self.text[self.at : self.at + 1] == ")":
            self.at += 1
            yield ")"
        elif self.open and self.at < len(self.text):
            raise self._error(start, "'(' is not closed within its bracket; write \\( for a parenthesis that is meant")

    def _bracket(self, depth: int) -> Pieces:
        """`[...]`: a swap, a cycle, or letters."""
        start = self.at
        options: list[Pieces] = []
        marks: list[int] = [start]
        self.open += 1
        while not options or self.text[self.at] != "]":
            self.at += 1
            options.append(self._sequence(depth, ":|"))
            if self.at == len(self.text):
                raise self._error(start, "'[' is never closed; write \\[ for a bracket that is meant")
            marks.append(self.at)
        self.at += 1
        self.open -= 1
        separators = {self.text[mark] for mark in marks[1:-1]}
        if separators == {"|"}:
            return (Cycle(tuple(options)),)
        if len(separators) == 2:
            raise self._error(start, "the bracket has both '|' and ':'; put one of them into a bracket of its own")
        last = self.text[marks[-2] + 1 : marks[-1]]
        number = _NUMBER.fullmatch(last) if separators else None
        if number is not None and len(options) <= 3:
            before: Pieces = options[0] if len(options) == 3 else ()
            return (Swap(before, options[-2], self._when(number[1], marks[-2] + 1)),)
        if number is not None:
            raise self._error(start, f"the bracket has {len(options)} parts; write \\: for a colon that is meant")
        if len(options) == 3:
            expected = "the step of the change, such as 8 or 0.5 (write \\: for a colon that is meant)"
            raise self._error(marks[-2] + 1, f"expected {expected}, got {last[:40]!r}")
        pieces = [piece for option in options for piece in (*option, ":")][:-1]
        return _joined(["[", *pieces, "]"])

    def _when(self, number: str, at: int) -> When:
        try:
            return read_when(number)
        except ScheduleError as error:
            raise self._error(at, str(error)) from None


def _joined(parts: Sequence[Piece]) -> Pieces:
    """The parts, neighbouring letters made one text."""
    joined: list[Piece] = []
    for kind, run in groupby(parts, type):
        found = list(run)
        joined.extend(["".join(map(str, found))] if kind is str else found)
    return tuple(joined)


def read_when(text: str) -> When:
    """The step that a number names, or the share if it has a point. Raises ScheduleError."""
    if _NUMBER.fullmatch(text) is None:
        raise ScheduleError(f"expected a step such as 8, or a share of the steps such as 0.5, got {text!r}")
    value = float(text)
    if value < 0:
        raise ScheduleError(f"a step counts from 0, got {text.strip()}")
    if value > MAX_STEP:
        raise ScheduleError(f"no run has more than {MAX_STEP} steps, got {text.strip()[:40]}")
    return When(value, "." in text)


def place(text: str, at: int) -> str:
    """`character 5`, or `line 2, character 5`, with what stands there."""
    line = text.count("\n", 0, at)
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    shown = text[at : at + 20].split("\n")[0]
    where = f"line {line + 1}, character {column}" if "\n" in text else f"character {column}"
    return f"{where}, {shown!r}" if shown else where


class Strengths(NamedTuple):
    """How much of a LoRA the diffusion model and the text encoders get."""

    model: float
    clip: float


@dataclass(frozen=True)
class LoraSchedule:
    """A LoRA file and its strengths: each holds from its step on. `line` is where it stands in the table, from 1."""

    name: str
    line: int
    strengths: tuple[tuple[When, Strengths], ...]

    def switches(self, steps: int) -> list[tuple[int, Strengths]]:
        """The steps at which strengths begin to hold. Raises ScheduleError where one comes before its forerunner."""
        found = [(when.step(steps), strengths) for when, strengths in self.strengths]
        for (before, _), (step, _), (when, _) in zip(found, found[1:], self.strengths[1:], strict=False):
            if step < before:
                message = f"'from {when}' is step {step}, before the step {before} of the strength before it"
                raise ScheduleError(f"line {self.line}: {message}; steps go up")
        return found


def strengths_at(switches: Sequence[tuple[int, Strengths]], step: int) -> Strengths:
    """What holds at a step; off before the first switch."""
    held = [strengths for first, strengths in switches if first <= step]
    return held[-1] if held else Strengths(0.0, 0.0)


def parse_loras(table: str) -> tuple[LoraSchedule, ...]:
    """Read a table of LoRA strengths; empty lines are passed over. Raises ScheduleError with the line."""
    found: dict[str, LoraSchedule] = {}
    for number, line in enumerate(table.splitlines(), 1):
        if not line.strip():
            continue
        name, colon, rest = line.rpartition(":")
        name = name.strip()
        if not colon or not name:
            raise ScheduleError(
                f"line {number}: expected NAME: STRENGTH, STRENGTH from STEP, ..., got {line.strip()!r}"
            )
        if name in found:
            raise ScheduleError(f"line {number}: {name!r} stands in line {found[name].line} already")
        entries = tuple(_entry(entry, number, index) for index, entry in enumerate(rest.split(",")))
        found[name] = LoraSchedule(name, number, entries)
    return tuple(found.values())


def _entry(text: str, line: int, index: int) -> tuple[When, Strengths]:
    """`0.8`, `0.8 from 4`, `0.8/0.5 from 0.5`."""
    match = _STRENGTHS.fullmatch(text.strip())
    if match is None:
        raise ScheduleError(f"line {line}: expected STRENGTH from STEP, such as 0.8 from 6, got {text.strip()!r}")
    if index and match[3] is None:
        raise ScheduleError(f"line {line}: say from which step on {text.strip()!r} holds: {text.strip()} from 6")
    for strength in match[1], match[2]:
        if strength is not None and _NUMBER.fullmatch(strength) is None:
            raise ScheduleError(f"line {line}: expected a strength such as 0.8, got {strength!r}")
    try:
        when = read_when(match[3] or "0")
    except ScheduleError as error:
        raise ScheduleError(f"line {line}: {error}") from None
    return when, Strengths(float(match[1]), float(match[2] or match[1]))


class Stretch(NamedTuple):
    """A stretch of steps `start` .. `end` - 1 over which nothing changes."""

    start: int
    end: int


def stretches(variants: Sequence[Variant], start: int = 0) -> list[tuple[Stretch, Variant]]:
    """The fewest stretches for what holds at steps start, start + 1, ...: equal neighbours are joined."""
    found: list[tuple[Stretch, Variant]] = []
    for variant, run in groupby(variants):
        end = start + sum(1 for _ in run)
        found.append((Stretch(start, end), variant))
        start = end
    return found
