"""ComfyUI-Custom-Scripts' nodes: texts shown and changed, expressions, sounds that nobody plays here."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from weft.engine.errors import WeftError
from weft.engine.schema.authoring import UI
from weft.engine.schema.sockets import Combo, Float, Int, Socket, String
from weft.nodes.core.types import Anything
from weft.nodes.thirdparty.face import marker, passed_on

node = marker("comfyui-custom-scripts", "utils")


@node(
    class_type="ShowText|pysssss",
    display_name="Show Text",
    output_node=True,
    claims=lambda name: name.startswith("text_"),
)
def ShowText(
    *, text: list[Annotated[str, String(forceInput=True)]], **rest: Any
) -> tuple[list[Annotated[str, String()]]]:
    """Show texts, and pass them on.

    Args:
        text: The texts.
    """
    return passed_on(UI(text=[str(each) for each in text]), text)


Operand = Annotated[Any, Socket("INT,FLOAT,IMAGE,LATENT")]
_SIDES = re.compile(r"\b([abc])\.(width|height)\b")


@node(class_type="MathExpression|pysssss", display_name="Math Expression", output_node=True, computes=True)
def MathExpression(
    *,
    expression: Annotated[str, String(multiline=True, dynamicPrompts=False)],
    a: Operand | None = None,
    b: Operand | None = None,
    c: Operand | None = None,
) -> tuple[Annotated[int, Int()], Annotated[float, Float()]]:
    """Compute with numbers, as Python does; whole numbers of the result are cut, not rounded.

    Args:
        expression: A formula of a, b and c; of pictures and latents, `a.width` and `a.height`. It knows round, ceil,
            floor, sqrt, min, max, abs, pow, log, exp, sin, cos, tan, int, float and iif(test, then, else); `and` and
            `or` give 1 or 0. Widgets of other nodes it does not know.
        a: A number, pictures or a latent.
        b: Another one.
        c: A third one.
    """
    values = {name: value for name, value in (("a", a), ("b", b), ("c", c)) if value is not None}
    names: dict[str, Any] = {name: value for name, value in values.items() if isinstance(value, int | float)}
    for name, value in values.items():
        if name not in names:
            names[f"{name}_width"], names[f"{name}_height"] = _sides(value)
    result = computed(_written(_SIDES.sub(r"\1_\2", expression)), names, {"iif": _chosen})
    return passed_on(UI(value=[result]), int(result), float(result))


def _written(expression: str) -> str:
    """An expression on one line, whose `and` and `or` give 1 or 0. What cannot be read is left to who computes it."""
    line = " ".join(expression.splitlines())
    try:
        return ast.unparse(_Truths().visit(ast.parse(line.strip(), mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return line


class _Truths(ast.NodeTransformer):
    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """`a or b` as `iif(a or b, 1, 0)`."""
        self.generic_visit(node)
        return ast.Call(ast.Name("iif", ast.Load()), [node, ast.Constant(1), ast.Constant(0)], [])


def _chosen(test: Any, then: Any, otherwise: Any = None) -> Any:
    return then if test else otherwise


def _sides(value: Any) -> tuple[int, int]:
    """Width and height of pictures or of a latent's pictures."""
    if isinstance(value, Mapping):
        rows, columns = value["samples"].shape[-2:]
        return columns * 8, rows * 8
    return value.shape[2], value.shape[1]


def computed(
    expression: str, names: Mapping[str, Any], more: Mapping[str, Callable[..., Any]] | None = None
) -> int | float:
    """The number that an expression of names gives; `more` are further functions.

    Raises ExpressionError, and WeftError where it gives no number.
    """
    from weft.nodes.core.evaluation import evaluate

    result = evaluate(expression, names, {**functions(), **(more or {})}, chance=False)
    if isinstance(result, bool):
        return int(result)
    if not isinstance(result, int | float) or not math.isfinite(result):
        raise WeftError(f"{expression[:80]!r} gave {str(result)[:80]}, expected a finite number")
    return result


def functions() -> dict[str, Callable[..., Any]]:
    """What expressions know beside their names."""
    from weft.nodes.core.evaluation import power

    theirs = (math.sqrt, math.ceil, math.floor, math.log, math.log2, math.log10, math.exp, math.sin, math.cos, math.tan)
    return {each.__name__: each for each in (sum, min, max, abs, round, len, *theirs)} | {"pow": power}


Text = Annotated[str, String(default="", multiline=True, dynamicPrompts=False)]


@node(class_type="StringFunction|pysssss", display_name="String Function", output_node=True)
def StringFunction(
    *,
    action: Annotated[str, Combo(("append", "replace"))],
    tidy_tags: Annotated[str, Combo(("yes", "no"))],
    text_a: Text = "",
    text_b: Text = "",
    text_c: Text = "",
) -> tuple[Annotated[str, String()]]:
    """Put texts together, or replace one within another.

    Args:
        action: append puts the three together; replace puts the third in the place of the second within the first.
        tidy_tags: Put commas between texts that are put together, and take away those that are too many.
        text_a: The first text.
        text_b: The second; between slashes, it is a regular expression.
        text_c: The third.
    """
    tidy = tidy_tags == "yes"
    if action == "append":
        made = (", " if tidy else "").join(filter(None, (text_a, text_b, text_c)))
    elif len(text_b) > 1 and text_b.startswith("/") and text_b.endswith("/"):
        try:
            made = re.sub(text_b[1:-1], text_c, text_a)
        except re.error as error:
            raise WeftError(f"text_b is no regular expression: {error}") from error
    else:
        made = text_a.replace(text_b, text_c) if text_b else text_a
    if tidy:
        made = re.sub(r",{2,}", ",", re.sub(r"\s{2,}", " ", made).replace(" ,", ",")).strip()
    return passed_on(UI(text=[made]), made)


@node(class_type="PlaySound|pysssss", display_name="PlaySound", output_node=True)
def PlaySound(
    *,
    any: Anything,
    mode: Annotated[str, Combo(("always", "on empty queue"))],
    volume: Annotated[float, Float(default=0.5, min=0.0, max=1.0, step=0.1)],
    file: Annotated[str, String(default="notify.mp3")],
) -> tuple[Annotated[Any, Socket("*")]]:
    """Pass a value on. The editor plays a sound then; here there is none.

    Args:
        any: The value.
        mode: When the editor plays it.
        volume: How loud.
        file: The sound.
    """
    return (any,)


@node(class_type="SystemNotification|pysssss", display_name="SystemNotification", output_node=True)
def SystemNotification(
    *,
    any: Anything,
    message: Annotated[str, String(default="Your notification has triggered.")],
    mode: Annotated[str, Combo(("always", "on empty queue"))],
) -> tuple[Annotated[Any, Socket("*")]]:
    """Pass a value on. The editor shows a message then; here there is none.

    Args:
        any: The value.
        message: What it says.
        mode: When the editor shows it.
    """
    return (any,)
