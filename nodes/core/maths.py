"""Numbers: computed, converted, chosen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from string import ascii_lowercase
from typing import Annotated, Any

from weft.engine.errors import WeftError
from weft.engine.schema.authoring import Output, node
from weft.engine.schema.sockets import Autogrow, Boolean, Combo, Float, Int, Opaque, Socket, String
from weft.nodes.core.types import NEWER

LIBRARIES: tuple[str, ...] = ()

FloatOut = Annotated[float, Float()]
IntOut = Annotated[int, Int()]
Values = Annotated[
    Mapping[str, Any],
    Autogrow(
        template={
            "input": {"required": {"value": ["FLOAT,INT,BOOLEAN", {}]}},
            "names": list(ascii_lowercase),
            "min": 1,
        }
    ),
]

RATIOS: Mapping[str, tuple[int, int]] = {
    "1:1 (Square)": (1, 1),
    "2:3 (Portrait Photo)": (2, 3),
    "3:2 (Photo)": (3, 2),
    "3:4 (Portrait Standard)": (3, 4),
    "4:3 (Standard)": (4, 3),
    "9:16 (Portrait Widescreen)": (9, 16),
    "16:9 (Widescreen)": (16, 9),
    "21:9 (Ultrawide)": (21, 9),
}
MEGAPIXEL = 1024 * 1024


def _functions() -> dict[str, Callable[..., Any]]:
    from weft.nodes.core.evaluation import power

    ours = (sum, min, max, abs, round)
    theirs = (math.sqrt, math.ceil, math.floor, math.log, math.log2, math.log10, math.sin, math.cos, math.tan)
    return {each.__name__: each for each in (*ours, *theirs)} | {"pow": power}


@node(display_name="Math Expression", category="math", python_module=NEWER, computes=True)
def ComfyMathExpression(
    *, expression: Annotated[str, String(default="a + b", multiline=True)], values: Values
) -> tuple[FloatOut, IntOut, Annotated[bool, Boolean(), Output("BOOL")]]:
    """Compute with numbers, as Python does.

    Args:
        expression: A formula of a, b, c, ..., or of the list of all, `values`. It knows sum, min, max, abs, round, pow,
            sqrt, ceil, floor, log, log2, log10, sin, cos, tan, int and float.
        values: The numbers that the formula calls a, b, c, ...; True counts as 1.
    """
    from weft.nodes.core.evaluation import evaluate

    result = evaluate(expression, {**values, "values": [*values.values()]}, _functions(), chance=False)
    shown = f"{expression[:80]!r} gave {str(result)[:80]}"
    if not isinstance(result, int | float):
        raise WeftError(f"{shown}, expected a number")
    return _finite(result, shown), int(result), bool(result)


@node(display_name="Convert Number", category="math", python_module=NEWER, computes=True)
def ComfyNumberConvert(*, value: Annotated[Any, Socket("INT,FLOAT,STRING,BOOLEAN")]) -> tuple[FloatOut, IntOut]:
    """Make a number of a text, or of true and false; whole numbers are cut, not rounded.

    Args:
        value: A number, a text that is one, or True for 1 and False for 0.
    """
    number: int | float | str = value
    if isinstance(number, str):
        number = _parsed(number)
    if not isinstance(number, int | float):
        raise WeftError(f"expected a number, a text, True or False, got {type(value).__name__}")
    return _finite(number, f"the value is {str(value)[:80]!r}"), int(number)


def _parsed(text: str) -> int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise WeftError(f"{text[:80]!r} is no number" if text.strip() else "the text is empty, expected a number")


def _finite(number: int | float, shown: str) -> float:
    """As a float. Raises WeftError where it is none, or NaN or infinity."""
    try:
        result = float(number)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise WeftError(f"{shown}, expected a finite number")
    return result


@node(display_name="Resolution Selector", category="utils", python_module=NEWER, computes=True)
def ResolutionSelector(
    *,
    aspect_ratio: Annotated[str, Combo(tuple(RATIOS), default="1:1 (Square)")],
    megapixels: Annotated[float, Float(default=1.0, min=0.1, max=16.0, step=0.1)],
    preview: Annotated[Any, Socket("RESOLUTION_PREVIEW")] = None,
    multiple: Annotated[int, Int(default=8, min=8, max=128, step=4)] = 8,
) -> tuple[Annotated[int, Int(), Output("width")], Annotated[int, Int(), Output("height")]]:
    """The sides of a picture of a shape and a number of pixels.

    Args:
        aspect_ratio: Width to height.
        megapixels: How many times 1024 x 1024 pixels, about.
        preview: The editor shows the sides here.
        multiple: Each side is the nearest multiple of it.
    """
    columns, rows = RATIOS[aspect_ratio]
    unit = math.sqrt(megapixels * MEGAPIXEL / (columns * rows))
    width, height = (max(1, round(side * unit / multiple)) * multiple for side in (columns, rows))
    return width, height


@node(display_name="Custom Combo", category="utils", python_module=NEWER, experimental=True, computes=True)
def CustomCombo(
    *, choice: Annotated[str, Combo(None, options=[])], index: Annotated[int, Int(default=0)] = 0
) -> tuple[Annotated[str, String()], Annotated[int, Int(), Output("INDEX")]]:
    """One of the texts that the workflow lists, and its place among them.

    Args:
        choice: The text.
        index: Its place in the list, counted from 0; the editor fills it in.
    """
    return str(choice), index


@node(display_name="Color Picker", category="utils", python_module=NEWER)
def ColorToRGBInt(
    *, color: Annotated[str, Opaque("COLOR", default="#ffffff")]
) -> tuple[
    Annotated[int, Int(), Output("rgb_int")],
    Annotated[str, Socket("COLOR"), Output("hex")],
    Annotated[float, Float(), Output("alpha")],
]:
    """A colour as a number, as text, and how opaque it is.

    Args:
        color: `#RRGGBB` or `#RRGGBBAA`, in hexadecimal digits.
    """
    red, green, blue, *alpha = colour_bytes(color)
    return red << 16 | green << 8 | blue, color[:7], alpha[0] / 255 if alpha else 1.0


def colour_bytes(color: Any) -> Sequence[int]:
    """The 3 or 4 bytes of `#RRGGBB` or `#RRGGBBAA`. Raises WeftError for anything else."""
    try:
        if isinstance(color, str) and color[:1] == "#" and len(color) in (7, 9):
            return bytes.fromhex(color[1:])
    except ValueError:
        pass
    raise WeftError(f"a colour is #RRGGBB or #RRGGBBAA in hexadecimal digits, got {color!r}")
