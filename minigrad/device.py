"""Devices: "cpu" is NumPy, "cuda" is CuPy. The only module that knows both.

Everything else asks here: `put` moves an array, `namespace` says with which of the two modules an array is computed
with, `to_numpy` brings values back. Functions of NumPy that are *given* an array need no such question, because they
dispatch on it (np.tanh of a CuPy array runs on the GPU); only code that *makes* one (arange, eye, a mask) has to ask.

CuPy is imported when a GPU is first asked for, so a program that stays on the CPU never sees it. One process computes
on one GPU, "cuda:0"; which one that is, CUDA_VISIBLE_DEVICES says.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


class device:
    """Where a tensor's memory lives: `device("cpu")`, `device("cuda")`, `device("cuda:0")`, `device("cuda", 0)`.

    Making one asks for no GPU yet; that happens when a tensor is put there.
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        name, colon, number = str(type).partition(":")
        if name not in ("cpu", "cuda"):
            raise RuntimeError(f"device: unknown device {type!r}; expected 'cpu' or 'cuda'")
        if colon and (not number.isdigit() or index is not None):
            raise RuntimeError(f"device: {type!r} has a bad index; expected 'cpu', 'cuda' or 'cuda:0'")
        self.type, self.index = name, int(number) if number else index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (f", index={self.index})" if self.index is not None else ")")


CPU, GPU = device("cpu"), device("cuda", 0)


# -- asking for a device ----------------------------------------------------------------------------------


def as_device(where: Any) -> device:
    """`where` (None, a string, a number or a device) as a device that is there.

    Raises RuntimeError, which says what was looked for, if a GPU is asked for and there is none to use.
    """
    if where is None:
        return CPU
    found = device("cuda", where) if type(where) is int else device(where)
    if found.type == "cpu":
        return CPU
    why_not = missing_gpu()
    if why_not:
        raise RuntimeError(f"device '{found}' is not available: {why_not}; without a GPU use device='cpu'")
    if found.index:
        raise RuntimeError(
            f"device '{found}': one process computes on one GPU, 'cuda:0'; to make it another one, "
            f"start the program with CUDA_VISIBLE_DEVICES={found.index} and ask for 'cuda'"
        )
    return GPU


def missing_gpu() -> str | None:
    """What is missing for a GPU to be used and how to mend it, or None if nothing is. Imports CuPy if it is there."""
    try:
        import cupy  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        return (
            f"the package 'cupy' could not be imported ({error}); with a CUDA 12 driver install it as cupy-cuda12x "
            "(pip install 'minigrad[cuda12]'), with a CUDA 13 driver as cupy-cuda13x (pip install 'minigrad[cuda13]'), "
            "never both"
        )
    if cupy.is_available():
        return None
    try:
        answer = f"the driver counts {cupy.cuda.runtime.getDeviceCount()} GPUs"
    except Exception as error:  # CUDARuntimeError, which only CuPy could name
        answer = f"the driver answers: {error}"
    return (
        f"CuPy {cupy.__version__} is installed but finds no GPU ({answer}); see whether `nvidia-smi` lists one, "
        "whether CUDA_VISIBLE_DEVICES hides it, and whether the package fits the driver: "
        "cupy-cuda12x (minigrad[cuda12]) for CUDA 12, cupy-cuda13x (minigrad[cuda13]) for CUDA 13"
    )


# -- where an array is, and what computes with it ---------------------------------------------------------


_NUMPYS = (np.ndarray, np.generic)


def on_cpu(array: Any) -> bool:
    """Whether `array` is NumPy's (or no array at all)."""
    return isinstance(array, _NUMPYS) or not is_array(array)


def is_array(x: Any) -> bool:
    """Whether `x` is an array of either module, rather than a number or a list."""
    if isinstance(x, np.ndarray):
        return True
    cupy = sys.modules.get("cupy")  # an array of CuPy's can only be there if CuPy is
    return cupy is not None and isinstance(x, cupy.ndarray)


def device_of(array: Any) -> device:
    """The device that holds `array`."""
    return CPU if on_cpu(array) else GPU


def zeros_beside(x: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape`, of the dtype of `x` and where it is. For NumPy's arrays quicker than `np.zeros_like`."""
    return np.zeros(shape, x.dtype) if type(x) is np.ndarray else np.zeros_like(x, shape=shape)


def namespace(array: Any) -> Any:
    """The module that computes with `array` (or with a Tensor's array), to make other arrays beside it."""
    array = getattr(array, "array", array)
    return np if on_cpu(array) else sys.modules["cupy"]


def backend(where: Any) -> Any:
    """The module that makes arrays on the device `where`."""
    return np if as_device(where) is CPU else sys.modules["cupy"]


# -- moving -----------------------------------------------------------------------------------------------


def put(array: Any, where: Any) -> Any:
    """`array` on the device `where`; itself if it is there already."""
    if as_device(where) is CPU:
        return to_numpy(array)
    return sys.modules["cupy"].asarray(array) if on_cpu(array) else array


def beside(array: Any, other: Any) -> Any:
    """`array` on the device that holds `other`; itself if it is there already."""
    return array if type(array) is type(other) else put(array, device_of(other))


def to_numpy(x: Any) -> np.ndarray:
    """The values of a tensor or an array as NumPy's array on the host, gradient or not.

    On the CPU it is the same memory. What is on a GPU is copied, which waits until the GPU has computed it.
    (`Tensor.numpy()` is stricter, as in PyTorch.)
    """
    array = getattr(x, "array", x)
    return array if type(array) is np.ndarray or on_cpu(array) else array.get()


def as_array(y: Any) -> Any:
    """What a function of arrays returned, as an array: NumPy's reductions give scalars where CuPy's give 0-d arrays."""
    return np.asarray(y) if isinstance(y, np.generic) else y
