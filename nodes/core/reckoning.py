"""What `weft plan --memory` says of a plan: which models are in memory when, told from the headers of their files.

It goes through the plan as a run goes, with the rules of DeviceMemory: what no later node needs is gone, the least
recently used leave, and what does not fit is there in parts. No torch, and of a file no more than its header.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from weft.engine.links import Link
from weft.engine.reckoning import MemoryAccount, ModelHere, PlannedNode, PlannedRun, StepMemory
from weft.engine.settings import Settings
from weft.nodes.core.weighing import VISION, ModelInFile, Weighed, in_file, weighed
from weft.nodes.diffusion.families import working
from weft.nodes.diffusion.weights.bytesize import said

# What is followed from a socket to the files of its model.
_WAYS = {
    "MODEL": {"MODEL", "GUIDER"},
    "CONTROL_NET": {"CONDITIONING", "CONTROL_NET"},
    "MODEL_PATCH": {"MODEL", "GUIDER", "MODEL_PATCH"},
}
# What stands on prompts and models on the way, by its folder.
_FOLDERS = {"CONTROL_NET": "controlnet", "MODEL_PATCH": "model_patches"}
_PATCHES = ("loras",)
# Outputs of any type, and what chooses between them.
_ANY = {"*", "COMFY_MATCHTYPE_V3"}
_CHOOSE = {"BOOLEAN", "INT"}
_MANY = 1024
# What oneDNN lays out anew and what is imported on the way, measured (benchmarks/reckoning.py).
_ON_CPU = 256 << 20
_BESIDE_GPU = f"CUDA and its libraries take about {said(working.RESERVE)} beside the peak; in the sizes of GPUs it is"
_BESIDE_CPU = "Python, torch and its libraries take about 600 MiB beside; pages of mapped files can be given up"


class Latents(NamedTuple):
    """Sizes of what is sampled, in pixels; `known` and `timed`: whether the workflow says sides and frames."""

    width: int = _MANY
    height: int = _MANY
    frames: int = 1
    batch: int = 1
    known: bool = False
    timed: bool = True


class Needs(NamedTuple):
    """Bytes for computing: reckoned, and what a run leaves free.

    reserved: when the models come. before: what is made free before they come, of what can leave.
    """

    working: int
    reserved: int
    before: int = 0


class ModelUse(NamedTuple):
    """A node's computing with models that are there together. socket: by which it got them."""

    node_id: str
    title: str
    models: tuple[ModelInFile, ...]
    socket: str


def reckoned(plan: PlannedRun, settings: Settings) -> MemoryAccount:
    """See engine.reckoning."""
    on_cpu = settings.device == "cpu"
    numbers = 4 if settings.dtype == "float32" or (on_cpu and settings.dtype == "auto") else 2
    budget = None if on_cpu else getattr(settings, "vram", None)
    graph = _Graph(plan, on_cpu=on_cpu)
    uses = list(graph.uses())
    memory = _Process(numbers, graph.lives()) if on_cpu else _Device(budget, numbers, graph.lives())
    steps: list[StepMemory] = []
    notes: list[str] = []
    for place, use in uses:
        needs, unsure = _needs(use, graph, numbers, budget)
        # What has few bits is widened a matrix at a time.
        widened = max(weighed(model.path, model.part, numbers).widened for model in use.models)
        beside = _ON_CPU if on_cpu and use.socket != "CLIP" else 0
        needs = needs._replace(working=needs.working + widened + beside)
        residents, problem = memory.use(place, use.models, needs)
        steps.append(StepMemory(use.node_id, use.title, residents, needs.working, problem))
        notes += [f"node {use.node_id} {use.title!r}: {each}" for each in unsure]
    notes.append(_BESIDE_CPU if on_cpu else _BESIDE_GPU)
    where = "process" if on_cpu else "GPU"
    return MemoryAccount(tuple(steps), budget, memory.whole, memory.least, tuple(dict.fromkeys(notes)), where)


class Life(NamedTuple):
    """From the step that opens a model's file to the last one that takes it, or something that holds it."""

    opened: int
    end: int


class _Graph:
    """The running steps of a plan: which of them compute with which models, and of what size."""

    def __init__(self, plan: PlannedRun, *, on_cpu: bool) -> None:
        self.nodes = plan.nodes
        self._on_cpu = on_cpu
        self._running = [step for step in plan.steps if step.runs]
        self._place = {step.node_id: place for place, step in enumerate(self._running)}
        self._last = dict(self._place)
        for step in self._running:
            for link in self.nodes[step.node_id].takes:
                self._last[link.node_id] = max(self._last.get(link.node_id, 0), self._place[step.node_id])
        self._holders: dict[ModelInFile, set[str]] = defaultdict(set)

    def uses(self) -> Iterator[tuple[int, ModelUse]]:
        """In the order of the run, with the places of their steps."""
        for place, step in enumerate(self._running):
            for models, socket in self._uses_of(self.nodes[step.node_id]):
                if models:
                    yield place, ModelUse(step.node_id, step.title, models, socket)

    def lives(self) -> dict[ModelInFile, Life]:
        """Of the models that `uses` found. What does not run, as it is another node's twin, opens and keeps nothing."""
        found = {}
        for model, holders in self._holders.items():
            opened = min((self._place[each] for each in holders if each in self._place), default=0)
            found[model] = Life(opened, max(self._last.get(each, 0) for each in holders))
        return found

    def _uses_of(self, node: PlannedNode) -> Iterator[tuple[tuple[ModelInFile, ...], str]]:
        """Which models a node computes with, one after the other, and by which socket it got them."""
        given = self._by_type(node)
        made = {str(output.io_type) for output in node.schema.outputs}
        if given["CLIP"] and "CONDITIONING" in made:
            # Each reads the prompt by itself, once what sees has seen.
            pictures = given["IMAGE"]
            for model in self._held(given["CLIP"], "CLIP"):
                seeing = model._replace(part=VISION)
                if pictures and weighed(seeing.path, VISION, 2).size:
                    self._holders[seeing] = self._holders[model]
                    yield (seeing,), "CLIP"
                yield (model,), "CLIP"
        if given["VAE"] and "LATENT" in made and given["IMAGE"]:
            yield self._held(given["VAE"], "VAE"), "VAE"
        if (given["MODEL"] or given["GUIDER"]) and "LATENT" in made:
            nets = [link for link in given["CONDITIONING"] if self._held([link], "CONTROL_NET")]
            models = [*given["MODEL"], *given["GUIDER"]]
            beside = *self._held(models, "MODEL_PATCH"), *self._held(nets, "CONTROL_NET")
            yield (*self._held(models, "MODEL"), *beside), "MODEL"
        if given["VAE"] and made & {"IMAGE", "VIDEO"}:
            yield self._held(given["VAE"], "VAE"), "VAE"

    def _by_type(self, node: PlannedNode) -> dict[str, list[Link]]:
        given: dict[str, list[Link]] = defaultdict(list)
        for value in node.inputs.values():
            if type(value) is Link:
                given[self._type_of(value)].append(value)
        return given

    def _type_of(self, link: Link) -> str:
        node = self.nodes[link.node_id]
        outputs = node.schema.outputs
        kind = str(outputs[link.slot].io_type) if link.slot < len(outputs) else "*"
        if kind not in _ANY:
            return kind
        # A switch: of the type of what it may pass on.
        kinds = {self._type_of(each) for each in node.takes} - _CHOOSE
        return kinds.pop() if len(kinds) == 1 else "*"

    def _held(self, links: list[Link], part: str) -> tuple[ModelInFile, ...]:
        """The models that links of one type lead to."""
        found: dict[ModelInFile, None] = {}
        way = _WAYS.get(part, {part})
        folder = _FOLDERS.get(part, "")
        stack: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [(link.node_id, (), ()) for link in links]
        seen: set[tuple[str, tuple[str, ...]]] = set()
        while stack:
            node_id, patches, after = stack.pop()
            if (node_id, patches) in seen:
                continue
            seen.add((node_id, patches))
            known = self.nodes[node_id]
            named = {name: sighting.path for name, sighting in known.files.items()}
            changes = tuple(path.name for name, path in named.items() if name.startswith(_PATCHES))
            before = [link for link in known.takes if self._type_of(link) in way]
            # A loader may keep its text encoders off the GPU.
            if (folder or not before) and (self._on_cpu or known.inputs.get("device") != "cpu"):
                files = [path for name, path in named.items() if not name.startswith(_PATCHES)]
                of_kind = [path for name, path in named.items() if name.startswith(folder)] if folder else files
                for path in of_kind:
                    model = ModelInFile(path, part, tuple(sorted(patches)))
                    found[model] = None
                    self._holders[model].update((node_id, *after))
            stack += [(link.node_id, (*patches, *changes), (*after, node_id)) for link in before]
        return tuple(found)

    def latents(self, node_id: str) -> Latents:
        """Those of the nearest node before this one that has a width and a height."""
        queue, seen = [self.nodes[node_id]], set[str]()
        while queue:
            known = queue.pop(0)
            width, height = known.inputs.get("width"), known.inputs.get("height")
            if type(width) is int and type(height) is int:
                frames, batch = (_number(known, name) for name in ("length", "batch_size"))
                timed = type(known.inputs.get("length")) is not Link
                return Latents(width, height, frames, batch, True, timed)
            for link in known.takes:
                if link.node_id not in seen and self._type_of(link) in ("LATENT", "IMAGE", "CONDITIONING"):
                    seen.add(link.node_id)
                    queue.append(self.nodes[link.node_id])
        return Latents()

    def sides(self, node_id: str) -> list[Link]:
        """The conditionings of the sides that a sampler evaluates."""
        given = self._by_type(self.nodes[node_id])
        steered = self.nodes[given["GUIDER"][0].node_id] if given["GUIDER"] else self.nodes[node_id]
        sides = self._by_type(steered)["CONDITIONING"]
        sampler = [self.nodes[link.node_id] for link in given["SAMPLER"]] or [self.nodes[node_id]]
        name = sampler[0].inputs.get("sampler_name")
        return sides[: working.sides(steered.inputs.get("cfg"), name)] if len(sides) == 2 else sides

    def prompt(self, side: Link) -> EncodedText | None:
        """The prompt at the beginning of a conditioning; None for one that is made in another way."""
        node = self.nodes[side.node_id]
        while not (given := self._by_type(node))["CLIP"]:
            if not given["CONDITIONING"]:
                return None
            node = self.nodes[given["CONDITIONING"][0].node_id]
        texts = tuple(node.inputs.get(name) for name in ("text", "prompt") if name in node.inputs)
        if len(texts) != 1 or not (isinstance(texts[0], str) or type(texts[0]) is Link):
            return None
        others = {name: value for name, value in node.inputs.items() if name not in ("text", "prompt")}
        return EncodedText(texts[0], node.schema, others)


class EncodedText(NamedTuple):
    """A text that is encoded, by which class of node, and what else it is given."""

    text: str | Link
    schema: object
    others: Mapping[str, object]


class _Memory:
    """The models in memory, the least recently used first; whole, least: as MemoryAccount's."""

    def __init__(self, numbers: int, lives: Mapping[ModelInFile, Life]) -> None:
        self._numbers = numbers
        self._lives = lives
        self.whole = self.least = 0

    def use(self, place: int, models: tuple[ModelInFile, ...], needs: Needs) -> tuple[tuple[ModelHere, ...], str]:
        """Have these computed with; gives what is in memory then, and what is wrong with it."""
        raise NotImplementedError

    def _weighed(self, model: ModelInFile) -> Weighed:
        return weighed(model.path, model.part, self._numbers)


class _Process(_Memory):
    """A CPU: networks are there from when they are opened, as far as they are no views into their file."""

    def __init__(self, numbers: int, lives: Mapping[ModelInFile, Life]) -> None:
        super().__init__(numbers, lives)
        self._read: set[ModelInFile] = set()

    def use(self, place: int, models: tuple[ModelInFile, ...], needs: Needs) -> tuple[tuple[ModelHere, ...], str]:
        """See _Memory."""
        self._read.update(models)
        residents = []
        for model, life in self._lives.items():
            each = self._weighed(model)
            here = each.size - (each.rows if model in self._read else each.mapped)
            if life.opened <= place <= life.end and here:
                residents.append(ModelHere(model.name, each.size, here))
        taken = needs.working + sum(each.here for each in residents)
        self.whole, self.least = max(self.whole, taken), max(self.least, taken)
        return tuple(residents), ""


class _Device(_Memory):
    """A GPU, see DeviceMemory. budget: what may be taken of it, None for no bound."""

    def __init__(self, budget: int | None, numbers: int, lives: Mapping[ModelInFile, Life]) -> None:
        super().__init__(numbers, lives)
        self._budget = budget
        self._here: dict[ModelInFile, None] = {}

    def use(self, place: int, models: tuple[ModelInFile, ...], needs: Needs) -> tuple[tuple[ModelHere, ...], str]:
        """See _Memory."""
        sizes = {model: self._weighed(model) for model in models}
        taken = max(needs.working, needs.reserved)
        self.whole = max(self.whole, taken + sum(each.size for each in sizes.values()))
        least = max(needs.reserved, needs.before and needs.working) + sum(each.least for each in sizes.values())
        self.least = max(self.least, least)
        self._here = {model: None for model in self._here if self._lives[model].end >= place}
        if needs.before:
            self._make_room(needs.before, ())
        for model in models:
            self._here.pop(model, None)
        self._here |= dict.fromkeys(models)
        self._make_room(needs.reserved, sizes)
        over = 0 if self._budget is None else self._taken() + needs.reserved - self._budget
        parts: dict[ModelInFile, int] = {}
        if over > 0:
            for model, each in sorted(sizes.items(), key=lambda pair: pair[1].least - pair[1].size):
                parts[model] = max(each.least, each.size - max(over, 0))
                over -= each.size - parts[model]
        residents = tuple(self._residents(parts))
        # What is in parts is away afterwards as far as others need the room.
        for model in parts:
            self._here.pop(model)
        if self._budget is None or (over <= 0 and least <= self._budget):
            return residents, ""
        return residents, f"needs {said(least)} block by block, and may take {said(self._budget)}"

    def _make_room(self, needed: int, kept: Iterable[ModelInFile]) -> None:
        """The least recently used leave, until so many bytes are free."""
        for other in [each for each in self._here if each not in kept]:
            if self._budget is not None and self._taken() + needed > self._budget:
                del self._here[other]

    def _residents(self, parts: Mapping[ModelInFile, int]) -> Iterator[ModelHere]:
        for model in self._here:
            size = self._weighed(model).size
            yield ModelHere(model.name, size, parts.get(model, size))

    def _taken(self) -> int:
        return sum(self._weighed(model).size for model in self._here)


def _number(known: PlannedNode, name: str) -> int:
    value = known.inputs.get(name)
    return value if type(value) is int and value > 0 else 1


def _needs(use: ModelUse, graph: _Graph, numbers: int, budget: int | None) -> tuple[Needs, list[str]]:
    """What a node takes to compute, and what is not known of that."""
    sizes, unsure = graph.latents(use.node_id), list[str]()
    if use.socket != "CLIP" and not sizes.known:
        unsure.append("its size is not in the workflow, and reckoned as 1024x1024")
    if use.socket != "CLIP" and not sizes.timed:
        unsure.append("how many frames it has is known only when it runs, and reckoned as 1")
    if use.socket == "CLIP":
        return Needs(working.TEXT, working.READING), []
    pixels = sizes.width * sizes.height
    if use.socket == "VAE":
        shapes = in_file(use.models[0].path).shapes
        taken = working.decoding(shapes, pixels, sizes.frames, numbers)
        before = (taken or 0) + working.headroom(budget)
        needs = Needs(taken or 0, working.RESERVE, before)
    else:
        model = next((each for each in use.models if each.part == "MODEL"), use.models[0])
        layout = working.denoiser_in(in_file(model.path).shapes)
        taken = None
        if layout is not None:
            together, doubt = _together(graph.sides(use.node_id), graph, apart=layout.rule.as_long)
            unsure += doubt
            elements = pixels // layout.rule.pixels**2 * ((sizes.frames - 1) // 4 + 1)
            taken = layout.rule.taken(elements, layout.width, together * sizes.batch, numbers)
        needs = Needs(taken or 0, (taken or 0) + working.RESERVE)
    if taken is None:
        unsure.append("what it takes to compute is not known")
    return needs, unsure


def _together(sides: list[Link], graph: _Graph, *, apart: bool) -> tuple[int, list[str]]:
    """How many sides of the guidance go into one call, and what is not known of it.

    apart: whether prompts of two lengths go into calls of their own.
    """
    if not apart or len(sides) < 2:
        return max(len(sides), 1), []
    prompts = [graph.prompt(side) for side in sides]
    given = [each for each in prompts if each is not None]
    if len(given) < len(sides) or any(type(each.text) is Link for each in given):
        if len(given) == len(sides) and all(each == given[0] for each in given):
            return len(sides), []
        return len(sides), ["its prompts are not all in the workflow; of two lengths, it takes half of this to compute"]
    return max(Counter(_lengths(given)).values()), []


def _lengths(prompts: Iterable[EncodedText]) -> Iterator[object]:
    """What tells prompts of one length from others: their tokens, counted only where texts differ."""
    prompts = list(prompts)
    differ = len({each.text for each in prompts}) > 1
    for each in prompts:
        # Of other classes, or with other pictures: of another length as far as one can tell.
        yield _tokens(str(each.text)) if differ else 0, id(each.schema), repr(sorted(each.others.items()))


def _tokens(text: str) -> int:
    from weft.nodes.diffusion.text.qwen_tokenizer import encode

    return len(encode(text))
