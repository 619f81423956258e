"""Nodes that load no library and compute next to nothing, as an installed pack and by hand: for tests of caches.

They give numbers and texts, lists of them and blockers in their place, values that the pack has a codec of, and values
that no codec knows; they read and write files, expand, fail, and look at what no key can know. `KINDS` says how they
are put into a graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from random import Random
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, NamedTuple
from unittest.mock import patch

from weft.engine.context import RunContext
from weft.engine.folders import Folders
from weft.engine.links import Link
from weft.engine.schema.authoring import UI, Lazy, RawLink, UniqueId, node
from weft.engine.schema.expansion import GraphBuilder
from weft.engine.schema.packs import Codec, Pack
from weft.engine.schema.registry import Registry
from weft.engine.schema.sockets import Files, Float, Int, Socket, String
from weft.engine.settings import Setting
from weft.engine.values import ExecutionBlocker

Number = Annotated[int, Socket("NUMBER")]
LazyNumber = Annotated[int, Socket("NUMBER"), Lazy()]
LazyBox = Annotated[Any, Socket("BOX"), Lazy()]
NumberLink = Annotated[Link, Socket("NUMBER"), RawLink()]
Words = Annotated[str, Socket("WORDS")]
Boxed = Annotated[Any, Socket("BOX")]
BoxedLink = Annotated[Link, Socket("BOX"), RawLink()]
Bytes = Annotated[Any, Socket("BLOCK")]
Count = Annotated[int, Int(default=0, min=-99, max=99)]

FILES = ("a.txt", "b.txt", "c.txt")
MODELS = ("m.safetensors", "n.safetensors")
LIST = "__value__"
ODDS = (
    *(1, 1.0, True, "1", 0, 0.0, -0.0, False, "", "0", None, 2**70, "\ud800", "é", {"a": 1}, {"a": 1.0}),
    *({LIST: [1]}, {LIST: [True]}, {LIST: ["1", 0]}, {LIST: []}),
)
"""Values of an input that takes any: all of them are others."""
FLAVOURS = ("plain", "sweet")
DTYPES = ("auto", "float16")


class Box:
    """A value that no codec knows."""

    def __init__(self, number: int) -> None:
        self.number = number


class Block:
    """A value that a codec knows: so many bytes."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.nbytes = len(content)


class Outside:
    """What nodes look at that their inputs do not show.

    `told` is what IS_CHANGED says something of, if anything does; `weft` says which Weft it is, as all keys do.
    """

    told: ClassVar[Any] = 0
    weft: ClassVar[int] = 1


@node(category="toy")
def Start(*, value: Count) -> Number:
    return value


@node(category="toy")
def Add(*, one: Number, other: Number, more: Count = 0) -> Number:
    return (one * 3 + other + more) * Outside.weft % 1009


@node(category="toy")
def Stretch(*, one: Number, by: Annotated[float, Float(default=1.0, min=-9, max=9)]) -> Number:
    return round(one * 7 + math.copysign(by, by) * 10 + (math.copysign(1, by) < 0)) % 1009


@node(category="toy")
def Split(*, one: Number) -> tuple[Number, Words]:
    return one // 2, f"half of {one}"


@node(category="toy")
def Several(*, one: Number) -> tuple[list[Number], Number]:
    """A list of up to three values, or of none; what takes from it is called for each."""
    return [one + place for place in range(one % 4)], one


@node(category="toy")
def Whole(*, numbers: list[Number], more: Count = 0) -> tuple[Number, list[Number]]:
    """Takes a list, and gives it back turned round."""
    return (sum(numbers) * 3 + more) % 1009, numbers[::-1]


@node(category="toy")
def Bar(*, one: Number) -> Number:
    """Blocks what takes from it, for some values."""
    return one + 2 if one % 3 else ExecutionBlocker(f"{one} is barred")  # type: ignore[return-value]


@node(category="toy")
def Tell(*, value: Annotated[Any, Socket("*")]) -> Words:
    return f"{type(value).__name__} {value!r}"


@node(category="toy")
def Join(*, left: Words, right: Words, between: Annotated[str, String(default="")] = "") -> Words:
    return f"{left}{between}{right}"[-60:]


@node(category="toy")
def Weigh(*, model: Annotated[str, Files("checkpoints")], context: RunContext) -> Number:
    return sum(context.folders.find("checkpoints", model).read_bytes())


@node(category="toy")
def Read(*, file: Annotated[str, Files("input", suffixes=(".txt",))], context: RunContext) -> Words:
    return context.folders.find("input", file).read_text()


def _quoted(folders: Folders, constants: Mapping[str, Any]) -> list[Any]:
    return [folders.input / constants["text"]]


@node(category="toy", fingerprint=_quoted)
def Quote(*, text: Annotated[str, String(default="a.txt")], context: RunContext) -> Words:
    return (context.folders.input / text).read_text()


@node(category="toy")
def Flavour(*, one: Number, context: RunContext) -> Number:
    return (one * 5 + len(context.settings.flavour) + len(context.settings.dtype)) % 1009


@node(category="toy", by_node_id=True)
def Called(*, own: UniqueId) -> Words:
    return own


@node(category="toy", volatile="it looks outside")
def Look() -> Words:
    return repr(Outside.told)


class Watch:
    """A V1 class that says itself when it gives something else."""

    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": ("INT", {"default": 0, "min": -99})}})
    RETURN_TYPES = ("WORDS",)
    FUNCTION = "run"
    CATEGORY = "toy"

    def run(self, value: int) -> tuple[str]:
        return (f"{value} {type(Outside.told).__name__} {Outside.told!r}",)

    @classmethod
    def IS_CHANGED(cls, value: int) -> Any:
        return Outside.told


@node(category="toy")
def Close(*, one: Number) -> Boxed:
    return Box(one)


@node(category="toy")
def Open(*, box: Boxed) -> Number:
    return box.number + 1


@node(category="toy")
def Half(*, one: Number) -> tuple[Number, Boxed]:
    """Gives what can be kept, and what cannot."""
    return one + 2, Box(one)


@node(category="toy")
def Unfold(*, box: BoxedLink, graph: GraphBuilder) -> tuple[Number, Boxed]:
    """Takes the value inside, and passes the link on."""
    return graph.result(graph.add("Open", name="open", box=box)[0], box)


@node(category="toy")
def Fill(*, one: Number, size: Annotated[int, Int(default=9, min=0, max=999)]) -> Bytes:
    return Block(bytes([one % 3]) * size)


@node(category="toy")
def Measure(*, block: Bytes, other: Bytes) -> tuple[Number, Bytes]:
    return sum(block.content) - sum(other.content), other


@node(category="toy")
def Fussy(*, one: Number) -> Number:
    if one % 5 == 4:
        raise ValueError(f"not {one}")
    return one + 1


@node(category="toy")
def Grow(*, one: NumberLink, times: Annotated[int, Int(default=1, min=0, max=3)], graph: GraphBuilder) -> Number:
    for place in range(times):
        one = graph.add("Add", name=str(place), one=one, other=one, more=place)[0]  # type: ignore[assignment]
    return graph.result(one)


def _which(inputs: Mapping[str, Any]) -> list[str]:
    return ["even" if inputs["one"] % 2 == 0 else "odd"]


@node(category="toy", lazy=_which)
def Pick(*, one: Number, even: LazyNumber, odd: LazyNumber, box: LazyBox = None) -> Number:
    """Needs one of two numbers; a box, never."""
    return (even if one % 2 == 0 else odd) + 1


@node(category="toy", output_node=True)
def Plot(*, one: NumberLink, prefix: Annotated[str, String(default="plot")], graph: GraphBuilder) -> Number:
    """Writes a file inside, as samplers that show what they do."""
    more = graph.add("Add", name="more", one=one, other=one, more=1)
    graph.add("Write", name="write", one=more[0], prefix=prefix)
    graph.add("Grow", name="grow", one=more[0], times=2)
    return graph.result(more[0], ui={"text": ["a plot"]})


@node(category="toy", output_node=True)
def Show(*, one: Number, words: Words = "") -> UI:
    return UI(text=[one, words])


@node(category="toy", output_node=True)
def Write(*, one: Number, prefix: Annotated[str, String(default="a")], context: RunContext) -> UI:
    return _write(f"{one}\n" * (one % 4), prefix, "output", context)


@node(category="toy", output_node=True)
def Glance(*, words: Words, context: RunContext) -> UI:
    return _write(words, "glance", "temp", context)


def _write(text: str, prefix: str, kind: str, context: RunContext) -> UI:
    series = context.folders.numbered(prefix, kind)
    with series.create(".txt") as (stream, path):
        stream.write(text.encode(errors="surrogatepass"))
        context.wrote(path)
    return UI(files=[{"filename": path.name, "subfolder": series.subfolder, "type": kind}])


@lru_cache
def _times(version: int) -> Any:
    @node(category="toy", version=version)
    def Times(*, one: Number) -> Number:
        return one * version

    return Times


@lru_cache
def _by_hand(factor: int) -> Any:
    @node(category="toy")
    def ByHand(*, one: Number) -> Number:
        return one - factor

    return ByHand


class Kind(NamedTuple):
    """How a class is used: the sockets of its links, how a constant of each other input is drawn, and its outputs."""

    links: dict[str, str]
    constants: dict[str, Callable[[Random], Any]]
    outputs: tuple[str, ...] = ()


def _one_of(*choices: Any) -> Callable[[Random], Any]:
    return lambda chance: chance.choice(choices)


_FEW = _one_of(0, 1, 2, 3, -1)
N, W, X, B = "NUMBER", "WORDS", "BOX", "BLOCK"
KINDS = {
    "Start": Kind({}, {"value": _FEW}, (N,)),
    "Add": Kind({"one": N, "other": N}, {"more": _FEW}, (N,)),
    "Stretch": Kind({"one": N}, {"by": _one_of(0.0, -0.0, 1, 1.0, 2.5)}, (N,)),
    "Split": Kind({"one": N}, {}, (N, W)),
    "Several": Kind({"one": N}, {}, (N, N)),
    "Whole": Kind({"numbers": N}, {"more": _FEW}, (N, N)),
    "Bar": Kind({"one": N}, {}, (N,)),
    "Tell": Kind({}, {"value": _one_of(*ODDS)}, (W,)),
    "Join": Kind({"left": W, "right": W}, {"between": _one_of("", " ", "1")}, (W,)),
    "Weigh": Kind({}, {"model": _one_of(*MODELS)}, (N,)),
    "Read": Kind({}, {"file": _one_of(*FILES)}, (W,)),
    "Quote": Kind({}, {"text": _one_of(*FILES)}, (W,)),
    "Flavour": Kind({"one": N}, {}, (N,)),
    "Called": Kind({}, {}, (W,)),
    "Look": Kind({}, {}, (W,)),
    "Watch": Kind({}, {"value": _FEW}, (W,)),
    "Close": Kind({"one": N}, {}, (X,)),
    "Open": Kind({"box": X}, {}, (N,)),
    "Half": Kind({"one": N}, {}, (N, X)),
    "Unfold": Kind({"box": X}, {}, (N, X)),
    "Fill": Kind({"one": N}, {"size": _one_of(0, 9, 9, 300)}, (B,)),
    "Measure": Kind({"block": B, "other": B}, {}, (N, B)),
    "Fussy": Kind({"one": N}, {}, (N,)),
    "Grow": Kind({"one": N}, {"times": _one_of(0, 1, 2, 3)}, (N,)),
    "Pick": Kind({"one": N, "even": N, "odd": N, "box": X}, {}, (N,)),
    "Times": Kind({"one": N}, {}, (N,)),
    "ByHand": Kind({"one": N}, {}, (N,)),
    "Plot": Kind({"one": N}, {"prefix": _one_of("a", "plot")}, (N,)),
    "Show": Kind({"one": N, "words": W}, {}),
    "Write": Kind({"one": N}, {"prefix": _one_of("a", "b", "sub/a")}),
    "Glance": Kind({"words": W}, {}),
}
ENDS = ("Show", "Write", "Glance", "Plot")
INNER = tuple(name for name in KINDS if name not in ENDS)
SOURCES = {N: "Start", W: "Tell", X: "Close", B: "Fill"}
"""What gives a value of a socket."""
STABLE = tuple(name for name in KINDS if name not in ("ByHand", "Called", "Grow", "Plot", "Unfold"))
"""Classes whose keys are good for every process and under every id."""
_PLAIN = (Start, Add, Stretch, Split, Several, Whole, Bar, Tell, Join, Weigh, Read, Quote, Flavour, Called, Look, Close,
          Open, Half, Unfold, Fill, Measure, Fussy, Grow, Pick, Plot, Show, Write, Glance)  # fmt: skip


@lru_cache
def registry(version: int, factor: int) -> Registry:
    """The toy nodes, as an installed pack with Times of this version, and ByHand put in by hand."""
    pack = Pack(
        nodes={each.__name__: each for each in (*_PLAIN, _times(version))} | {"Watch": Watch},
        settings=(Setting("flavour", str, "plain", numbers=True),),
        environment=lambda settings: {"dtype": settings.dtype},
        codecs={f"{__name__}.Block": Codec(lambda block: block.content, Block)},
    )
    entry = SimpleNamespace(name="builtin", module=__name__, value=__name__, load=lambda: pack, dist=None)
    with patch("importlib.metadata.entry_points", lambda group: [entry] if group == "weft.packs" else []):
        found = Registry.discover()
    return found.add(_by_hand(factor))
