"""What is remembered of a run: for every node what it was computed from and what it gave; and where that happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from weft.engine.comparing.changes import short

GOLDEN_VERSION = 2
"""Raised when a golden is written that an older Weft would misread."""


class Record(BaseModel):
    """The base of everything in a golden: frozen, and nothing in it that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TensorLeaf(Record):
    """A tensor: its bits by digest, statistics over finite values, how many are not finite, and some of its values."""

    kind: Literal["tensor"]
    digest: str
    dtype: str
    shape: tuple[int, ...]
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    std: float | None = None
    bad: int = 0
    sample: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


class PlainLeaf(Record):
    """A number, a text, a list or an object of them; what is long is kept by its digest."""

    kind: Literal["plain"]
    value: Any = None
    digest: str = ""

    def __str__(self) -> str:
        return f"a value with digest {self.digest[:12]}" if self.digest else short(self.value)


class OpaqueLeaf(Record):
    """An object that only its maker understands (MODEL, CLIP, VAE): it is compared by the key of its node."""

    kind: Literal["opaque"]
    name: str

    def __str__(self) -> str:
        return self.name


Leaf = Annotated[TensorLeaf | PlainLeaf | OpaqueLeaf, Field(discriminator="kind")]


class ValueRecord(Record):
    """One output slot, one file written or one text shown; `leaves` by their place in it (`samples`, `0.1.mask`)."""

    name: str
    type: str
    leaves: dict[str, Leaf]

    @property
    def label(self) -> str:
        """The name without the slot's number."""
        return label(self.name)


class NodeRecord(Record):
    """One node. `inputs` are its coerced constants, `links` where the others come from, [node id, slot].

    `files` are the digests of the files that it names, by input; what its fingerprint names stands under `+0`, `+1`,
    ... `key` is its cache key, in hex; `volatile` says why the key is good for one run only. `pack` is the package that
    the class comes from, empty for Weft's own.
    """

    class_type: str
    title: str
    version: str
    key: str
    volatile: str = ""
    pack: str = ""
    inputs: dict[str, Any] = Field(default_factory=dict)
    links: dict[str, tuple[str, int]] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)
    values: tuple[ValueRecord, ...] = ()

    def leaves(self) -> Iterator[tuple[ValueRecord, str, Leaf]]:
        """Every leaf with its value and its place."""
        for value in self.values:
            for place, leaf in value.leaves.items():
                yield value, place, leaf

    @property
    def is_opaque(self) -> bool:
        """Whether nothing that it gives can be compared but by key."""
        return all(leaf.kind == "opaque" for _, _, leaf in self.leaves())


class Birth(Record):
    """The birth certificate: what made a recording, and where. `independent` says how far it proves anything.

    `numbers` is empty in those that were made before there was the setting. `packs` are digests of the code of the
    packs whose classes ran, Weft's own included.
    """

    weft: str
    key_version: int
    sampling: str
    sampling_version: int
    numbers: str = ""
    dtype: str
    device: str
    device_name: str
    instructions: str
    threads: int
    packages: dict[str, str]
    python: str
    platform: str
    date: str
    models: dict[str, str] = Field(default_factory=dict)
    packs: dict[str, str] = Field(default_factory=dict)
    independent: str


class Recording(NamedTuple):
    """A run: its certificate, and its nodes in the order in which they ran."""

    birth: Birth
    nodes: dict[str, NodeRecord]


def label(name: str) -> str:
    """`0 LATENT` -> `LATENT`; `file 0 .png` as it is."""
    return name.partition(" ")[2] if name[:1].isdigit() else name
