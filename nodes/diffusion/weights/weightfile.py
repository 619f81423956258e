"""Files of weights: what they hold is told by their content, never by their name, and never by running it.

safetensors and GGUF files are mapped into memory and read tensor by tensor. Files that torch.save wrote are opened with
`weights_only`, which builds tensors and plain containers and nothing else; any other pickle is refused unopened. What a
file says of itself is believed only as far as the file reaches: reading one takes the memory of its size, not of what
it claims.
"""

from __future__ import annotations

import json
import math
import mmap
import pickle
import re
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import torch
from torch import Tensor

from weft.nodes.diffusion.errors import CheckpointError, DiffusionError
from weft.nodes.diffusion.weights.gguf_file import load_gguf
from weft.nodes.diffusion.weights.gguf_header import MAGIC
from weft.nodes.diffusion.weights.header import first_bytes, is_safetensors, read_header, what_starts_so

# What the dictionaries of a torch file come to, written out: one that holds itself, or others many times, has no end.
_MOST_NAMES = 64 << 20
_DEEPEST = 64
# Tensors may share memory (tied weights); more often than this, a small file would be a lot of numbers.
_MOST_SHARED = 4
# The number formats that weights have, by safetensors' names for them.
_DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2", torch.int8: "I8", torch.uint8: "U8",
}  # fmt: skip
# A mapping is opened anew after so many bytes, so that a file being converted does not fill memory beside the result.
_WINDOW = 256 << 20
_TORCH_SUFFIXES = (".ckpt", ".pt", ".pth", ".bin")
# The first bytes of torch.save's format before torch 1.6: its magic number, pickled.
_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
# What torch says where the system promises no memory for a mapping, and how Linux is told that none is needed.
_NO_ROOM, _MAP_NORESERVE = "Cannot allocate memory", 0x4000
_STORED = {
    **{name: dtype for dtype, name in _DTYPES.items()},
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "BOOL": torch.bool,
    "U8": torch.uint8,
    **{f"I{dtype.itemsize * 8}": dtype for dtype in (torch.int8, torch.int16, torch.int32, torch.int64)},
}
# What pytorch-lightning left in the checkpoints of Stable Diffusion 1: names that then mean an inert class.
_LEFTOVERS = (
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "_codecs.encode",
)


class Weights(Protocol):
    """An opened file of weights, under its own names or others."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says about itself."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Every tensor's shape by its key."""

    def tensors(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, Tensor]]:
        """The named tensors, or all."""

    def tensor(self, name: str) -> Tensor:
        """One tensor."""


class WeightFile:
    """An opened file of weights.

    metadata: what a safetensors file says about itself; empty for other formats.
    shapes: every tensor's shape by its key, in the order of the file.

    Raises:
        CheckpointError: the file is missing, cut short, or no file of weights; the message says what it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._loaded: dict[str, Tensor] | None = None
        self.metadata: Mapping[str, str] = {}
        start, size = first_bytes(self.path)
        if is_safetensors(start):
            self.metadata, self.shapes, self._sizes = read_header(self.path, size)
            list(self._mapped([]))  # safetensors' own checks
            return
        self._loaded = load_gguf(self.path) if start.startswith(MAGIC) else _load_torch(self.path, start, size)
        self.shapes = {key: tuple(tensor.shape) for key, tensor in self._loaded.items()}
        self._sizes = {key: tensor.nbytes for key, tensor in self._loaded.items()}

    def tensors(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, Tensor]]:
        """The named tensors, or all, on the CPU, in the order of the file: views into the file where possible.

        Who keeps a tensor keeps its window of the file mapped; who copies it lets go of the memory.
        """
        wanted = self.shapes.keys() if names is None else set(names)
        ordered = [key for key in self.shapes if key in wanted]
        if self._loaded is not None:
            yield from ((key, self._loaded[key]) for key in ordered)
            return
        window: list[str] = []
        held = 0
        for key in ordered:
            window.append(key)
            held += self._sizes[key]
            if held >= _WINDOW:
                yield from self._mapped(window)
                window, held = [], 0
        yield from self._mapped(window)

    def tensor(self, name: str) -> Tensor:
        """One tensor, as `tensors` gives it."""
        return next(tensor for _, tensor in self.tensors([name]))

    def _mapped(self, names: list[str]) -> Iterator[tuple[str, Tensor]]:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="pt") as opened:
                for name in names:
                    yield name, opened.get_tensor(name)
        # The others are for number formats that this torch does not have.
        except (SafetensorError, AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            if _NO_ROOM in str(error):
                yield from self._mapped_without_promise(names)
                return
            raise CheckpointError(f"{self.path.name}: not a valid safetensors file: {_reason(error)}") from error

    def _mapped_without_promise(self, names: list[str]) -> Iterator[tuple[str, Tensor]]:
        """As _mapped, where the system would not promise memory for all that could be written into the mapping.

        It never is: so a file larger than the memory opens, too.
        """
        with self.path.open("rb") as file:
            start = 8 + int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(start - 8))
            writable = mmap.PROT_READ | mmap.PROT_WRITE
            held = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE | _MAP_NORESERVE, prot=writable)
        whole = torch.frombuffer(held, dtype=torch.uint8)
        for name in names:
            (begin, end), dtype = header[name]["data_offsets"], _STORED[header[name]["dtype"]]
            part = whole[start + begin : start + end]
            part = part if not (start + begin) % dtype.itemsize else part.clone()
            yield name, part.view(dtype).reshape(header[name]["shape"])


class HeldWeights:
    """Weights that somebody has read already: a state dict. metadata, shapes: as WeightFile's."""

    def __init__(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
        self._tensors = tensors
        self.metadata: Mapping[str, str] = metadata or {}
        self.shapes: Mapping[str, tuple[int, ...]] = {key: tuple(tensor.shape) for key, tensor in tensors.items()}

    def tensors(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, Tensor]]:
        """See WeightFile."""
        wanted = self.shapes.keys() if names is None else set(names)
        yield from ((key, tensor.detach().cpu()) for key, tensor in self._tensors.items() if key in wanted)

    def tensor(self, name: str) -> Tensor:
        """See WeightFile."""
        return self._tensors[name].detach().cpu()


def opened(source: Path | Weights) -> Weights:
    """The weights of a file, or those that are given."""
    return WeightFile(source) if isinstance(source, Path) else source


class Renamed:
    """A file of weights under other names, or a part of one.

    Args:
        names: the new name by the file's own, for every key to be seen.
    """

    def __init__(self, file: Weights, names: Mapping[str, str]) -> None:
        self._file = file
        self._new = {key: names[key] for key in file.shapes if key in names}
        self._own = {name: key for key, name in self._new.items()}
        self.metadata = file.metadata
        self.shapes = {name: file.shapes[key] for key, name in self._new.items()}

    def tensors(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, Tensor]]:
        """As WeightFile.tensors, under the new names."""
        wanted = [self._own[name] for name in (self._own if names is None else names)]
        return ((self._new[key], tensor) for key, tensor in self._file.tensors(wanted))

    def tensor(self, name: str) -> Tensor:
        """As WeightFile.tensor, by the new name."""
        return self._file.tensor(self._own[name])


@dataclass(frozen=True, eq=False)
class Stored:
    """A tensor to be written: its form, and what makes it when its turn comes.

    widened: whether it has fewer bits in memory, and no file that is written here has it so.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    make: Callable[[], Tensor]
    widened: bool = False


class Exported(NamedTuple):
    """What a file of weights is to hold, and to say about itself."""

    tensors: Mapping[str, Stored]
    metadata: Mapping[str, str]


def write_safetensors(stream: IO[bytes], tensors: Mapping[str, Stored], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file tensor by tensor, so that it takes the memory of one.

    Raises:
        DiffusionError: a number format that safetensors has no name for.
    """
    # The widest numbers first, as safetensors does: so each tensor is aligned to its own.
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in names:
        tensor = tensors[name]
        if tensor.dtype not in _DTYPES:
            raise DiffusionError(f"{name!r} is {tensor.dtype}, which safetensors has no name for")
        begin, end = end, end + math.prod(tensor.shape) * tensor.dtype.itemsize
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    stream.write(len(text).to_bytes(8, "little") + text)
    for name in names:
        made = tensors[name].make().detach().cpu().contiguous()
        stream.write(made.reshape(-1).view(torch.uint8).numpy().data)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a file of weights, on the CPU and as stored; safetensors are views into the mapped file.

    A tensor inside nested dictionaries, or lists of them, is named by their keys with dots between. A
    `state_dict` around all of them is left out of the names.

    Raises:
        CheckpointError: as WeightFile.
    """
    return dict(WeightFile(path).tensors())


def read_object(path: Path) -> Any:
    """What torch.save wrote, as it is nested: tensors in plain containers, on the CPU.

    Raises:
        CheckpointError: as WeightFile; a safetensors file is no such one.
    """
    path = Path(path)
    start, size = first_bytes(path)
    with _explained(path, size):
        return _unpickled(path, start, size)


def _load_torch(path: Path, start: bytes, size: int) -> dict[str, Tensor]:
    """The tensors of a file that torch.save wrote; every other content is refused by name."""
    with _explained(path, size):
        loaded = _unpickled(path, start, size)
        if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
            loaded = loaded["state_dict"]
        tensors = _flattened(loaded, size)
    if not tensors:
        raise CheckpointError(f"{path.name} ({size} bytes) holds no tensors, but {type(loaded).__name__}")
    return tensors


def _unpickled(path: Path, start: bytes, size: int) -> Any:
    zipped = start.startswith(b"PK\x03\x04")
    if not zipped and not start.startswith(_OLD_TORCH):
        raise CheckpointError(f"{path.name} ({size} bytes) is no file of weights, but {what_starts_so(start)}")
    if path.suffix.lower() not in _TORCH_SUFFIXES:
        raise CheckpointError(
            f"{path.name} ({size} bytes) is a pickle posing as {path.suffix or 'a file without suffix'}: it was not "
            f"opened. A torch file is called one of {', '.join(_TORCH_SUFFIXES)}"
        )
    if zipped:
        _check_records(path)
    # What is allowed in a pickle is the process's: two threads would forbid each other the names.
    with _LOADING, torch.serialization.safe_globals([*map(_stand_in, _LEFTOVERS), _PARAMETERS]):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)


@contextmanager
def _explained(path: Path, size: int) -> Iterator[None]:
    """Inside the block, whatever a damaged file raises is a CheckpointError that names it."""
    try:
        yield
    except MemoryError as error:
        raise CheckpointError(f"{path.name} ({size} bytes): there is not enough memory to read it") from error
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        if culprit := re.search(r"\bGLOBAL (\S+)", str(error)):
            got = f"the Python object {culprit[1]}"
            raise CheckpointError(f"{path.name} holds more than tensors and was not loaded: {got}") from error
        # Around what it found, torch explains how to load the file all the same.
        found = re.search(r"WeightsUnpickler error:\s*(\S.*)", str(error))
        reason = found[1] if found else "its pickle cannot be read"
        raise CheckpointError(f"{path.name} ({size} bytes) is no torch file or damaged: {reason:.200}") from error
    except Exception as error:  # of a damaged file, zipfile, pickle and torch raise anything
        raise CheckpointError(f"{path.name} ({size} bytes) is no torch file or damaged: {_reason(error)}") from error


_LOADING = threading.Lock()


def _check_records(path: Path) -> None:
    """Raise ValueError where a zip file holds more than it has bytes; torch.save stores its records as they are."""
    with zipfile.ZipFile(path) as archive:
        for record in archive.infolist():
            if record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size:
                raise ValueError(f"its record {record.filename!r:.80} is compressed, as torch.save never does")


class _Inert:
    """Stands for what old checkpoints keep beside their weights: takes anything, does nothing."""

    def __init__(self, *args: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _stand_in(name: str) -> type[_Inert]:
    module, _, leaf = name.rpartition(".")
    return type(leaf, (_Inert,), {"__module__": module})


# A torch.nn.ParameterDict, in which the first embeddings were kept: its parameters as a plain dictionary.
_PARAMETERS = type(
    "ParameterDict",
    (dict,),
    {
        "__module__": "torch.nn.modules.container",
        "__setstate__": lambda self, state: self.update(state.get("_parameters", {})),
    },
)


def _flattened(loaded: Any, size: int) -> dict[str, Tensor]:
    """The tensors in nested dictionaries, by their keys with dots between. Raises ValueError where they have
    no end."""
    found: dict[str, Tensor] = {}
    stack = [("", loaded, 0)]
    spent = held = 0
    while stack:
        name, value, depth = stack.pop()
        if isinstance(value, Tensor):
            _check_plain(name, value)
            held += value.nbytes
            found[name] = value
        elif isinstance(value, Mapping) or _are_dictionaries(value):
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            inner = [(f"{name}.{key}" if name else str(key), item, depth + 1) for key, item in items]
            spent += sum(len(place) + 8 for place, _, _ in inner)
            stack.extend(reversed(inner))
        if spent > _MOST_NAMES or depth > _DEEPEST:
            raise ValueError("its dictionaries have no end, or hold each other too often")
        if held > _MOST_SHARED * size:
            raise ValueError(f"its tensors come to more than {held:,} bytes")
    return found


def _are_dictionaries(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def _check_plain(name: str, tensor: Tensor) -> None:
    """Raise ValueError for a tensor that is more, or less, than the numbers that the file has for it."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested or tensor.is_meta:
        kind = "quantised" if tensor.is_quantized else "without numbers" if tensor.is_meta else "sparse or nested"
        raise ValueError(f"tensor {name!r:.80} is {kind}; only plain ones are read")
    if tensor.nbytes > tensor.untyped_storage().nbytes():
        raise ValueError(f"tensor {name!r:.80} has the shape {list(tensor.shape)}, and not the numbers for it")


def _reason(error: BaseException) -> str:
    """The first line of torch's explanation, which can fill a page."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
