"""A cache in an object store, or on any file system of fsspec's: what several machines share that share no folder.

    URL/v2/entries/ab/cd...   a document behind its seal, by key
    URL/v2/blobs/ab/cd...     what is large, by its digest

Invariants:

    1. An object is there whole or not at all: a store puts it as one, a folder has it under its name when it is whole.
    2. An entry is put after its blobs. What is read is checked, by seal or digest: anything else is a miss.
    3. No failure of the store is one of the run: it is told to `warn`, once, and the run goes on without.
    4. Nothing is removed but what is damaged: a store has rules of its own for what is old.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from weft.engine.cache.blobs import DamagedBlob
from weft.engine.cache.disk import FORMAT, seal_of
from weft.engine.cache.encoding import Codecs, Unkept, decode, digest_of, encode, summary
from weft.engine.cache.protocol import Entry, Manifest, Recipe
from weft.engine.errors import UsageError, Warn, did_you_mean, python_warning
from weft.engine.wholefiles import write_whole

_SEAL = 32


class ObjectCache:
    """Entries below a URL: `s3://bucket/weft`, `file:///shared/weft`. What has no codec is not kept, as on a disk.

    Recipes are not kept: they are for the people of one machine. Raises UsageError for a URL that nothing here opens.
    """

    def __init__(self, url: str, *, codecs: Codecs, warn: Warn = python_warning) -> None:
        self.url = url
        self._codecs = codecs
        self._warn = warn
        self._told = False
        self._files, place = _opened(url)
        self._root = f"{place.rstrip('/')}/{FORMAT}"
        self._is_folder = "file" in _protocols(self._files)

    def lookup(self, key: bytes) -> Manifest | None:
        with self._failing("read"):
            document = self._document(key)
            return Manifest(key, *summary(document)) if document is not None else None
        return None

    def load(self, manifest: Manifest) -> Entry | None:
        with self._failing("read"):
            document = self._document(manifest.key)
            if document is not None:
                return decode(document, self._blob, self._codecs, manifest.absent)
        return None

    def put(self, key: bytes, entry: Entry) -> None:
        with self._failing("written to"):
            try:
                encoded = encode(entry, self._codecs)
            except Unkept:
                return
            for digest, content in encoded.blobs.items():
                if not self._files.exists(self._place("blobs", digest)):
                    self._write(self._place("blobs", digest), content)
            if self._document(key) != encoded.document:
                self._write(self._place("entries", key), seal_of(key, encoded.document) + encoded.document)

    def recall(self, node_id: str) -> Recipe | None:
        return None

    def note(self, node_id: str, recipe: Recipe) -> None:
        pass

    def _place(self, kind: str, name: bytes) -> str:
        return f"{self._root}/{kind}/{name.hex()[:2]}/{name.hex()[2:]}"

    def _document(self, key: bytes) -> bytes | None:
        try:
            found = bytes(self._files.cat_file(self._place("entries", key)))
        except FileNotFoundError:
            return None
        document = found[_SEAL:]
        return document if found[:_SEAL] == seal_of(key, document) else None

    def _blob(self, digest: bytes) -> bytes:
        content = bytes(self._files.cat_file(self._place("blobs", digest)))
        if digest_of(content) != digest:
            # It is written anew with what is computed anew.
            self._files.rm_file(self._place("blobs", digest))
            raise DamagedBlob(f"{self._place('blobs', digest)} is damaged")
        return content

    def _write(self, place: str, content: bytes) -> None:
        if not self._is_folder:
            self._files.pipe_file(place, content)
            return
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        write_whole(Path(place), content)

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        """Whatever a store's own library raises is a miss, and said once; what is not there is a miss alone."""
        try:
            yield
        except (FileNotFoundError, DamagedBlob, Unkept, ValueError, KeyError, TypeError):
            pass
        except Exception as error:
            if not self._told:
                self._told = True
                self._warn(f"the store {self.url} cannot be {what}: {type(error).__name__}: {error}")


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the place there."""
    import fsspec

    protocol, colon, _ = url.partition("://")
    if not colon:
        raise UsageError(f"--store {url}: expected a URL", hint="file:///shared/weft, s3://bucket/weft")
    if protocol not in fsspec.available_protocols():
        raise UsageError(
            f"--store {url}: nothing opens {protocol}://", hint=did_you_mean(protocol, ("file", "s3", "gs"))
        )
    try:
        files, place = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise UsageError(f"--store {url} needs a package more: {error}") from error
    except (ValueError, OSError) as error:
        raise UsageError(f"--store {url}: {error}") from error
    return files, place


def _protocols(files: Any) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)
