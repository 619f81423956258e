"""The axes of an XY plot: what each type needs, which go together, and which a sampler has no use for.

The rules are those of efficiency.md sections 5.1 and 5.2. They are applied twice: to the workflow as it is written, as
far as the types show there, and to the values when they are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.definition import Seen
from nodes.efficiency.errors import BadScript
from nodes.efficiency.loading import NONE
from nodes.efficiency.manual import FOLDERS, MANUAL_KINDS, parse_axis
from nodes.efficiency.values import XY, ControlNetStack, Lora, LoraStack, XYPlot

NOTHING_KIND = "Nothing"
LORA_PLOT = frozenset({"LoRA Batch", "LoRA Wt", "LoRA MStr", "LoRA CStr"})
LORA = LORA_PLOT | {"LoRA", "LoRA Stacks"}
CONTROL_NET = {"ControlNetStrength": "strength", "ControlNetStart%": "start_percent", "ControlNetEnd%": "end_percent"}
PROMPT = frozenset({"Positive Prompt S/R", "Negative Prompt S/R"})
ENCODED = (
    LORA
    | PROMPT
    | CONTROL_NET.keys()
    | {"Checkpoint", "Refiner", "AScore+", "AScore-", "Clip Skip", "Clip Skip (Refiner)"}
)
"""Types whose cells load or encode anew: they need what a loader knows."""

_SDXL_ONLY = frozenset({"RefineStep", "Refiner", "Refiner On/Off", "AScore+", "AScore-", "Clip Skip (Refiner)"})
DISALLOWED: Mapping[str, frozenset[str]] = {
    "KSampler (Efficient)": _SDXL_ONLY | {"AddNoise", "ReturnNoise", "StartStep", "EndStep"},
    "KSampler Adv. (Efficient)": _SDXL_ONLY | {"Denoise"},
    "KSampler SDXL (Eff.)": frozenset({"AddNoise", "EndStep", "Denoise"}),
}

_DECIDES = {
    "LoRA Batch": {"file"},
    "LoRA Wt": {"model strength", "clip strength"},
    "LoRA MStr": {"model strength"},
    "LoRA CStr": {"clip strength"},
}
# Classes that pass on what they are given, and the input that they are given it by.
_PASSED_ON = {
    "Noise Control Script": "script",
    "HighRes-Fix Script": "script",
    "Tiled Upscaler Script": "script",
    "Join XY Inputs of Same Type": "XY_1",
}
_FAR = 100  # so many of them in a row; a workflow may have a circle, which another check tells


def float_ramp(first: float, last: float, count: int) -> list[float]:
    """`count` numbers from first to last at equal distances, rounded to 3 decimals; one is `first`."""
    if count == 1:
        return [first]
    return [round(first + i * (last - first) / (count - 1), 3) for i in range(count)]


def int_ramp(first: int, last: int, count: int) -> list[int]:
    """Whole numbers from first to last: the ramp cut to whole numbers, each once, ascending."""
    if count == 1:
        return [first]
    return sorted({int(first + i * (last - first) / (count - 1)) for i in range(count)})


def axis(kind: str, values: list[Any] | tuple[Any, ...]) -> XY | None:
    """An axis, or None where it has no values."""
    return XY(kind, tuple(values)) if values else None


# What is wrong with a pair of axes


def plot_problems(x: str, y: str, has_dependencies: bool) -> Iterator[tuple[str, str]]:
    """(`X` or `Y`, message) for each reason why these two types make no plot."""
    if x == y and x not in PROMPT and x != NOTHING_KIND:
        yield "Y", f"both axes vary {x}: connect another type, or join the two with Join XY Inputs of Same Type"
    for name, kind in (("X", x), ("Y", y)):
        if kind in ENCODED and not has_dependencies:
            yield name, f"the {name} axis varies {kind}: connect the loader's DEPENDENCIES to the XY Plot"
    yield from _lora_problems(x, y)


def _lora_problems(x: str, y: str) -> Iterator[tuple[str, str]]:
    for name, kind, other in (("X", x, y), ("Y", y, x)):
        if kind in LORA_PLOT and other not in LORA_PLOT:
            yield (
                name,
                f"the {name} axis varies {kind}, one half of a LoRA plot: connect X and Y of XY Input: LoRA Plot",
            )
    if x != y and {x, y} <= LORA_PLOT and _DECIDES[x] & _DECIDES[y]:
        yield "Y", f"the axes vary {x} and {y}, which both decide the {' and '.join(sorted(_DECIDES[x] & _DECIDES[y]))}"
    if {x, y} == {"LoRA", "LoRA Stacks"}:
        yield "Y", "the axes vary LoRA and LoRA Stacks: each of them decides which LoRAs there are"


def sampler_problems(class_type: str, x: str, y: str) -> Iterator[tuple[str, str]]:
    """(`X` or `Y`, message) for each axis that this sampler cannot vary."""
    for name, kind in (("X", x), ("Y", y)):
        if kind in DISALLOWED[class_type]:
            others = " and ".join(other for other, kinds in DISALLOWED.items() if kind not in kinds)
            yield name, f"the {name} axis of the XY Plot varies {kind}, which is not for {class_type} but for {others}"


def check_axes(class_type: str, plot: XYPlot) -> None:
    """Raise BadScript naming axis and reason where the sampler cannot draw this plot."""
    problems = [message for _, message in sampler_problems(class_type, plot.x.kind, plot.y.kind)]
    if problems:
        raise BadScript("; ".join(problems))


# The same, on the workflow as it is written


def check_plot(seen: Seen) -> Iterator[tuple[str, str]]:
    """For `@node(check=...)` of XY Plot."""
    yield from plot_problems(_kind(seen, "X"), _kind(seen, "Y"), seen.source("dependencies") is not None)


def check_sampler(seen: Seen) -> Iterator[tuple[str, str]]:
    """For `@node(check=...)` of the samplers: what a plot at the start of the script asks for."""
    script = _origin(seen, "script")
    if script is None or script.class_type != "XY Plot":
        return
    x, y = _kind(script, "X"), _kind(script, "Y")
    for _, message in sampler_problems(seen.class_type, x, y):
        yield "script", message
    if (x, y) != (NOTHING_KIND, NOTHING_KIND) and seen.source("optional_vae") is None:
        yield "optional_vae", "an XY Plot shows decoded pictures: connect a VAE"


def _origin(seen: Seen, name: str) -> Seen | None:
    """What an input is linked to, seen through the nodes that pass it on."""
    source = seen.source(name)
    for _ in range(_FAR):
        if source is None or source.class_type not in _PASSED_ON:
            break
        source = source.source(_PASSED_ON[source.class_type])
    return source


def _kind(plot: Seen, name: str) -> str:
    """The type of an axis as far as the workflow shows it, else Nothing."""
    source = _origin(plot, name)
    if source is None or source.class_type not in _KINDS:
        return NOTHING_KIND
    given = source.constants
    if _has_no_values(source.class_type, given, source.slot):
        return NOTHING_KIND
    return _KINDS[source.class_type](given, source.slot) or NOTHING_KIND


def _has_no_values(class_type: str, given: Mapping[str, Any], slot: int) -> bool:
    """Whether the widgets of an axis leave it empty, as far as they are known: then it is not there."""
    if any(given.get(count) == 0 for count in ("batch_count", f"{'XY'[slot : slot + 1]}_batch_count")):
        return True
    if class_type == "XY Input: Prompt S/R":
        return given.get("search_txt") == ""
    if class_type == "XY Input: LoRA Plot":
        return (given.get("input_mode"), given.get("lora_name")) == (LORA_STRENGTHS, NONE)
    if class_type == "XY Input: Manual XY Entry":
        return _makes_no_sense(given.get("plot_type"), given.get("plot_value"))
    if str(given.get("input_mode", "")).endswith("Batch"):
        return given.get("batch_max") == 0
    counter, column = _NAMED.get(class_type, ("", ""))
    if given.get("target_parameter") == "scheduler":
        column = "scheduler"
    count = given.get(counter)
    return isinstance(count, int) and all(given.get(f"{column}_{i}") == NONE for i in range(1, count + 1))


# Axes whose values are named one by one: the input that counts them, and the column that holds the names.
_NAMED = {
    "XY Input: Sampler/Scheduler": ("input_count", "sampler"),
    "XY Input: VAE": ("vae_count", "vae_name"),
    "XY Input: Checkpoint": ("ckpt_count", "ckpt_name"),
    "XY Input: LoRA": ("lora_count", "lora_name"),
}


def _makes_no_sense(kind: Any, text: Any) -> bool:
    """Whether a Manual XY Entry gives no axis. Which files there are is not known here."""
    if kind not in MANUAL_KINDS or kind in FOLDERS or not isinstance(text, str):
        return False
    try:
        parse_axis(kind, text, lambda _: ())
    except ValueError:
        return True
    return False


Known = Callable[[Mapping[str, Any], int], str | None]


def _always(kind: str) -> Known:
    return lambda given, slot: kind


def _by(name: str, kinds: Mapping[str, str]) -> Known:
    return lambda given, slot: kinds.get(given.get(name, ""))


STEP_KINDS = {
    "steps": "Steps",
    "start_at_step": "StartStep",
    "end_at_step": "EndStep",
    "refine_at_step": "RefineStep",
}
NOISE_KINDS = {"add_noise": "AddNoise", "return_with_leftover_noise": "ReturnNoise"}
SAMPLER_KINDS = {"sampler": "Sampler", "scheduler": "Scheduler", "sampler & scheduler": "Sampler"}
PROMPT_KINDS = {"positive": "Positive Prompt S/R", "negative": "Negative Prompt S/R"}
ASCORE_KINDS = {"positive": "AScore+", "negative": "AScore-"}
CHECKPOINT_KINDS = {"Base": "Checkpoint", "Refiner": "Refiner"}
SKIP_KINDS = {"Base": "Clip Skip", "Refiner": "Clip Skip (Refiner)"}
LORA_KINDS = {"LoRA Names": "LoRA", "LoRA Names+Weights": "LoRA", "LoRA Batch": "LoRA Stacks"}
LORA_STRENGTHS = "X: Model Strength, Y: Clip Strength"
LORA_PLOT_KINDS = {
    "X: LoRA Batch, Y: LoRA Weight": ("LoRA Batch", "LoRA Wt"),
    "X: LoRA Batch, Y: Model Strength": ("LoRA Batch", "LoRA MStr"),
    "X: LoRA Batch, Y: Clip Strength": ("LoRA Batch", "LoRA CStr"),
    LORA_STRENGTHS: ("LoRA MStr", "LoRA CStr"),
}
CONTROL_NET_KINDS = {parameter: kind for kind, parameter in CONTROL_NET.items()}
_SHORT = {"Strength": "ControlNetStrength", "Start%": "ControlNetStart%", "End%": "ControlNetEnd%"}
CONTROL_NET_PLOT_KINDS = {f"X: {x}, Y: {y}": (_SHORT[x], _SHORT[y]) for x in _SHORT for y in _SHORT if x != y}

_KINDS: Mapping[str, Known] = {
    "XY Input: Seeds++ Batch": _always("Seeds++ Batch"),
    "XY Input: Add/Return Noise": _by("XY_type", NOISE_KINDS),
    "XY Input: Steps": _by("target_parameter", STEP_KINDS),
    "XY Input: CFG Scale": _always("CFG Scale"),
    "XY Input: Sampler/Scheduler": _by("target_parameter", SAMPLER_KINDS),
    "XY Input: Denoise": _always("Denoise"),
    "XY Input: VAE": _always("VAE"),
    "XY Input: Prompt S/R": _by("target_prompt", PROMPT_KINDS),
    "XY Input: Aesthetic Score": _by("target_ascore", ASCORE_KINDS),
    "XY Input: Refiner On/Off": _always("Refiner On/Off"),
    "XY Input: Checkpoint": _by("target_ckpt", CHECKPOINT_KINDS),
    "XY Input: Clip Skip": _by("target_ckpt", SKIP_KINDS),
    "XY Input: LoRA": _by("input_mode", LORA_KINDS),
    "XY Input: LoRA Plot": lambda given, slot: _of(LORA_PLOT_KINDS, given.get("input_mode"), slot),
    "XY Input: LoRA Stacks": _always("LoRA Stacks"),
    "XY Input: Control Net": _by("target_parameter", CONTROL_NET_KINDS),
    "XY Input: Control Net Plot": lambda given, slot: _of(CONTROL_NET_PLOT_KINDS, given.get("plot_type"), slot),
    "XY Input: Manual XY Entry": lambda given, slot: given.get("plot_type"),
}


def _of(pairs: Mapping[str, tuple[str, str]], name: Any, slot: int) -> str | None:
    return pairs[name][slot] if name in pairs and slot in (0, 1) else None


# What two axes decide together


def merge_loras(x: LoraStack, y: LoraStack) -> LoraStack:
    """The LoRAs of a cell whose axes each decide a part of the first one; what neither decides is 1."""
    (name, model_strength, clip_strength), other = x[0], y[0]
    model_strength = other.model_strength if model_strength is None else model_strength
    clip_strength = other.clip_strength if clip_strength is None else clip_strength
    head = Lora(
        other.name if name is None else name,
        1.0 if model_strength is None else model_strength,
        1.0 if clip_strength is None else clip_strength,
    )
    return (head, *x[1:])


def merge_control_nets(x: ControlNetStack, y: ControlNetStack, y_kind: str) -> ControlNetStack:
    """The control nets of a cell: those of the X axis, but the first one has what the Y axis decides."""
    field = CONTROL_NET[y_kind]
    return (x[0]._replace(**{field: getattr(y[0], field)}), *x[1:])
