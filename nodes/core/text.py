"""Text: put together, cut, compared, searched and replaced; values taken out of JSON, and written; texts saved."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from string import Formatter, ascii_lowercase
from typing import Annotated, Any

from weft.engine.context import RunContext
from weft.engine.errors import WeftError
from weft.engine.schema.authoring import UI, Output, Tooltip, node
from weft.engine.schema.sockets import Autogrow, Boolean, Combo, Int, Socket, String
from weft.nodes.core.types import NEWER

LIBRARIES: tuple[str, ...] = ()

STRING_MODULE = "comfy_extras.nodes_string"
CATEGORY = "utils/string"

Text = Annotated[str, String(multiline=True), Tooltip("The text.")]
Line = Annotated[str, String(default="", multiline=False)]
TextOut = Annotated[str, String()]
Truth = Annotated[bool, Boolean()]
Pattern = Annotated[str, String(multiline=True), Tooltip("A regular expression, as Python's re reads it.")]
CaseSensitive = Annotated[bool, Boolean(default=True), Tooltip("Whether capital letters differ from small ones.")]
CaseInsensitive = Annotated[bool, Boolean(default=True), Tooltip("Whether capital letters equal small ones.")]
Multiline = Annotated[bool, Boolean(default=False), Tooltip("Whether ^ and $ stand for each line's ends.")]
Dotall = Annotated[bool, Boolean(default=False), Tooltip("Whether the dot stands for the end of a line, too.")]

Indent = Annotated[
    int, Int(default=2, min=0, max=8), Tooltip("Blanks before what stands inside; 0 writes all of it in one line.")
]

CASES: Mapping[str, Callable[[str], str]] = {
    "UPPERCASE": str.upper,
    "lowercase": str.lower,
    "Capitalize": str.capitalize,
    "Title Case": str.title,
}
TRIMS: Mapping[str, Callable[[str], str]] = {"Both": str.strip, "Left": str.lstrip, "Right": str.rstrip}
MAX_TEXT = 10_000_000
"""Characters of what is put together by replacing: what is longer is a mistake, and would take the machine's memory."""

MAX_WIDTH = 100_000
"""Of a number in the form of a value that is put into a text."""

COMPARISONS: Mapping[str, Callable[[str, str], bool]] = {
    "Starts With": str.startswith,
    "Ends With": str.endswith,
    "Equal": str.__eq__,
}


@node(display_name="Concatenate", category=CATEGORY, python_module=STRING_MODULE)
def StringConcatenate(*, string_a: Text, string_b: Text, delimiter: Line) -> TextOut:
    """Put two texts together.

    Args:
        string_a: The first text.
        string_b: The second.
        delimiter: What stands between them.
    """
    return f"{string_a}{delimiter}{string_b}"


@node(display_name="Substring", category=CATEGORY, python_module=STRING_MODULE)
def StringSubstring(*, string: Text, start: Annotated[int, Int()], end: Annotated[int, Int()]) -> TextOut:
    """Take a part of a text.

    Args:
        start: The first character taken, counted from 0; a negative number counts from the end.
        end: The first character not taken; a negative number counts from the end.
    """
    return string[start:end]


@node(display_name="Length", category=CATEGORY, python_module=STRING_MODULE)
def StringLength(*, string: Text) -> Annotated[int, Int(), Output("length")]:
    """How many characters a text has."""
    return len(string)


@node(display_name="Case Converter", category=CATEGORY, python_module=STRING_MODULE)
def CaseConverter(*, string: Text, mode: Annotated[str, Combo(tuple(CASES), multiselect=False)]) -> TextOut:
    """Write a text in capital or small letters.

    Args:
        mode: Capitalize makes the first letter of the text a capital one, Title Case that of each word.
    """
    return CASES[mode](string)


@node(display_name="Trim", category=CATEGORY, python_module=STRING_MODULE)
def StringTrim(*, string: Text, mode: Annotated[str, Combo(tuple(TRIMS), multiselect=False)]) -> TextOut:
    """Take blanks and empty lines off the ends of a text.

    Args:
        mode: Which end.
    """
    return TRIMS[mode](string)


@node(display_name="Replace", category=CATEGORY, python_module=STRING_MODULE)
def StringReplace(*, string: Text, find: Text, replace: Text) -> TextOut:
    """Replace every place of a text that reads so by another.

    Args:
        find: What is replaced. An empty one stands before each character, and at the end.
        replace: What stands there then.
    """
    _require_length(len(string) + string.count(find) * (len(replace) - len(find)))
    return string.replace(find, replace)


def _require_length(length: int) -> None:
    if length > MAX_TEXT:
        raise WeftError(f"the text would be over {MAX_TEXT:,} characters long, the most that there may be")


@node(display_name="Contains", category=CATEGORY, python_module=STRING_MODULE)
def StringContains(
    *, string: Text, substring: Text, case_sensitive: CaseSensitive
) -> Annotated[Truth, Output("contains")]:
    """Whether a text has another in it.

    Args:
        substring: What is looked for.
    """
    return _cased(substring, case_sensitive) in _cased(string, case_sensitive)


@node(display_name="Compare", category=CATEGORY, python_module=STRING_MODULE)
def StringCompare(
    *,
    string_a: Text,
    string_b: Text,
    mode: Annotated[str, Combo(tuple(COMPARISONS), multiselect=False)],
    case_sensitive: CaseSensitive,
) -> Truth:
    """Whether a text begins with another, ends with it, or is the same.

    Args:
        string_a: The text that is looked at.
        string_b: The text that it is compared with.
        mode: What is asked.
    """
    return COMPARISONS[mode](_cased(string_a, case_sensitive), _cased(string_b, case_sensitive))


def _cased(text: str, sensitive: bool) -> str:
    return text if sensitive else text.lower()


@node(display_name="Regex Match", category=CATEGORY, python_module=STRING_MODULE)
def RegexMatch(
    *, string: Text, regex_pattern: Pattern, case_insensitive: CaseInsensitive, multiline: Multiline, dotall: Dotall
) -> Annotated[Truth, Output("matches")]:
    """Whether a regular expression fits anywhere in a text."""
    return _compiled(regex_pattern, case_insensitive, multiline, dotall).search(string) is not None


@node(display_name="Regex Extract", category=CATEGORY, python_module=STRING_MODULE)
def RegexExtract(
    *,
    string: Text,
    regex_pattern: Pattern,
    mode: Annotated[str, Combo(("First Match", "All Matches", "First Group", "All Groups"), multiselect=False)],
    case_insensitive: CaseInsensitive,
    multiline: Multiline,
    dotall: Dotall,
    group_index: Annotated[int, Int(default=1, min=0, max=100)],
) -> TextOut:
    """Take what a regular expression finds out of a text; several findings become lines, none the empty text.

    Args:
        mode: The first finding or all of them, whole or one group of each.
        group_index: Which group, counted from 1; 0 is the whole finding. A finding without it is left out.
    """
    pattern = _compiled(regex_pattern, case_insensitive, multiline, dotall)
    group = 0 if mode.endswith(("Match", "Matches")) else group_index
    if group > pattern.groups:
        return ""
    found = islice(pattern.finditer(string), 1 if mode.startswith("First") else None)
    return "\n".join(match[group] for match in found if match[group] is not None)


@node(display_name="Regex Replace", category=CATEGORY, python_module=STRING_MODULE)
def RegexReplace(
    *,
    string: Text,
    regex_pattern: Pattern,
    replace: Text,
    case_insensitive: CaseInsensitive = True,
    multiline: Multiline = False,
    dotall: Dotall = False,
    count: Annotated[int, Int(default=0, min=0, max=100)] = 0,
) -> TextOut:
    """Replace what a regular expression finds in a text.

    Args:
        replace: What stands there then; \\\\1 is the first group.
        count: How many findings are replaced; 0 for all.
    """
    pattern = _compiled(regex_pattern, case_insensitive, multiline, dotall)
    length = len(string)

    def replaced(match: re.Match[str]) -> str:
        nonlocal length
        found = match.expand(replace)
        length += len(found) - len(match[0])
        _require_length(length)
        return found

    try:
        pattern.sub(replace, "")  # one that does not fit is an error where nothing is found, too
        return pattern.sub(replaced, string, count=count)
    except (re.error, IndexError) as error:
        raise WeftError(f"the replacement {replace!r} does not fit {regex_pattern!r}: {error}") from error


def _compiled(pattern: str, case_insensitive: bool, multiline: bool, dotall: bool) -> re.Pattern[str]:
    flags = (case_insensitive, re.IGNORECASE), (multiline, re.MULTILINE), (dotall, re.DOTALL)
    try:
        return re.compile(pattern, sum(flag for given, flag in flags if given))
    except (re.error, OverflowError, RecursionError) as error:
        shown = pattern if len(pattern) <= 80 else pattern[:77] + "..."
        raise WeftError(f"{shown!r} is no regular expression: {error}") from error


@node(display_name="Format Text", category=CATEGORY, python_module=NEWER)
def StringFormat(
    *,
    f_string: Annotated[str, String(default="{a}", multiline=True)],
    values: Annotated[
        Mapping[str, Any],
        Autogrow(template={"input": {"optional": {"value": ["*", {}]}}, "names": list(ascii_lowercase), "min": 0}),
    ],
) -> TextOut:
    """Put values into a text, as Python's str.format: `{a}`, `{b:.3f}`; `{{` is a brace.

    Args:
        f_string: The text with its places.
        values: What is put into them: a, b, c, ...
    """
    try:
        return _Fields().vformat(f_string, (), values)
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        given = ", ".join(values) or "nothing"
        raise WeftError(f"cannot format {f_string!r} with {given}: {error}") from error


class _Fields(Formatter):
    """Python's, but for what an object keeps to itself."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if "._" in field_name:
            raise ValueError(f"{field_name!r} asks for a private attribute")
        return super().get_field(field_name, args, kwargs)

    def format_field(self, value: Any, format_spec: str) -> str:
        for digits in re.findall(r"\d+", format_spec):
            # Not int(): Python reads no number of many thousand digits.
            if len(digits.lstrip("0")) > len(str(MAX_WIDTH)) or int(digits) > MAX_WIDTH:
                raise ValueError(f"{format_spec[:40]!r} asks for more than {MAX_WIDTH:,} places")
        return str(super().format_field(value, format_spec))


@node(display_name="Extract Text from JSON", category=CATEGORY, python_module=NEWER)
def JsonExtractString(*, json_string: Text, key: Line) -> TextOut:
    """Take a value out of the first JSON object in a text, whatever stands around it; the empty text if there is none.

    Args:
        json_string: The text, such as the answer of a language model.
        key: The name that the value has in the object.
    """
    decoder = json.JSONDecoder()
    for at in (place.start() for place in re.finditer("{", json_string)):
        try:
            found, _ = decoder.raw_decode(json_string, at)
        except RecursionError:
            raise WeftError("the JSON object in the text is nested too deeply to be read") from None
        except ValueError:
            continue
        value = found.get(key)
        return "" if value is None else str(value)
    return ""


@node(display_name="Convert Dictionary to String", category=CATEGORY, python_module=NEWER)
def ConvertDictionaryToString(*, dictionary: Annotated[Any, Socket("DICT")], indent: Indent = 2) -> TextOut:
    """Write named values as JSON.

    Args:
        dictionary: The values.
    """
    return _as_json(dictionary, indent)


@node(display_name="Convert Array to String", category=CATEGORY, python_module=NEWER)
def ConvertArrayToString(*, array: Annotated[Any, Socket("ARRAY")], indent: Indent = 2) -> TextOut:
    """Write a row of values as JSON.

    Args:
        array: The values.
    """
    return _as_json(array, indent)


def _as_json(value: Any, indent: int) -> str:
    try:
        return json.dumps(value, indent=indent or None, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise WeftError(f"{type(value).__name__} cannot be written as JSON: {error}") from error


@node(display_name="Save Text", category=CATEGORY, output_node=True, python_module=NEWER)
def SaveText(
    *,
    text: Annotated[str, String(forceInput=True)],
    context: RunContext,
    filename_prefix: Annotated[str, String(default="ComfyUI")] = "ComfyUI",
    format: Annotated[str, Combo(("txt", "csv", "md", "json"), default="txt")] = "txt",
) -> tuple[Annotated[str, String(), Output("text", repeats="text")]]:
    """Write a text to the output folder, and pass it on.

    Args:
        text: The text.
        filename_prefix: Subfolder and beginning of the name; `%date:yyyy-MM-dd%` is filled in.
        format: The end of the name; what is JSON is set out in lines for json.
    """
    written = text
    if format == "json":
        with suppress(ValueError, RecursionError):
            written = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    series = context.folders.numbered(filename_prefix)
    with series.create(f".{format}") as (stream, path):
        stream.write(written.encode("utf-8", "surrogatepass"))
        context.wrote(path)
    file = {"filename": path.name, "subfolder": series.subfolder, "type": "output"}
    return UI(text=[text], files=[file]).beside(text)
