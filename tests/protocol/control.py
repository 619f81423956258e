"""The other half of the pack: classes that decide what runs, check what they are given, and look at the graph."""

# ruff: noqa: RUF012  # as in pack.py
from __future__ import annotations

from typing import Any

from .pack import CALLS, V1

ANY: tuple[str] = ("*",)
LAZY = ("*", {"lazy": True})


class Mix(V1):
    """Between two values: of each end only that one is needed."""

    INPUTS = {"required": {"a": LAZY, "b": LAZY, "share": ("FLOAT", {"default": 0.5})}}

    def check_lazy_status(self, share: float, a: Any, b: Any) -> list[str]:
        self.seen(("asked", a, b))
        return [name for name, value, unused in (("a", a, 1.0), ("b", b, 0.0)) if value is None and share != unused]

    def call(self, a: Any, b: Any, share: float) -> tuple[Any]:
        if share in (0.0, 1.0):
            return (b if share else a,)
        return (a * (1 - share) + b * share,)


class MixLater(Mix):
    """Takes its time to say what it needs."""

    async def check_lazy_status(self, share: float, **given: Any) -> list[str]:  # type: ignore[override]
        import asyncio

        self.seen("begins to ask")
        await asyncio.sleep(0.001)
        self.seen("has asked")
        return ["b" if share else "a"]


class AsksFor(V1):
    """Asks for what it is told to, whether that makes sense or not."""

    INPUTS = {"required": {"name": ("STRING", {})}, "optional": {"a": LAZY, "b": LAZY}, "hidden": {"me": "UNIQUE_ID"}}

    def check_lazy_status(self, name: str, **given: Any) -> Any:
        self.seen(given["me"])
        return None if name == "None" else [name]

    def call(self, name: str, me: str, a: Any = None, b: Any = None) -> tuple[Any]:
        return (a,)


class NeverAsks(V1):
    """Has a lazy input, and nothing that says when it is needed."""

    INPUTS = {"required": {"a": LAZY}}

    def call(self, a: Any) -> tuple[Any]:
        return (a,)


class Counts(V1):
    """Counts its calls in itself, and is called anew in each run."""

    INPUTS = {"required": {"a": ANY}, "optional": {"b": LAZY}}

    def __init__(self) -> None:
        self.count = 0

    def check_lazy_status(self, a: Any, b: Any = None) -> list[str]:
        self.count += 100
        return []

    def call(self, a: Any, b: Any = None) -> tuple[int]:
        self.count += 1
        return (self.count,)

    @classmethod
    def IS_CHANGED(cls, **given: Any) -> float:
        return float("nan")


class Checks(V1):
    """Checks one of its inputs; the bounds of that one are its own affair."""

    INPUTS = {
        "required": {"a": ("INT", {"default": 1, "max": 5}), "b": ("INT", {"default": 1, "max": 5})},
        "optional": {"choice": (["x", "y"],)},
        "hidden": {"me": "UNIQUE_ID", "prompt": "PROMPT"},
    }
    RETURN_TYPES = ("INT",)
    OUTPUT_NODE = True

    @classmethod
    def VALIDATE_INPUTS(cls, a: Any) -> Any:
        CALLS.append((cls.__name__, ("checked", a)))
        return verdict(a)

    def call(self, a: int, b: int, me: str, prompt: Any, choice: str = "x") -> tuple[int]:
        return (a,)


def verdict(a: Any) -> Any:
    """What a check says of an input: only of 7, 8 and 9 something is wrong."""
    if a == 9:
        raise ValueError("nine")
    return {7: "seven will not do", 8: False}.get(a, True)


class ChecksLater(Checks):
    """Takes its time."""

    @classmethod
    async def VALIDATE_INPUTS(cls, a: Any) -> Any:
        import asyncio

        await asyncio.sleep(0)
        CALLS.append((cls.__name__, ("checked", a)))
        return verdict(a)


class ChecksAll(Checks):
    """Looks at all that it is given."""

    @classmethod
    def VALIDATE_INPUTS(cls, **given: Any) -> Any:
        CALLS.append((cls.__name__, given))
        return verdict(given.get("a"))


class ChecksTypes(Checks):
    """Takes what is linked to it for the type that it is."""

    @classmethod
    def VALIDATE_INPUTS(cls, input_types: dict[str, Any]) -> Any:
        CALLS.append((cls.__name__, input_types))
        return all(kind in ("INT", "FLOAT", "*") for kind in input_types.values())


class ChecksNothing(Checks):
    """Has a check that looks at nothing: it is never called."""

    @classmethod
    def VALIDATE_INPUTS(cls) -> Any:
        raise AssertionError


class ChecksLists(Checks):
    """Takes lists, and so does its check."""

    INPUT_IS_LIST = True

    @classmethod
    def VALIDATE_INPUTS(cls, a: Any, b: Any) -> Any:
        CALLS.append((cls.__name__, (a, b)))
        return True

    def call(self, a: Any, **others: Any) -> tuple[int]:  # type: ignore[override]
        return (a[0],)


class MakeFloat(V1):
    RETURN_TYPES = ("FLOAT",)

    def call(self) -> tuple[float]:
        return (2.5,)


class MakeText(V1):
    RETURN_TYPES = ("STRING",)

    def call(self) -> tuple[str]:
        return ("text",)


class Hidden(V1):
    """Gives what the engine gave it, and what came by an input that is hidden and no value of the engine's."""

    INPUTS = {
        "required": {"a": ("INT", {"default": 1})},
        "hidden": {
            "prompt": "PROMPT",
            "graph": "DYNPROMPT",
            "extra": "EXTRA_PNGINFO",
            "me": "UNIQUE_ID",
            "token": "AUTH_TOKEN_COMFY_ORG",
            "key": "API_KEY_COMFY_ORG",
            "beside": ("*",),
        },
    }

    def call(self, a: int, **hidden: Any) -> tuple[dict[str, Any]]:
        self.seen(hidden)
        return (hidden.get("beside"),)


class Changes(V1):
    """Its IS_CHANGED says what the test has put into `answers`, by class variable."""

    INPUTS = {"required": {"a": ANY, "b": ("INT", {"default": 2})}, "hidden": {"me": "UNIQUE_ID"}}
    answer: Any = 0

    @classmethod
    def IS_CHANGED(cls, **given: Any) -> Any:
        CALLS.append(("IS_CHANGED", given))
        if isinstance(cls.answer, Exception):
            raise cls.answer
        return cls.answer

    def call(self, a: Any, b: int, me: str) -> tuple[Any]:
        self.seen(a)
        return (a,)


class AnyName(dict[str, Any]):
    """A section that contains whatever it is asked for."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> Any:
        return LAZY


class Select(V1):
    """Any number of inputs, of which it needs one; none is declared."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"which": ("INT", {"default": 1})}, "optional": AnyName()}

    def check_lazy_status(self, which: int, **inputs: Any) -> list[str]:
        return [f"input{which}"]

    def call(self, which: int, **inputs: Any) -> tuple[Any]:
        self.seen(sorted(name for name, value in inputs.items() if value is not None))
        return (inputs[f"input{which}"],)


CONTROL: dict[str, Any] = {
    cls.__name__: cls
    for cls in list(vars().values())
    if isinstance(cls, type) and issubclass(cls, V1) and cls is not V1
}
