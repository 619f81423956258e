"""Prompts and LoRA strengths that change over the steps of one run: lowered to a chain of KSampler (Advanced) stages.

The chain is what one would wire by hand, in continuous mode. `KSamplerPromptSchedule` is always lowered; KSampler and
KSamplerAdvanced are in a run that reads prompts as schedules (`by_prompts`, their pass `prompt_schedule`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from weft.engine.links import Link
from weft.engine.schema.authoring import node
from weft.engine.schema.sockets import String
from weft.nodes.core.types import (
    AddNoise,
    Cfg,
    Clip,
    EndStep,
    Latent,
    LatentImage,
    LeftoverNoise,
    Model,
    SamplerName,
    SchedulerName,
    Seed,
    StartStep,
    WholeSteps,
)
from weft.nodes.diffusion.sampling.schedulers import BETA_STEPS
from weft.nodes.diffusion.text.prompt_schedule import (
    LoraSchedule,
    ScheduleError,
    Strengths,
    Stretch,
    TextSchedule,
    When,
    parse_loras,
    parse_text,
    strengths_at,
    stretches,
)

if TYPE_CHECKING:
    from weft.engine.planning.lowering import Site

BEYOND = 10_000
"""An end_at_step beyond any schedule."""

Prompt = Annotated[str, String(multiline=True, dynamicPrompts=True)]
Place = tuple[str, str]
"""A node and one of its inputs."""


class _Wiring(NamedTuple):
    """What one stage takes instead of what all take, and the text that names it."""

    inputs: dict[str, Any]
    text: str


def lower(site: Site) -> list[Link]:
    """KSamplerPromptSchedule as CLIPTextEncode, LoraLoader and KSamplerAdvanced nodes."""
    steps, start, end = (_typed(site, name) for name in ("steps", "start_at_step", "end_at_step"))
    positive, negative = (_text(site, (site.node_id, name), _typed(site, name)) for name in ("positive", "negative"))
    loras, switches = _loras(site, _typed(site, "loras") or "", steps)
    for name, text in zip(_SIDES, (positive, negative), strict=True):
        _tell_of_late(site, (site.node_id, name), text.changes_at, steps)
    for lora in loras:
        _tell_of_late(site, (site.node_id, "loras"), [when for when, _ in lora.strengths], steps)
    shared = _Shared(site)

    def wire(number: int, held: tuple[Any, ...]) -> _Wiring:
        model, clip = site.inputs["model"], site.inputs["clip"]
        *words, each = held
        for lora, strengths in zip(loras, each, strict=True):
            if any(strengths):
                model, clip = shared.lora(number, model, clip, lora, strengths)
        sides = {side: shared.encoded(number, side, text, clip) for side, text in zip(_SIDES, words, strict=True)}
        return _Wiring({"model": model, **sides}, words[0])

    base = {name: value for name, value in site.inputs.items() if name not in ("clip", "loras")}
    variants = [
        (positive.at(step, steps), negative.at(step, steps), tuple(strengths_at(held, step) for held in switches))
        for step in _window(start, end, steps)
    ]
    return [_chain(site, base, stretches(variants, start), wire)]


@node(display_name="KSampler Prompt Schedule", category="sampling", python_module="weft", lowers=lower, version=2)
def KSamplerPromptSchedule(
    *,
    model: Model,
    clip: Clip,
    add_noise: AddNoise,
    noise_seed: Seed,
    steps: WholeSteps,
    cfg: Cfg,
    sampler_name: SamplerName,
    scheduler: SchedulerName,
    positive: Prompt,
    negative: Prompt,
    latent_image: LatentImage,
    start_at_step: StartStep,
    end_at_step: EndStep,
    return_with_leftover_noise: LeftoverNoise,
    loras: Annotated[str, String(multiline=True, default="")] = "",
) -> Latent:
    """Sample with prompts and LoRA strengths that change over the steps.

    `[cat:dog:0.5]` changes half-way, `[cat:dog:8]` at step 8 (steps count from 0), `[cat|dog]` every step;
    `[cat:0.3]` comes in, `[cat::0.7]` goes out. It becomes KSampler (Advanced) stages, and the run is sampled in
    continuous mode.

    Args:
        clip: The text encoders of its checkpoint.
        cfg: How strongly the prompt steers; 1 leaves the negative prompt out.
        positive: What should be in the picture.
        negative: What should not.
        loras: A line for each LoRA, `pixel.safetensors: 0.8, 1.0 from 0.5, 0 from 18`: its strength at the beginning,
            and from later steps on; `0.7/0.3` is 0.7 for the model and 0.3 for the text encoders.
    """
    raise RuntimeError("this node is lowered to KSampler (Advanced) stages before it runs")


def by_prompts(site: Site) -> list[Link] | None:
    """KSampler or KSamplerAdvanced, cut where a text that its conditioning depends on changes; None if none does.

    What lies between such a text and the sampler is there once for each text that it has.
    """
    above = site.above(_SIDES, ("CONDITIONING", "STRING"))
    texts = {place: _text(site, place, text) for place, text in _texts(site, above)}
    if not any(text.changes for text in texts.values()):
        return None
    schedule = _schedule_of(site)
    if schedule is None:
        return None
    base, window, origin = schedule
    for place, text in texts.items():
        _tell_of_late(site, place, text.changes_at, base["steps"])
    # A text whose escapes go away is another text, too.
    moving = {place: text for place, text in texts.items() if text.changes or text.at(0, 1) != text.text}
    depends = _dependents(site, above, moving)
    named = next(index for index, text in enumerate(moving.values()) if text.changes)
    clones = _Clones(site)

    def wire(number: int, held: tuple[str, ...]) -> _Wiring:
        words = dict(zip(moving, held, strict=True))
        new: dict[str, str] = {}
        for node_id, places in depends.items():
            new[node_id] = clones.get(number, node_id, {place: words[place] for place in places}, new)
        return _Wiring({name: _moved(value, new) for name, value in base.items()}, held[named])

    variants = [tuple(text.at(step, base["steps"]) for text in moving.values()) for step in window]
    found = stretches(variants, window.start)
    base = {**base, "steps": base["steps"] + origin}
    return [_chain(site, base, [(Stretch(a + origin, b + origin), held) for (a, b), held in found], wire)]


_SIDES = ("positive", "negative")


def _chain(
    site: Site,
    base: dict[str, Any],
    found: Sequence[tuple[Stretch, Any]],
    wire: Callable[[int, Any], _Wiring],
) -> Link:
    """The stages as KSamplerAdvanced nodes, each going on from the one before. `base` is what the whole run gets."""
    site.need("its prompt schedule", sampling="continuous")
    latent: Any = None
    for number, (steps, variant) in enumerate(found, 1):
        first, last = number == 1, number == len(found)
        wiring = wire(number, variant)
        inputs = {**base, **wiring.inputs, "start_at_step": steps.start}
        if not first:
            inputs |= {"latent_image": latent, "add_noise": "disable"}
        if not last:
            inputs |= {"end_at_step": steps.end, "return_with_leftover_noise": "enable"}
        title = f'{site.title}: steps {steps.start}-{steps.end} "{_short(wiring.text)}"'
        latent = site.add("KSamplerAdvanced", inputs, name=f"stage{number}", title=title)[0]
    return latent


class _Shared:
    """The LoRAs and encoded texts of a schedule, each once."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.made: dict[Any, Any] = {}

    def lora(self, number: int, model: Any, clip: Any, lora: LoraSchedule, strengths: Strengths) -> tuple[Link, Link]:
        """The model and the text encoders with a LoRA."""
        key = model, clip, lora.name, strengths
        if key not in self.made:
            both = "/".join(f"{strength:g}" for strength in dict.fromkeys(strengths))
            self.made[key] = self.site.add(
                "LoraLoader",
                {
                    "model": model,
                    "clip": clip,
                    "lora_name": lora.name,
                    "strength_model": strengths.model,
                    "strength_clip": strengths.clip,
                },
                name=f"stage{number}.lora{lora.line}",
                title=f"{self.site.title}: {lora.name} {both}",
                blame=(self.site.node_id, "loras"),
            )
        return self.made[key][0], self.made[key][1]

    def encoded(self, number: int, side: str, text: str, clip: Any) -> Link:
        """The conditioning of a text."""
        if (text, clip) not in self.made:
            self.made[text, clip] = self.site.add(
                "CLIPTextEncode",
                {"text": text, "clip": clip},
                name=f"stage{number}.{side}",
                title=f'{self.site.title}: {side} "{_short(text)}"',
                blame=(self.site.node_id, side),
            )
        return self.made[text, clip][0]


class _Clones:
    """Nodes above a sampler with the texts of its stages, each once for the same texts."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.made: dict[Any, str] = {}

    def get(self, number: int, node_id: str, words: dict[Place, str], new: dict[str, str]) -> str:
        """The id of a node's clone. `words` are all texts that it depends on, `new` the clones of what is above it."""
        key = node_id, *words.values()
        if key not in self.made:
            old, definition = self.site.look(node_id)
            own = {name: text for (at, name), text in words.items() if at == node_id}
            made = self.site.add(
                old.class_type,
                {**{name: _moved(value, new) for name, value in old.inputs.items()}, **own},
                name=f"stage{number}.{node_id}",
                title=f'{old.title or definition.display_name}: "{_short(next(iter(words.values())))}"',
                blame=(node_id, None),
            )
            self.made[key] = made.node_id
        return self.made[key]


def _moved(value: Any, new: dict[str, str]) -> Any:
    """A link to a node that was cloned leads to the clone."""
    return value._replace(node_id=new[value.node_id]) if type(value) is Link and value.node_id in new else value


def _texts(site: Site, above: Sequence[str]) -> Iterator[tuple[Place, str]]:
    """The texts of several lines that stand in these nodes."""
    for node_id in above:
        given, definition = site.look(node_id)
        for name, spec in definition.by_name.items():
            long = isinstance(spec.socket, String) and spec.socket.options.get("multiline")
            if long and isinstance(given.inputs.get(name), str):
                yield (node_id, name), given.inputs[name]


def _dependents(site: Site, above: Sequence[str], moving: dict[Place, TextSchedule]) -> dict[str, list[Place]]:
    """The nodes that depend on a text of `moving`, sources first, and on which."""
    found: dict[str, list[Place]] = {}
    for node_id in above:
        sources = {link.node_id for _, link in site.look(node_id)[0].links} & found.keys()
        places = [place for place in moving if place[0] == node_id or any(place in found[one] for one in sources)]
        if places:
            found[node_id] = places
    return found


def _schedule_of(site: Site) -> tuple[dict[str, Any], range, int] | None:
    """What the stages of an ordinary sampler are given, its steps as its texts count them, and where those begin.

    A KSampler's texts count the steps that it runs: with denoise they begin late in a longer schedule.
    """
    given = dict(site.inputs)
    steps = _typed(site, "steps")
    if "start_at_step" in given:
        start, end = _typed(site, "start_at_step"), _typed(site, "end_at_step")
        return given, _window(start, end, steps), 0
    denoise = _typed(site, "denoise")
    if denoise <= 0.0:
        return None  # nothing is sampled
    # As in KSampler: the last `steps` steps of a schedule of steps / denoise.
    origin = 0 if denoise > 0.9999 else int(steps / denoise) - steps
    if denoise <= 0.9999:
        _check_length(site, steps + origin)
    base = {
        "model": given["model"],
        "add_noise": "enable",
        "noise_seed": given["seed"],
        **{name: given[name] for name in ("steps", "cfg", "sampler_name", "scheduler", *_SIDES, "latent_image")},
        "start_at_step": origin,
        "end_at_step": BEYOND,
        "return_with_leftover_noise": "disable",
    }
    return base, range(steps), origin


def _check_length(site: Site, steps: int) -> None:
    """Refuse a scheduler that may make other than `steps` steps: nobody knows here where the last ones begin."""
    scheduler = _typed(site, "scheduler")
    exact = {"beta": steps <= BETA_STEPS, "ddim_uniform": False}
    if not exact.get(scheduler, True):
        message = f"with denoise below 1, a run of {scheduler} cannot be cut: the model decides how many steps it has"
        site.refuse("scheduler", message, hint="use another scheduler, or KSampler (Advanced)")


def _window(start: int, end: int, steps: int) -> range:
    """The steps that are run; where there are none, the first one, so that there is a stage."""
    return range(start, min(end, steps)) or range(start, start + 1)


def _typed(site: Site, name: str) -> Any:
    return site.typed(name, "a schedule is cut in stages before anything runs")


def _text(site: Site, place: Place, text: str) -> TextSchedule:
    try:
        return parse_text(text)
    except ScheduleError as error:
        site.refuse(place[1], str(error), node_id=place[0])


def _tell_of_late(site: Site, place: Place, changes: Iterable[When], steps: int) -> None:
    """Note the changes that a run of `steps` steps never comes to."""
    for when in changes:
        if not when.comes(steps):
            hint = f"with a point it is a share of the steps; step {when.value:g} is written {when.value:.0f}"
            message = f"the change at {when} never comes: the run has {steps} steps"
            site.note(place[1], message, hint=hint if when.share and when.value % 1 == 0 else "", node_id=place[0])


def _loras(site: Site, table: str, steps: int) -> tuple[tuple[LoraSchedule, ...], list[list[tuple[int, Strengths]]]]:
    """The LoRAs of a table, and for each where its strengths change in a run of `steps` steps."""
    try:
        loras = parse_loras(table)
        return loras, [lora.switches(steps) for lora in loras]
    except ScheduleError as error:
        site.refuse("loras", str(error))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 40 else line[:37] + "..."
