"""A pack of V1 classes, as others write them: one for each row of ComfyUI's node protocol. Values are plain data."""

# ruff: noqa: RUF012  # classes declare by their attributes, as those of others do
from __future__ import annotations

from enum import Enum
from typing import Any

from weft.engine.context import called
from weft.engine.values import ExecutionBlocker

CALLS: list[tuple[str, Any]] = []
"""What the classes were called with, in order."""


class V1:
    """What all have in common: a class declares what is different."""

    RETURN_TYPES: tuple[str, ...] = ("*",)
    FUNCTION = "call"
    CATEGORY = "protocol"
    INPUTS: dict[str, Any] = {}

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return cls.INPUTS

    def seen(self, what: Any) -> None:
        CALLS.append((type(self).__name__, what))


class MakeList(V1):
    """A list of the numbers below `count`."""

    INPUTS = {"required": {"count": ("INT", {"default": 3})}}
    OUTPUT_IS_LIST = (True,)

    def call(self, count: int) -> tuple[list[int]]:
        return (list(range(count)),)


class Make(V1):
    """One value."""

    INPUTS = {"required": {"value": ("STRING,INT,FLOAT", {})}}

    def call(self, value: Any) -> tuple[Any]:
        self.seen(value)
        return (value,)


class Join(V1):
    """Two values as a text; called for each of a list."""

    INPUTS = {"required": {"a": ("*",), "b": ("*",)}, "optional": {"c": ("INT", {"default": 0})}}

    def call(self, a: Any, b: Any, c: int = 0) -> tuple[str]:
        self.seen((a, b, c))
        return (f"{a}{b}",)


class Plus(V1):
    """The sum of two."""

    INPUTS = {"required": {"a": ("*",), "b": ("*",)}}

    def call(self, a: Any, b: Any) -> tuple[Any]:
        return (a + b,)


class Whole(V1):
    """Takes lists: gives how long each is, and all of them as one list."""

    INPUTS = {"required": {"a": ("*",)}, "optional": {"b": ("*",)}, "hidden": {"me": "UNIQUE_ID"}}
    RETURN_TYPES = ("INT", "*")
    INPUT_IS_LIST = True
    OUTPUT_IS_LIST = (False, True)

    def call(self, a: list[Any], me: list[str], b: list[Any] | None = None) -> tuple[int, list[Any]]:
        self.seen((a, b, me))
        return (len(a), [*a, *(b or [])])


class Pairs(V1):
    """A list for each value: called for several, these are strung together; the first output is collected."""

    INPUTS = {"required": {"a": ("*",)}}
    RETURN_TYPES = ("*", "*")
    OUTPUT_IS_LIST = (False, True)

    def call(self, a: Any) -> tuple[Any, list[Any]]:
        return (a, [a, -a])


class Short(V1):
    """Says of one output whether it is a list, and has two."""

    INPUTS = {"required": {"a": ("*",)}}
    RETURN_TYPES = ("*", "*")
    OUTPUT_IS_LIST = (True,)

    def call(self, a: Any) -> tuple[Any, ...]:
        return ([a], a)


class Nothing(V1):
    """No inputs: called once, with no arguments."""

    RETURN_TYPES = ("INT",)

    def call(self) -> tuple[int]:
        self.seen(())
        return (7,)


class Show(V1):
    """An output node: shows what it gets."""

    INPUTS = {"required": {"value": ("*",)}, "optional": {"beside": ("*",)}}
    RETURN_TYPES = ()
    OUTPUT_NODE = True

    def call(self, value: Any, beside: Any = None) -> dict[str, Any]:
        self.seen(value)
        return {"ui": {"shown": [value]}}


class Block(V1):
    """A value, or a blocker in its place where the value is `at`."""

    INPUTS = {"required": {"value": ("*",), "at": ("INT", {})}, "optional": {"message": ("STRING", {})}}

    def call(self, value: Any, at: int, message: str = "") -> tuple[Any]:
        return (ExecutionBlocker(message or None) if value == at else value,)


class BlockAll(V1):
    """A blocker that stands for all outputs."""

    INPUTS = {"required": {"message": ("STRING", {"default": "no"})}, "optional": {"in_dict": ("BOOLEAN", {})}}
    RETURN_TYPES = ("*", "*")

    def call(self, message: str, in_dict: bool = False) -> Any:
        blocker = ExecutionBlocker(message)
        return {"result": blocker} if in_dict else blocker


class Returns(V1):
    """Returns what it is told to."""

    INPUTS = {"required": {"what": ("STRING", {"default": ""})}}
    RETURN_TYPES = ("*", "*")

    def call(self, what: str) -> Any:
        forms: dict[str, Any] = {
            "tuple": (1, 2),
            "list": [1, 2],
            "dict": {"result": (1, 2), "ui": {"text": ["a"]}},
            "None inside": (None, 2),
            "too few": (1,),
            "too many": (1, 2, 3),
            "ui alone": {"ui": {"text": ["a"]}},
            "nothing": None,
        }
        return forms[what]


class Fails(V1):
    """Raises for the value 1."""

    INPUTS = {"required": {"a": ("*",)}}

    def call(self, a: Any) -> tuple[Any]:
        if a == 1:
            raise RuntimeError("not this one")
        return (a,)


class Overlaps(V1):
    """A coroutine function: its calls overlap."""

    INPUTS = {"required": {"a": ("*",)}}

    async def call(self, a: Any) -> tuple[Any]:
        import asyncio

        self.seen(("begins", a))
        await asyncio.sleep(0.02 - 0.005 * a)
        self.seen(("ends", a))
        return (a,)


class Expands(V1):
    """Expands for even numbers into a node that makes ten times as much; of odd ones it gives these themselves."""

    INPUTS = {"required": {"a": ("*",)}, "hidden": {"me": "UNIQUE_ID"}}

    def call(self, a: int, me: str) -> Any:
        if a % 2:
            return (a,)
        node_id = f"{me}.{a}"
        graph = {node_id: {"class_type": "Make", "inputs": {"value": 10 * a}}}
        return {"result": ([node_id, 0],), "expand": graph}


class ExpandsIntoList(V1):
    """Its output is that of a node inside, which is a list."""

    INPUTS = {"required": {"count": ("INT", {"default": 3})}, "hidden": {"me": "UNIQUE_ID"}}
    OUTPUT_IS_LIST = (True,)

    def call(self, count: int, me: str) -> Any:
        graph = {f"{me}.list": {"class_type": "MakeList", "inputs": {"count": count}}}
        return {"result": ([f"{me}.list", 0],), "expand": graph}


class RawWhole(V1):
    """Takes a list of one link, not its value."""

    INPUTS = {"required": {"a": ("*", {"rawLink": True}), "b": ("*",)}}
    INPUT_IS_LIST = True

    def call(self, a: list[Any], b: list[Any]) -> tuple[Any]:
        self.seen((a, b))
        return (str(a),)


class Reports(V1):
    """Tells its progress, as packs do."""

    INPUTS = {"required": {"a": ("*",)}}

    def call(self, a: Any) -> tuple[Any]:
        context = called()
        assert context is not None
        for step in (1, 2):
            context.progress(step, 2)
        context.warn("reported")
        return (a,)


class OverlapsAndFails(V1):
    """A coroutine function that fails for the value 1 while others wait."""

    INPUTS = {"required": {"a": ("*",)}}

    async def call(self, a: Any) -> tuple[Any]:
        import asyncio

        try:
            await asyncio.sleep(0 if a == 1 else 60)
        except asyncio.CancelledError:
            self.seen(("cancelled", a))
            raise
        raise RuntimeError(f"not {a}")


class ExpandsIntoShow(V1):
    """An output node that expands into another one, which takes the link that it was given."""

    INPUTS = {"required": {"value": ("*", {"rawLink": True, "lazy": True})}, "hidden": {"me": "UNIQUE_ID"}}
    RETURN_TYPES = ()
    OUTPUT_NODE = True

    def call(self, value: Any, me: str) -> Any:
        return {"expand": {f"{me}.show": {"class_type": "Show", "inputs": {"value": value}}}}


class Any_(str):
    """How packs spell a type that fits all."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


class Kinds(str, Enum):  # noqa: UP042
    """Types as members of an enum, as newer packs write them: of several, some must be the same."""

    NUMBER = "INT,FLOAT"
    INT = "INT"
    PICTURE = "IMAGE"

    def __ne__(self, other: object) -> bool:
        if not isinstance(other, str):
            return True
        return not set(self.value.split(",")) & set(str.__str__(other).split(","))


class Flexible(dict[str, Any]):
    """Optional inputs of any name."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name) if name in self.keys() else ("*",)


class TakesAnything(V1):
    """Takes inputs that it does not list, and gives them back."""

    INPUTS = {"required": {}, "optional": Flexible({"listed": ("INT", {})}), "hidden": {"me": "UNIQUE_ID"}}

    def call(self, me: str, **given: Any) -> tuple[Any]:
        return (sorted(given.items()),)


class OpenEnded(tuple[Any, ...]):
    """Output types that go on past their end."""

    def __getitem__(self, place: Any) -> Any:
        return "*" if isinstance(place, int) and place >= len(self) else super().__getitem__(place)


class GivesAsMany(TakesAnything):
    """Declares one output, and gives one for each input."""

    RETURN_TYPES = OpenEnded(("*",))
    RETURN_NAMES = OpenEnded(("first",))

    def call(self, me: str, **given: Any) -> tuple[Any, ...]:
        return tuple(given.values())


class LooksAtAll(TakesAnything):
    """Checks and keys are told what is given under other names, too."""

    @classmethod
    def VALIDATE_INPUTS(cls, **given: Any) -> bool:
        CALLS.append(("VALIDATE_INPUTS", given))
        return True

    @classmethod
    def IS_CHANGED(cls, **given: Any) -> str:
        CALLS.append(("IS_CHANGED", given))
        return ""


class HiddenGiven(V1):
    """A hidden input of a type that the engine has no value for is given like any other."""

    INPUTS = {"required": {}, "hidden": {"start": ("*",), "me": "UNIQUE_ID", "info": "EXTRA_PNGINFO"}}

    def call(self, me: str, info: Any, start: Any = None, **given: Any) -> tuple[Any]:
        return ((start, me, sorted(given)),)


class AnyIn(V1):
    """An input and an output of any type."""

    INPUTS = {"required": {"a": (Any_("ANYTHING"), {})}}
    RETURN_TYPES = (Any_("WHATEVER"),)

    def call(self, a: Any) -> tuple[Any]:
        return (a,)


class Numbers(V1):
    """Types of an enum: one with a widget, one that takes two kinds."""

    INPUTS = {"required": {"a": (Kinds.INT, {"default": 1, "min": 0}), "b": (Kinds.NUMBER, {"forceInput": True})}}
    RETURN_TYPES = (Kinds.INT,)

    def call(self, a: int, b: Any) -> tuple[Any]:
        return (a + b,)


class FloatOut(V1):
    """A number."""

    RETURN_TYPES = ("FLOAT",)

    def call(self) -> tuple[float]:
        return (0.5,)


class ImageOut(V1):
    """What calls itself a picture."""

    RETURN_TYPES = (Kinds.PICTURE,)

    def call(self) -> tuple[str]:
        return ("picture",)


NODE_CLASS_MAPPINGS: dict[str, Any] = {
    cls.__name__: cls
    for cls in list(vars().values())
    if isinstance(cls, type) and issubclass(cls, V1) and cls is not V1
}
