r"""Prompt weights: `a (cat:1.3) on ((grass))` -> [("a ", 1.0), ("cat", 1.3), (" on ", 1.0), ("grass", 1.21)].

The rules, as measured on ComfyUI 0.3.64 (parity/facts.md section 7, parity/units/tokens.json):

* parentheses multiply the weight around them by 1.1; `(text:1.3)` replaces it, in nested groups too;
* the number is what follows the group's last colon, if Python's float() reads it and text stands before the colon;
* `\(` and `\)` are letters; brackets, braces, BREAK and AND mean nothing;
* a closing parenthesis too many is a letter, and so are the groups whose opening one only makes up for it;
* an opening parenthesis that nothing closes is a letter, except that a text `(...)` whose last character closes an
  inner group still counts as one group: in `(a (b)` the outer parenthesis pairs with the last.

The parser keeps its own stack and visits a parenthesis a bounded number of times: depth and length are unlimited.
"""

from __future__ import annotations

from bisect import bisect_left

from weft.nodes.diffusion.errors import DiffusionError

EMPHASIS = 1.1
ESCAPES = {"\\(": "(", "\\)": ")"}


def parse_weights(text: str) -> list[tuple[str, float]]:
    """The segments of a prompt with their weights, in order, unescaped; none is empty."""
    if not isinstance(text, str):
        raise DiffusionError(f"a prompt must be text, got {type(text).__name__}")
    return _Parser(text).parse()


class _Parser:
    """One prompt being read.

    Positions are indices into `text`; a region is a half-open range of them whose text has one weight of its own.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.parens = _parentheses(text)
        self.closing, self.depth = _match(text, self.parens)

    def parse(self) -> list[tuple[str, float]]:
        segments: list[tuple[str, float]] = []
        # Regions still to read, the next one on top. A region that is inside a group never falls below its own depth.
        regions = [(0, len(self.text), 1.0, 0)]
        while regions:
            start, end, weight, depth = regions.pop()
            opening = self._next_group(start, end, depth)
            if opening is None:
                self._emit(segments, start, end, weight)
                continue
            self._emit(segments, start, opening, weight)
            closing = self.closing.get(opening, end)
            if closing >= end:  # nothing in this region closes it
                closing = end - 1
                if closing not in self.depth or self.text[closing] != ")":
                    self._emit(segments, opening, end, weight)
                    continue
            regions.append((closing + 1, end, weight, depth))
            stop, inner = self._weight(opening + 1, closing, weight)
            regions.append((opening + 1, stop, inner, depth + 1))
        return segments

    def _next_group(self, start: int, end: int, depth: int) -> int | None:
        """The first parenthesis in the region that opens a group at the region's own depth."""
        for index in range(bisect_left(self.parens, start), len(self.parens)):
            position = self.parens[index]
            if position >= end:
                return None
            if self.text[position] == "(" and self.depth[position] == depth:
                return position
        return None

    def _weight(self, start: int, end: int, around: float) -> tuple[int, float]:
        """Where the text of a group ends, and its weight."""
        index = bisect_left(self.parens, end)
        after_parens = self.parens[index - 1] + 1 if index else 0  # no number has a parenthesis in it
        colon = self.text.rfind(":", max(start, after_parens), end)
        if colon > start:
            try:
                return colon, float(self.text[colon + 1 : end])
            except ValueError:
                pass  # a colon of the prompt's own
        return end, around * EMPHASIS

    def _emit(self, segments: list[tuple[str, float]], start: int, end: int, weight: float) -> None:
        if start < end:
            text = self.text[start:end]
            for escaped, letter in ESCAPES.items():
                text = text.replace(escaped, letter)
            segments.append((text, weight))


def _parentheses(text: str) -> list[int]:
    r"""Where the parentheses are that mean something: all but `\(` and `\)`."""
    return [i for i, letter in enumerate(text) if letter in "()" and (i == 0 or text[i - 1] != "\\")]


def _match(text: str, parens: list[int]) -> tuple[dict[int, int], dict[int, int]]:
    """Which parenthesis closes which, and how deep the text is before each; below zero after one too many."""
    closing: dict[int, int] = {}
    before: dict[int, int] = {}
    unclosed: list[int] = []
    depth = 0
    for position in parens:
        before[position] = depth
        if text[position] == "(":
            unclosed.append(position)
            depth += 1
        else:
            depth -= 1
            if unclosed:
                closing[unclosed.pop()] = position
    return closing, before
