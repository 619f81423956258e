"""`comfy.model_management`: where networks compute, what memory is free, and how a run is stopped.

Weft brings a network to its device when it is asked to compute, and sends others back when memory is short, so what
loads or unloads models here has little to do.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from enum import Enum
from typing import Any

import torch
from torch import Tensor

from weft.engine.errors import Interrupted
from weft.nodes.compat.host import context
from weft.nodes.diffusion.weights.memory import resolve_device, resolve_dtype

OOM_EXCEPTION = torch.OutOfMemoryError
XFORMERS_IS_AVAILABLE = False
XFORMERS_ENABLED_VAE = False
DISABLE_SMART_MEMORY = False
FORCE_FP32 = False
current_loaded_models: list[Any] = []
"""Always empty: which networks are on a device is Weft's own affair."""


class VRAMState(Enum):
    """How much memory there is on the device."""

    DISABLED = 0
    NO_VRAM = 1
    LOW_VRAM = 2
    NORMAL_VRAM = 3
    HIGH_VRAM = 4
    SHARED = 5


class CPUState(Enum):
    """What kind of device computes."""

    GPU = 0
    CPU = 1
    MPS = 2


class InterruptProcessingException(Interrupted):
    """Raised to stop the run."""

    def __init__(self, reason: str = "interrupted") -> None:
        super().__init__(reason)


# -- devices


def get_torch_device() -> torch.device:
    """Where the networks of the run compute."""
    return resolve_device(context().settings.device)


def _cpu(*_: Any, **__: Any) -> torch.device:
    """The CPU: where weights wait, and where values between nodes are."""
    return torch.device("cpu")


def _device(*_: Any, **__: Any) -> torch.device:
    """Where the networks of the run compute."""
    return get_torch_device()


unet_offload_device = text_encoder_offload_device = vae_offload_device = intermediate_device = _cpu
unet_inital_load_device = unet_initial_load_device = vae_device = text_encoder_device = text_encoder_initial_device = (
    _device
)
controlnet_device = _device


def get_torch_device_name(device: torch.device) -> str:
    """What it is called."""
    device = torch.device(device)
    if device.type != "cuda":
        return device.type
    return f"{device} {torch.cuda.get_device_name(device)}"


def get_autocast_device(dev: Any) -> str:
    """Its kind."""
    kind: str = getattr(dev, "type", "cuda")
    return kind


def is_device_type(device: Any, kind: str) -> bool:
    """Whether a device is of a kind."""
    return getattr(device, "type", None) == kind


def is_device_cpu(device: Any) -> bool:
    """Whether it is the CPU."""
    return is_device_type(device, "cpu")


def is_device_cuda(device: Any) -> bool:
    """Whether it is one of NVIDIA's or AMD's."""
    return is_device_type(device, "cuda")


def is_device_mps(device: Any) -> bool:
    """Whether it is Apple's."""
    return is_device_type(device, "mps")


def is_device_xpu(device: Any) -> bool:
    """Whether it is Intel's."""
    return is_device_type(device, "xpu")


def is_nvidia() -> bool:
    """Whether the run computes on a GPU of NVIDIA's."""
    return get_torch_device().type == "cuda" and bool(torch.version.cuda)


def is_amd() -> bool:
    """Whether on one of AMD's."""
    return get_torch_device().type == "cuda" and bool(torch.version.hip)


def cpu_mode() -> bool:
    """Whether the run computes on the CPU."""
    return get_torch_device().type == "cpu"


def _no(*_: Any, **__: Any) -> bool:
    """No: Weft computes on CPUs and on CUDA devices."""
    return False


is_intel_xpu = is_directml_enabled = is_ascend_npu = is_mlu = is_ixuca = mps_mode = _no
xformers_enabled = xformers_enabled_vae = sage_attention_enabled = flash_attention_enabled = _no
in_training = False


def pytorch_attention_enabled() -> bool:
    """Whether torch's own attention computes: always."""
    return True


pytorch_attention_flash_attention = pytorch_attention_enabled


def __getattr__(name: str) -> Any:
    if name == "vram_state":
        return VRAMState.DISABLED if cpu_mode() else VRAMState.NORMAL_VRAM
    if name == "cpu_state":
        return CPUState.CPU if cpu_mode() else CPUState.GPU
    if name == "total_vram":
        return get_total_memory() / (1024 * 1024)
    if name == "total_ram":
        return get_total_memory(torch.device("cpu")) / (1024 * 1024)
    raise AttributeError(name)


# -- number formats


def _dtype(kind: str) -> torch.dtype:
    return resolve_dtype(context().settings.dtype, get_torch_device(), kind)


def unet_dtype(*_: Any, **__: Any) -> torch.dtype:
    """Of diffusion models."""
    return _dtype("unet")


def vae_dtype(*_: Any, **__: Any) -> torch.dtype:
    """Of VAEs."""
    return _dtype("vae")


def text_encoder_dtype(*_: Any, **__: Any) -> torch.dtype:
    """Of text encoders."""
    return _dtype("text")


def intermediate_dtype() -> torch.dtype:
    """Of values between nodes."""
    return torch.float32


def unet_manual_cast(*_: Any, **__: Any) -> None:
    """None: networks compute in the format of their weights."""


def dtype_size(dtype: torch.dtype) -> int:
    """Bytes of a number."""
    return dtype.itemsize


def should_use_fp16(device: Any = None, *_: Any, **__: Any) -> bool:
    """Whether diffusion models are float16."""
    return _dtype("unet") is torch.float16


def should_use_bf16(device: Any = None, *_: Any, **__: Any) -> bool:
    """Whether they are bfloat16."""
    return _dtype("unet") is torch.bfloat16


def supports_dtype(device: Any, dtype: torch.dtype) -> bool:
    """Whether a device computes in a format."""
    return dtype is torch.float32 or (dtype in (torch.float16, torch.bfloat16) and not is_device_cpu(device))


def device_supports_non_blocking(device: Any) -> bool:
    """Whether copies to it need not be waited for."""
    return is_device_cuda(device)


def device_should_use_non_blocking(device: Any) -> bool:
    """Whether they should not."""
    return False


def supports_cast(device: Any, dtype: torch.dtype) -> bool:
    """Whether numbers can be brought to a format there."""
    return True


supports_fp8_compute = _no


def pick_weight_dtype(dtype: torch.dtype | None, fallback_dtype: torch.dtype, device: Any = None) -> torch.dtype:
    """The format asked for, or the other."""
    return fallback_dtype if dtype is None else dtype


def cast_to(
    weight: Tensor,
    dtype: torch.dtype | None = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    **_: Any,
) -> Tensor:
    """A tensor in a format, on a device."""
    return weight.to(device=device, dtype=dtype, non_blocking=non_blocking, copy=copy)


def cast_to_device(tensor: Tensor, device: Any, dtype: torch.dtype, copy: bool = False) -> Tensor:
    """The same in another order."""
    return cast_to(tensor, dtype, device, copy=copy)


def force_channels_last() -> bool:
    """No."""
    return False


# -- memory


def get_free_memory(dev: Any = None, torch_free_too: bool = False) -> Any:
    """Bytes that can be allocated on a device; with torch_free_too also those that torch holds unused."""
    device = get_torch_device() if dev is None else torch.device(dev)
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        free = torch.cuda.mem_get_info(device)[0] + unused
    else:
        free = unused = _memory("MemAvailable")
    return (free, unused) if torch_free_too else free


def get_total_memory(dev: Any = None, torch_total_too: bool = False) -> Any:
    """Bytes of a device."""
    device = get_torch_device() if dev is None else torch.device(dev)
    total = torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else _memory("MemTotal")
    return (total, total) if torch_total_too else total


def _memory(field: str) -> int:
    """A field of the system's memory in bytes; 8 GiB where nothing tells."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{field}:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return 8 << 30


def free_memory(memory_required: float = 0, device: Any = None, keep_loaded: Sequence[Any] = ()) -> list[Any]:
    """Give back what torch holds unused; networks leave when another one needs the room."""
    soft_empty_cache()
    return []


def soft_empty_cache(force: bool = False) -> None:
    """Give back what torch holds unused."""
    if torch.cuda.is_available() and get_torch_device().type == "cuda":
        torch.cuda.empty_cache()


def cleanup_models(keep_clone_weights_loaded: bool = False) -> None:
    """Collect what nobody holds."""
    gc.collect()


cleanup_models_gc = cleanup_models


def unload_all_models(*_: Any, **__: Any) -> None:
    """Give back what torch holds unused."""
    free_memory()


unload_model_clones = unload_all_models


def load_models_gpu(models: Sequence[Any], memory_required: float = 0, *_: Any, **__: Any) -> None:
    """Bring models, Weft's and networks of packs, to their device now."""
    for model in models:
        network = getattr(model, "network", None)
        if network is not None:
            network.module()
        elif isinstance(getattr(model, "model", None), torch.nn.Module):
            model.model.to(model.load_device)


def load_model_gpu(model: Any) -> None:
    """Bring one model to its device now."""
    load_models_gpu([model])


def loaded_models(only_currently_used: bool = False) -> list[Any]:
    """None that a pack could unload."""
    return []


def minimum_inference_memory() -> int:
    """Bytes that are kept free for activations."""
    return 1 << 30


def maximum_vram_for_weights(device: Any = None) -> float:
    """Bytes that weights may take."""
    return float(get_total_memory(device)) * 0.88 - minimum_inference_memory()


def extra_reserved_memory() -> int:
    """None."""
    return 0


def module_size(module: torch.nn.Module) -> int:
    """Bytes of a module's weights."""
    return sum(tensor.nbytes for tensor in module.state_dict().values())


# -- stopping


def interrupt_current_processing(value: bool = True) -> None:
    """Ask the run to stop at its next step."""
    if value:
        context().cancel("a node asked for it")


def processing_interrupted() -> bool:
    """Whether it was asked to."""
    return context().token.reason is not None


def throw_exception_if_processing_interrupted() -> None:
    """Raise InterruptProcessingException where it was."""
    try:
        context().checkpoint()
    except Interrupted as error:
        raise InterruptProcessingException(str(error)) from None


def raise_non_oom(error: Exception) -> None:
    """Raise an error that is not of memory that ran out."""
    if not isinstance(error, OOM_EXCEPTION):
        raise error


def is_oom(error: Exception) -> bool:
    """Whether it is one of memory that ran out."""
    return isinstance(error, OOM_EXCEPTION)


def archive_model_dtypes(model: Any) -> None:
    """Nothing: networks keep their formats."""


def debug_memory_summary() -> str:
    """What torch says of the device's memory."""
    return torch.cuda.memory_summary() if get_torch_device().type == "cuda" else ""


def synchronize() -> None:
    """Wait for the device."""
    if get_torch_device().type == "cuda":
        torch.cuda.synchronize()
