"""`minigrad.cuda`: what scripts ask before they choose a device. Imports CuPy, if it is there, when first called."""

from __future__ import annotations

from typing import Any

from .device import as_device, backend, missing_gpu


def is_available() -> bool:
    """Whether tensors can be put on a GPU. If not, `minigrad.zeros(1, device="cuda")` says what is missing."""
    return missing_gpu() is None


def device_count() -> int:
    """How many GPUs the driver shows. One process computes on the first of them."""
    return backend("cuda").cuda.runtime.getDeviceCount() if is_available() else 0


def current_device() -> int:
    """The number of the GPU in use: always 0 (see CUDA_VISIBLE_DEVICES). Raises RuntimeError without a GPU."""
    as_device("cuda")
    return 0


def get_device_name(device: Any = None) -> str:
    """What the GPU is called. Raises RuntimeError without one."""
    name = backend("cuda" if device is None else device).cuda.runtime.getDeviceProperties(0)["name"]
    return name.decode() if isinstance(name, bytes) else name


def synchronize(device: Any = None) -> None:
    """Wait until the GPU has done all that it was given: calls return before their results are there."""
    backend("cuda" if device is None else device).cuda.Device().synchronize()


def empty_cache() -> None:
    """Give memory that is kept for coming tensors back to the driver."""
    if is_available():
        backend("cuda").get_default_memory_pool().free_all_blocks()


def manual_seed(seed: int) -> None:
    """Nothing to do: random numbers come from the host's generator, which `minigrad.manual_seed` seeds."""


manual_seed_all = manual_seed
