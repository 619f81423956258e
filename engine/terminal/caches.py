"""The cache of a command: in the folders that it is given, and in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from weft.engine.errors import UsageError, Warn
from weft.engine.settings import own_cache

if TYPE_CHECKING:
    from weft.engine.cache.memory import MemoryCache
    from weft.engine.cache.protocol import Cache
    from weft.engine.schema.packs import Packs
    from weft.engine.settings import Settings


def folders_of(settings: Settings, given: Sequence[Path] | None = None, *, no_cache: bool = False) -> tuple[Path, ...]:
    """The folders of a command's cache: those `given`, else those of the settings, else the user's own.

    Raises UsageError where some are given and none is wanted.
    """
    if given and no_cache:
        raise UsageError("--cache and --no-cache exclude each other")
    if no_cache:
        return ()
    if given or settings.cache is not None:
        return tuple(given or settings.cache or ())
    from weft.engine.cache.disk import is_usable

    own = own_cache()
    return (own,) if own is not None and is_usable(own) else ()


class CachePlaces(NamedTuple):
    """Where a command keeps what it computes: folders, and the URL of a store that several machines share."""

    folders: tuple[Path, ...] = ()
    store: str | None = None


class Budgets(NamedTuple):
    """How large a cache may become: outputs, and states between steps."""

    max_bytes: int
    max_step_bytes: int

    @classmethod
    def of(cls, settings: Settings) -> Budgets:
        """As the settings say, which count in GiB."""
        return cls(*(int(gib * (1 << 30)) for gib in (settings.cache_gib, settings.checkpoint_gib)))


@contextmanager
def opened(
    folders: Sequence[Path],
    settings: Settings,
    packs: Packs,
    *,
    several: bool,
    memory: MemoryCache | None = None,
    store: str | None = None,
    warn: Warn,
) -> Iterator[Cache]:
    """The cache of a command: in folders, if there are any, and in memory, if several runs have a use for it.

    The first folder is written to, up to what the settings allow; the others are read only. `memory` is one that
    outlives the command; `store` is the URL of one that several machines share. Raises UsageError for a URL that
    nothing opens.
    """
    from weft.engine.cache.protocol import NoCache

    budgets = Budgets.of(settings)
    if several and memory is None:
        from weft.engine.cache.memory import MemoryCache

        memory = MemoryCache(max_step_bytes=budgets.max_step_bytes)
    far: list[Cache] = []
    if store is not None:
        from weft.engine.cache.objects import ObjectCache

        far.append(ObjectCache(store, codecs=packs.codec, warn=warn))
    if not folders and not far:
        yield memory if memory is not None else NoCache()
        return
    if not folders:
        from weft.engine.cache.tiers import Tiers

        yield Tiers(*([memory] if memory is not None else []), far=far)
        return
    from weft.engine.cache.disk import DiskCache
    from weft.engine.cache.tiers import Tiers

    first, *others = dict.fromkeys(folder.absolute() for folder in folders)
    with ExitStack() as stack:
        disk = DiskCache(first, **budgets._asdict(), codecs=packs.codec, warn=warn)
        shared = [DiskCache(folder, codecs=packs.codec, read_only=True, warn=warn) for folder in others]
        for each in (disk, *shared):
            stack.callback(each.close)
        near = [memory] if memory is not None else []
        yield Tiers(*near, disk, far=far, shared=shared) if near or far or shared else disk


@contextmanager
def looked_into(folders: Sequence[Path], packs: Packs, *, warn: Warn) -> Iterator[Cache]:
    """The same cache for a command that runs nothing: none of the folders is written to, or made."""
    from weft.engine.cache.disk import FORMAT, DiskCache
    from weft.engine.cache.protocol import NoCache
    from weft.engine.cache.tiers import Tiers

    there = [folder for folder in folders if (folder / FORMAT).is_dir()]
    with ExitStack() as stack:
        tiers = [DiskCache(folder, codecs=packs.codec, read_only=True, warn=warn) for folder in there]
        for tier in tiers:
            stack.callback(tier.close)
        yield Tiers(*tiers) if tiers else NoCache()
