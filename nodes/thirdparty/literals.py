"""Values that are typed once, texts put together, numbers made into other ones: literals of the common packs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.errors import WeftError
from weft.engine.links import Link
from weft.engine.planning.lowering import Site
from weft.engine.schema.authoring import UI, Output, Tooltip
from weft.engine.schema.sockets import Boolean, Combo, Float, Int, Socket, String
from weft.nodes.core.types import Clip, Conditioning, Image, Model
from weft.nodes.thirdparty.arithmetic import done
from weft.nodes.thirdparty.face import marker, passed_on

LIBRARIES: tuple[str, ...] = ()

comfyroll = marker("ComfyUI_Comfyroll_CustomNodes", "Comfyroll")
kj = marker("comfyui-kjnodes", "KJNodes")
various = marker("comfyui-various", "jamesWalker55")
mx = marker("ComfyUI-mxToolkit", "mxToolkit")
comfymath = marker("ComfyMath", "math")
was = marker("was-node-suite-comfyui", "WAS Suite")
literals = marker("ComfyLiterals", "Literals")
quality = marker("QualityOfLifeSuit_Omar92", "Quality of Life")

LIMIT = 2**63 - 1
_NUMBER = Tooltip("The number.")
_TEXT = Tooltip("The text.")
Whole = Annotated[int, Int(default=0, min=-LIMIT, max=LIMIT), _NUMBER]
Real = Annotated[float, Float(default=0.0, min=-LIMIT, max=LIMIT, step=0.00001), _NUMBER]
Line = Annotated[str, String(default=""), _TEXT]
Lines = Annotated[str, String(default="", multiline=True), _TEXT]
TextIn = Annotated[str, String(forceInput=True), _TEXT]
OutInt = Annotated[int, Int(), Output("INT")]
OutFloat = Annotated[float, Float(), Output("FLOAT")]
OutString = Annotated[str, String(), Output("STRING")]
OutValue = Annotated[int, Int(), Output("value")]
OutAny = Annotated[Any, Socket("*")]
Help = Annotated[str, String(), Output("show_help")]


@comfyroll(class_type="CR Integer To String", display_name="CR Integer To String", computes=True)
def CrIntegerToString(*, int_: Annotated[int, Int(forceInput=True), _NUMBER]) -> tuple[OutString, Help]:
    """A whole number as text."""
    return str(int_), _HELP


@comfyroll(class_type="CR Float To String", display_name="CR Float To String", computes=True)
def CrFloatToString(*, float_: Annotated[float, Float(forceInput=True), _NUMBER]) -> tuple[OutString, Help]:
    """A number as text."""
    return str(float_), _HELP


_HELP = ""
"""The pack gives the address of its documentation here."""


@comfyroll(class_type="CR Prompt Text", display_name="CR Prompt Text", computes=True)
def CrPromptText(
    *, prompt: Annotated[str, String(default="prompt", multiline=True), _TEXT]
) -> tuple[Annotated[str, String(), Output("prompt")], Help]:
    """A text of several lines."""
    return prompt, _HELP


@comfyroll(class_type="CR Text", display_name="CR Text", computes=True)
def CrText(*, text: Lines) -> tuple[Annotated[Any, Socket("*"), Output("text")], Help]:
    """A text of several lines."""
    return text, _HELP


@comfyroll(class_type="CR Seed", display_name="CR Seed", computes=True)
def CrSeed(
    *, seed: Annotated[int, Int(default=0, min=0, max=2**64 - 1), _NUMBER]
) -> tuple[Annotated[int, Int(), Output("seed")], Help]:
    """A seed for any number of samplers."""
    return seed, _HELP


@comfyroll(class_type="CR Current Frame", display_name="CR Current Frame", computes=True)
def CrCurrentFrame(
    *,
    index: Annotated[int, Int(default=1, min=-10000, max=10000, forceInput=True)],
    print_to_console: Annotated[str, Combo(("Yes", "No"))],
) -> tuple[Annotated[int, Int(), Output("index")], Help]:
    """Pass the number of a frame on.

    Args:
        index: The number.
        print_to_console: Whether ComfyUI's log says it.
    """
    return index, _HELP


@kj(class_type="INTConstant", display_name="INT Constant", computes=True)
def IntConstant(*, value: Whole) -> OutValue:
    """A whole number."""
    return value


@kj(class_type="FloatConstant", display_name="Float Constant", computes=True)
def FloatConstant(*, value: Real) -> Annotated[float, Float(), Output("value")]:
    """A number."""
    return value


@kj(class_type="StringConstant", display_name="String Constant", computes=True)
def StringConstant(*, string: Line) -> OutString:
    """A line of text."""
    return string


@kj(class_type="StringConstantMultiline", display_name="String Constant Multiline", computes=True)
def StringConstantMultiline(*, string: Lines, strip_newlines: Annotated[bool, Boolean(default=True)]) -> OutString:
    """A text of several lines.

    Args:
        strip_newlines: Take away what is empty: blank lines, and blanks at the ends of the others.
    """
    if not strip_newlines:
        return string
    return "\n".join(line.strip() for line in string.splitlines() if line.strip())


@kj(class_type="JoinStrings", display_name="Join Strings", computes=True)
def JoinStrings(
    *,
    delimiter: Annotated[str, String(default=" ", multiline=False), Tooltip("What stands between them.")],
    string1: TextIn = "",
    string2: TextIn = "",
) -> OutString:
    """Put two texts together."""
    return delimiter.join((string1, string2))


@kj(class_type="JoinStringMulti", display_name="Join String Multi", claims=lambda name: name.startswith("string_"))
def JoinStringMulti(
    *,
    inputcount: Annotated[int, Int(default=2, min=2, max=1000, step=1), Tooltip("How many there are.")],
    string_1: TextIn,
    string_2: TextIn = "",
    delimiter: Annotated[str, String(default=" ", multiline=False), Tooltip("What stands between them.")] = " ",
    return_list: Annotated[bool, Boolean(default=False), Tooltip("Give a list of them, not put together.")] = False,
    **rest: Any,
) -> tuple[Annotated[Any, Socket("STRING"), Output("string")]]:
    """Put texts together. More of them may be linked: string_3, string_4, ..."""
    given = {"string_1": string_1, "string_2": string_2, **rest}
    names = (f"string_{number}" for number in range(1, inputcount + 1))
    texts = [given[name] for name in names if given.get(name) is not None]
    return (texts if return_list else delimiter.join(texts),)


_UNPATCHED = "attention is torch's own here: what this node does for speed is left out, so results differ by rounding"


@kj(
    class_type="PathchSageAttentionKJ",
    display_name="Patch Sage Attention KJ",
    claims=lambda name: name == "allow_compile",
)
def PatchSageAttention(
    *, model: Model, sage_attention: Annotated[str, Combo(None, default="disabled")], context: RunContext, **rest: Any
) -> Annotated[Model, Output("MODEL")]:
    """Pass a model on. Another attention is for speed; here it is torch's.

    Args:
        model: The model.
        sage_attention: Which attention is to be used.
    """
    if sage_attention != "disabled":
        context.warn(_UNPATCHED)
    return model


@kj(class_type="PatchModelPatcherOrder", display_name="Patch Model Patcher Order")
def PatchModelPatcherOrder(
    *,
    model: Model,
    patch_order: Annotated[str, Combo(("object_patch_first", "weight_patch_first"), default="weight_patch_first")],
    full_load: Annotated[str, Combo(("enabled", "disabled", "auto"), default="auto")],
) -> Annotated[Model, Output("MODEL")]:
    """Pass a model on. In which order ComfyUI applies patches is nothing here: they give the same in any.

    Args:
        model: The model.
        patch_order: What ComfyUI applies first.
        full_load: Whether ComfyUI loads it at once.
    """
    return model


@kj(class_type="GetImageSizeAndCount", display_name="Get Image Size & Count")
def GetImageSizeAndCount(
    *, image: Image
) -> tuple[
    Annotated[Image, Output("image")],
    Annotated[int, Int(), Output("width")],
    Annotated[int, Int(), Output("height")],
    Annotated[int, Int(), Output("count")],
]:
    """Pass pictures on, with their size and how many they are.

    Args:
        image: The pictures.
    """
    count, height, width, _ = image.shape
    return passed_on(UI(text=[f"{count}x{width}x{height}"]), image, width, height, count)


@various(class_type="JWInteger", display_name="Integer", computes=True)
def JwInteger(*, value: Whole) -> OutInt:
    """A whole number."""
    return value


@various(class_type="JWFloat", display_name="Float", computes=True)
def JwFloat(*, value: Real) -> OutFloat:
    """A number."""
    return value


@various(class_type="JWString", display_name="String", computes=True)
def JwString(*, text: Line) -> OutString:
    """A line of text."""
    return text


@various(class_type="JWStringMultiline", display_name="String (Multiline)", computes=True)
def JwStringMultiline(*, text: Lines) -> OutString:
    """A text of several lines."""
    return text


MxWhole = Annotated[
    int, Int(default=20, min=-4294967296, max=4294967296), Tooltip("The number, where it is a whole one.")
]
MxReal = Annotated[
    float, Float(default=20.0, min=-4294967296, max=4294967296), Tooltip("The number, where it has a fraction.")
]
MxKind = Annotated[int, Int(default=0, min=0, max=1), Tooltip("Whether it has a fraction.")]


@mx(class_type="mxSlider", display_name="Slider", computes=True)
def MxSlider(*, Xi: MxWhole, Xf: MxReal, isfloatX: MxKind) -> Annotated[Any, Socket("*"), Output("X")]:
    """A number that the editor has a slider for."""
    return Xf if isfloatX else Xi


@mx(class_type="mxSlider2D", display_name="Slider 2D", computes=True)
def MxSlider2D(
    *, Xi: MxWhole, Xf: MxReal, Yi: MxWhole, Yf: MxReal, isfloatX: MxKind, isfloatY: MxKind
) -> tuple[Annotated[Any, Socket("*"), Output("X")], Annotated[Any, Socket("*"), Output("Y")]]:
    """Two numbers that the editor has a slider for."""
    return (Xf if isfloatX else Xi), (Yf if isfloatY else Yi)


@comfymath(class_type="CM_FloatToInt", display_name="FloatToInt", computes=True)
def CmFloatToInt(*, a: Annotated[float, Float(default=0.0), _NUMBER]) -> OutInt:
    """A number without its fraction."""
    return int(a)


@comfymath(class_type="CM_IntToFloat", display_name="IntToFloat", computes=True)
def CmIntToFloat(*, a: Annotated[int, Int(default=0), _NUMBER]) -> OutFloat:
    """A whole number as a number."""
    return float(a)


_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": operator.truediv,
    "Mod": operator.mod,
    "Pow": operator.pow,
    "FloorDiv": operator.floordiv,
    "Max": max,
    "Min": min,
}


@comfymath(class_type="CM_FloatBinaryOperation", display_name="FloatBinaryOperation", computes=True)
def CmFloatBinaryOperation(
    *,
    op: Annotated[str, Combo(tuple(_ARITHMETIC)), Tooltip("What is done to them.")],
    a: Annotated[float, Float(default=0.0), Tooltip("The first number.")],
    b: Annotated[float, Float(default=0.0), Tooltip("The second number.")],
) -> OutFloat:
    """Compute with two numbers."""
    return float(done(op, _ARITHMETIC[op], a, b))


@comfymath(class_type="CM_IntBinaryOperation", display_name="IntBinaryOperation", computes=True)
def CmIntBinaryOperation(
    *,
    op: Annotated[str, Combo(tuple(_ARITHMETIC)), Tooltip("What is done to them.")],
    a: Annotated[int, Int(default=0), Tooltip("The first number.")],
    b: Annotated[int, Int(default=0), Tooltip("The second number.")],
) -> OutInt:
    """Compute with two whole numbers; a fraction of the result is cut off."""
    return int(done(op, _ARITHMETIC[op], a, b))


@was(class_type="Text Multiline", display_name="Text Multiline", computes=True)
def TextMultiline(*, text: Lines) -> OutString:
    """A text of several lines; those that begin with # are left out."""
    return "\n".join(line for line in text.split("\n") if not line.strip().startswith("#"))


def _encoded(site: Site) -> list[Link]:
    """Text to Conditioning is CLIP Text Encode by another name."""
    return [site.add("CLIPTextEncode", {"clip": site.inputs["clip"], "text": site.inputs["text"]}, name="encode")[0]]


@was(class_type="Text to Conditioning", display_name="Text to Conditioning", lowers=_encoded)
def TextToConditioning(*, clip: Clip, text: Line) -> Annotated[Conditioning, Output("CONDITIONING")]:
    """Encode a prompt.

    Args:
        clip: The text encoders.
    """
    raise AssertionError("it is lowered")


@was(class_type="Text String", display_name="Text String", computes=True)
def TextString(
    *, text: Line = "", text_b: Line = "", text_c: Line = "", text_d: Line = ""
) -> tuple[OutString, OutString, OutString, OutString]:
    """Up to four texts."""
    return text, text_b, text_c, text_d


@was(class_type="Text Concatenate", display_name="Text Concatenate", computes=True)
def TextConcatenate(
    *,
    delimiter: Annotated[str, String(default=", "), Tooltip("What stands between them; \\n is the end of a line.")],
    clean_whitespace: Annotated[str, Combo(("true", "false")), Tooltip("Take blanks away at both ends of each.")],
    text_a: TextIn = "",
    text_b: TextIn = "",
    text_c: TextIn = "",
    text_d: TextIn = "",
) -> OutString:
    """Put texts together; those that are empty are left out."""
    texts = [each.strip() if clean_whitespace == "true" else each for each in (text_a, text_b, text_c, text_d)]
    return ("\n" if delimiter == "\\n" else delimiter).join(text for text in texts if text)


@was(class_type="Text to Console", display_name="Text to Console", output_node=True)
def TextToConsole(
    *, text: TextIn, label: Annotated[str, String(default="Text Output"), Tooltip("What ComfyUI's log says before it.")]
) -> tuple[OutString]:
    """Show a text, and pass it on."""
    return passed_on(UI(text=[text]), text)


@quality(class_type="Text _O", display_name="Text _O", computes=True)
def TextO(*, text: Lines) -> OutString:
    """A text of several lines."""
    return text


@quality(class_type="Concat Text _O", display_name="Concat Text _O", computes=True)
def ConcatTextO(
    *, text1: TextIn, text2: TextIn, separator: Annotated[str, String(default=","), Tooltip("What stands between.")]
) -> OutString:
    """Put two texts together."""
    return f"{text1}{separator}{text2}"


@literals(class_type="Int", display_name="Int", computes=True)
def LiteralInt(*, Number: Annotated[str, String(default="0"), _NUMBER]) -> OutInt:
    """A whole number, typed as text."""
    return int(_number(Number))


@literals(class_type="Float", display_name="Float", computes=True)
def LiteralFloat(*, Number: Annotated[str, String(default="0"), _NUMBER]) -> OutFloat:
    """A number, typed as text."""
    return float(_number(Number))


def _number(text: str) -> int | float:
    for kind in (int, float):
        try:
            number: int | float = kind(text)
        except ValueError:
            continue
        if number == number and abs(number) != float("inf"):
            return number
    raise WeftError(f"{text[:40]!r} is no number")
