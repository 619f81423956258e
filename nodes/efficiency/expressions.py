"""Small computations inside a workflow: Evaluate Integers, Floats and Strings."""

from __future__ import annotations

from typing import Annotated, Any

from weft.engine.schema.sockets import Combo, Float, Int, String
from weft.nodes.efficiency.face import node

CATEGORY = "Efficiency Nodes/Simple Eval"
NUMBERS = "((a + b) - c) / 2"
STRINGS = "a + b + c"
# What a signed 64-bit number holds; numbers in an expression may be larger.
LARGEST = 2**63 - 1

NumberExpression = Annotated[str, String(default=NUMBERS, multiline=False)]
TextExpression = Annotated[str, String(default=STRINGS, multiline=False)]
Print = Annotated[str, Combo(("False", "True"))]
IntValue = Annotated[int, Int(default=0, min=-LARGEST, max=LARGEST, step=1)]
FloatValue = Annotated[float, Float(default=0.0, min=float(-LARGEST), max=float(LARGEST), step=0.01)]
Text = Annotated[str, String(default="", multiline=False)]

IntOutput = Annotated[int, Int()]
FloatOutput = Annotated[float, Float()]
TextOutput = Annotated[str, String()]


@node(class_type="Evaluate Integers", display_name="Evaluate Integers", category=CATEGORY, output_node=True)
def EvaluateIntegers(
    *, python_expression: NumberExpression, print_to_console: Print, a: IntValue = 0, b: IntValue = 0, c: IntValue = 0
) -> tuple[IntOutput, FloatOutput, TextOutput]:
    """Compute with whole numbers: a Python expression of a, b and c.

    Args:
        python_expression: The expression; int, float, str, rand() and randint(n) are known.
        print_to_console: Show the results.
        a: A number that the expression calls a.
        b: A number that it calls b.
        c: A number that it calls c.
    """
    return _numbers(python_expression, {"a": a, "b": b, "c": c}, print_to_console)


@node(class_type="Evaluate Floats", display_name="Evaluate Floats", category=CATEGORY, output_node=True)
def EvaluateFloats(
    *,
    python_expression: NumberExpression,
    print_to_console: Print,
    a: FloatValue = 0.0,
    b: FloatValue = 0.0,
    c: FloatValue = 0.0,
) -> tuple[IntOutput, FloatOutput, TextOutput]:
    """Compute with numbers: a Python expression of a, b and c.

    Args:
        python_expression: The expression; int, float, str, rand() and randint(n) are known.
        print_to_console: Show the results.
        a: A number that the expression calls a.
        b: A number that it calls b.
        c: A number that it calls c.
    """
    return _numbers(python_expression, {"a": a, "b": b, "c": c}, print_to_console)


@node(class_type="Evaluate Strings", display_name="Evaluate Strings", category=CATEGORY, output_node=True)
def EvaluateStrings(
    *, python_expression: TextExpression, print_to_console: Print, a: Text = "", b: Text = "", c: Text = ""
) -> tuple[TextOutput]:
    """Compute with text: a Python expression of a, b and c.

    Args:
        python_expression: The expression; methods of text and len, int, float, str, rand() and randint(n) are known.
        print_to_console: Show the result.
        a: A text that the expression calls a.
        b: A text that it calls b.
        c: A text that it calls c.
    """
    from weft.nodes.core.evaluation import evaluate

    result = (str(evaluate(python_expression, {"a": a, "b": b, "c": c}, {"len": len})),)
    return _shown(result, print_to_console)


def _numbers(expression: str, names: dict[str, Any], show: str) -> Any:
    from weft.nodes.core.evaluation import as_number, evaluate

    value = evaluate(expression, names)
    result = as_number(int, value, expression), as_number(float, value, expression), str(value)
    return _shown(result, show)


def _shown(result: tuple[Any, ...], show: str) -> Any:
    return result if show == "False" else {"ui": {"text": [str(value) for value in result]}, "result": result}
