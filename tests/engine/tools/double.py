"""A double of CuPy that needs no GPU: arrays which compute with NumPy but refuse whatever CuPy's refuse.

    with double.installed():
        minigrad.zeros(3, device="cuda")

Arrays of a GPU live in other memory, and code that is right on the CPU can leave the device without a word: it makes
an array with np.arange, say, or converts one with np.asarray. Only a machine with a GPU would tell. These arrays tell
everywhere. They

- refuse to become NumPy arrays (`np.asarray`, `array[...] = ours`) and to meet one (`ours + array`);
- dispatch as CuPy's do (NEP 13 for ufuncs, NEP 18 for other functions) to what CuPy 14 has, with its arguments:
  no errstate, block, insert, unstack; reduce and accumulate of add and multiply only; no where=, no max(initial=);
- give 0-d arrays where NumPy gives scalars, and wrap an index out of range where NumPy raises.

Whole arrays that cross between host and device are counted in `crossings`; a single number that crosses (`item()`,
`if x.any()`) is not, because it is what reading a result takes. A function that CuPy has and the lists below lack is
refused too: look up that CuPy has it, and with which arguments, and add it.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

crossings: list[str] = []
"""What was copied, since the list was last cleared: 'to the device (3, 4)' or 'to the host (3, 4)'."""

# CuPy's functions and the arguments that they take, in CuPy's order.
FUNCTIONS = {
    "all": "a axis out keepdims",
    "allclose": "a b rtol atol equal_nan",
    "any": "a axis out keepdims",
    "append": "arr values axis",
    "argmax": "a axis dtype out keepdims",
    "argmin": "a axis dtype out keepdims",
    "argpartition": "a kth axis",
    "argsort": "a axis kind",
    "argwhere": "a",
    "array_equal": "a1 a2 equal_nan",
    "atleast_1d": "*arys",
    "atleast_2d": "*arys",
    "bincount": "x weights minlength",
    "broadcast_arrays": "*args",
    "broadcast_to": "array shape",
    "clip": "a a_min a_max out",
    "concatenate": "tup axis out dtype casting",
    "copy": "a order",
    "count_nonzero": "a axis",
    "cross": "a b axisa axisb axisc axis",
    "cumprod": "a axis dtype out",
    "cumsum": "a axis dtype out",
    "diag": "v k",
    "diagonal": "a offset axis1 axis2",
    "diff": "a n axis prepend append",
    "dot": "a b out",
    "einsum": "*operands",
    "empty_like": "prototype dtype order subok shape",
    "expand_dims": "a axis",
    "flip": "a axis",
    "full_like": "a fill_value dtype order subok shape",
    "max": "a axis out keepdims",
    "isclose": "a b rtol atol equal_nan",
    "may_share_memory": "a b max_work",
    "mean": "a axis dtype out keepdims",
    "median": "a axis out overwrite_input keepdims",
    "min": "a axis out keepdims",
    "moveaxis": "a source destination",
    "nan_to_num": "x copy nan posinf neginf",
    "nonzero": "a",
    "ones_like": "a dtype order subok shape",
    "outer": "a b out",
    "pad": "array pad_width mode constant_values",
    "partition": "a kth axis",
    "prod": "a axis dtype out keepdims",
    "put_along_axis": "arr indices values axis",
    "ravel": "a order",
    "repeat": "a repeats axis",
    "reshape": "a newshape order copy",
    "result_type": "*arrays_and_dtypes",
    "roll": "a shift axis",
    "round": "a decimals out",
    "searchsorted": "a v side sorter",
    "shape": "a",
    "shares_memory": "a b max_work",
    "sliding_window_view": "x window_shape axis subok writeable",
    "sort": "a axis kind",
    "squeeze": "a axis",
    "stack": "tup axis out dtype casting",
    "std": "a axis dtype out ddof keepdims",
    "sum": "a axis dtype out keepdims",
    "swapaxes": "a axis1 axis2",
    "take": "a indices axis out",
    "take_along_axis": "a indices axis",
    "tensordot": "a b axes",
    "tile": "A reps",
    "trace": "a offset axis1 axis2 dtype out",
    "transpose": "a axes",
    "tril": "m k",
    "triu": "m k",
    "unique": "ar return_index return_inverse return_counts axis equal_nan",
    "unravel_index": "indices dims order",
    "var": "a axis dtype out ddof keepdims",
    "where": "condition x y",
    "zeros_like": "a dtype order subok shape",
}
METHODS = {
    "all": "axis out keepdims",
    "any": "axis out keepdims",
    "argmax": "axis out dtype keepdims",
    "argmin": "axis out dtype keepdims",
    "argsort": "axis kind",
    "astype": "dtype order casting subok copy",
    "clip": "min max out",
    "copy": "order",
    "cumsum": "axis dtype out",
    "dot": "b out",
    "fill": "value",
    "flatten": "order",
    "max": "axis out keepdims",
    "mean": "axis dtype out keepdims",
    "min": "axis out keepdims",
    "nonzero": "",
    "prod": "axis dtype out keepdims",
    "ravel": "order",
    "repeat": "repeats axis",
    "reshape": "*shape order copy",
    "round": "decimals out",
    "sort": "axis kind",
    "squeeze": "axis",
    "sum": "axis dtype out keepdims",
    "swapaxes": "axis1 axis2",
    "take": "indices axis out",
    "transpose": "*axes",
    "var": "axis dtype out ddof keepdims",
    "view": "dtype type",
}
CREATION = {
    "arange": "start stop step dtype",
    "empty": "shape dtype order",
    "eye": "N M k dtype order",
    "full": "shape fill_value dtype order",
    "linspace": "start stop num endpoint retstep dtype axis",
    "ones": "shape dtype order",
    "tri": "N M k dtype",
    "zeros": "shape dtype order",
}
UFUNC_METHODS = {
    "reduce": {"add", "multiply"},
    "accumulate": {"add", "multiply"},
    "at": {"add", "subtract", "maximum", "minimum"},
    "outer": {"add", "subtract", "multiply"},
}
MISSING_UFUNCS = {"matvec", "vecdot", "vecmat", "spacing", "isnat"}


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array on the device. What it holds is out of sight; only the attributes that CuPy's arrays have are there."""

    __slots__ = ("__held", "__weakref__", "base")

    # -- what it is

    shape = property(lambda self: _held(self).shape)
    dtype = property(lambda self: _held(self).dtype)
    ndim = property(lambda self: _held(self).ndim)
    size = property(lambda self: _held(self).size)
    itemsize = property(lambda self: _held(self).itemsize)
    nbytes = property(lambda self: _held(self).nbytes)
    strides = property(lambda self: _held(self).strides)
    flags = property(lambda self: _Flags(_held(self).flags))
    flat = property(lambda self: (_wrap(np.asarray(x)) for x in _held(self).flat))
    T = property(lambda self: self.transpose())
    device = property(lambda self: _Device())
    __cuda_array_interface__ = property(lambda self: _held(self).__array_interface__)

    # -- NumPy's protocols

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError("double: implicit conversion of a device array to a NumPy array")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        strangers = [x for x in inputs if not isinstance(x, ndarray | np.ndarray | np.generic | int | float | tuple)]
        if ufunc.__name__ in MISSING_UFUNCS or any(hasattr(x, "__array_ufunc__") for x in strangers):
            return NotImplemented
        if method != "__call__" and ufunc.__name__ not in UFUNC_METHODS.get(method, ()):
            raise NotImplementedError(f"double: CuPy's {ufunc.__name__}.{method} is not there")
        _check_arguments(f"{ufunc.__name__}.{method}", options, ["axis", "dtype", "keepdims", "casting"])
        if out is not None:
            options["out"] = tuple(_unwrap(o, "out") for o in out)
        if method == "at":
            inputs = (inputs[0], _wrapped(inputs[1], inputs[0].shape), *inputs[2:])
        result = getattr(ufunc, method)(*_unwrap(inputs, ufunc.__name__), **options)
        return out[0] if out is not None else _wrap(result, (self, *inputs))

    def __array_function__(self, function: Any, types: Any, args: tuple, kwargs: dict) -> Any:
        if not all(issubclass(t, ndarray | np.ndarray) for t in types):
            return NotImplemented
        return _call(function, FUNCTIONS | CREATION, args, kwargs)  # CREATION: np.arange(n, like=ours)

    # -- elements

    def __getitem__(self, key: Any) -> Any:
        return _wrap(_held(self)[_unwrap(_wrapped(key, self.shape), "an index")], (self,))

    def __setitem__(self, key: Any, value: Any) -> None:
        _held(self)[_unwrap(_wrapped(key, self.shape), "an index")] = _unwrap(value, "an assignment")

    def __len__(self) -> int:
        return len(_held(self))

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(_held(self))

    def __int__(self) -> int:
        return int(_held(self))

    def __float__(self) -> float:
        return float(_held(self))

    def __repr__(self) -> str:
        return f"device {_held(self)!r}"

    def __format__(self, spec: str) -> str:
        return format(_held(self), spec)

    __str__ = __repr__
    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        return _pickled, (self.get(),)

    # -- to the host

    def get(self) -> np.ndarray:
        """A copy in the host's memory."""
        crossings.append(f"to the host {self.shape}")
        return _held(self).copy()

    def item(self) -> Any:
        """The number that a one-element array holds."""
        return _held(self).item()

    def tolist(self) -> Any:
        """Nested lists of numbers."""
        return _held(self).tolist()


class _Flags:
    """CuPy's flags: without `writeable`."""

    def __init__(self, flags: Any) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata


class _Device:
    id = 0

    def synchronize(self) -> None:
        """There is nothing to wait for."""


_held = ndarray.__dict__["_ndarray__held"].__get__


def _wrap(value: Any, sources: tuple = ()) -> Any:
    """NumPy's result as an array of ours; what looks at the memory of one of `sources` says so by its `base`."""
    if type(value) in (tuple, list):
        return type(value)(_wrap(v, sources) for v in value)
    if not isinstance(value, np.ndarray | np.generic):
        return value
    out = ndarray.__new__(ndarray)
    held = np.asarray(value)
    ndarray.__dict__["_ndarray__held"].__set__(out, held)
    out.base = None
    for source in sources:
        if isinstance(source, ndarray) and held.base is not None and np.may_share_memory(held, _held(source)):
            out.base = source if source.base is None else source.base
    return out


def _unwrap(value: Any, where: str) -> Any:
    """Arguments for NumPy; raises where one is an array of the host."""
    if isinstance(value, ndarray):
        return _held(value)
    if isinstance(value, np.ndarray):
        raise TypeError(f"double: a numpy.ndarray of shape {value.shape} meets a device array in {where}")
    if type(value) in (tuple, list):
        return type(value)(_unwrap(v, where) for v in value)
    return value


def _wrapped(key: Any, shape: tuple[int, ...]) -> Any:
    """A key whose integer arrays are taken modulo the size, as CuPy takes them."""
    parts = list(key) if isinstance(key, tuple) else [key]
    if sum(map(_is_mask, parts)) > 1:
        raise ValueError("double: CuPy does not take several masks in one index")
    used = sum(k.ndim if _is_mask(k) else k is not None and k is not Ellipsis for k in parts)
    dim = 0
    for i, k in enumerate(parts):
        if k is None:
            continue
        if k is Ellipsis:
            dim += len(shape) - used
        elif _is_mask(k):
            dim += k.ndim
        else:
            if isinstance(k, ndarray) and dim < len(shape) and shape[dim]:
                parts[i] = _wrap(_held(k) % shape[dim])
            dim += 1
    return tuple(parts) if isinstance(key, tuple) else parts[0]


def _is_mask(k: Any) -> bool:
    return isinstance(k, ndarray) and k.dtype == bool


def _check_arguments(name: str, given: Any, known: list[str]) -> None:
    unknown = [k for k in given if k not in known]
    if unknown:
        raise TypeError(f"double: CuPy's {name} does not take {unknown}")


def _call(function: Any, table: dict[str, str], args: tuple, kwargs: dict) -> Any:
    """A function of NumPy on our arrays, if CuPy has it and takes these arguments."""
    name = {"amax": "max", "amin": "min"}.get(function.__name__, function.__name__)
    if name not in table:
        raise TypeError(f"double: numpy.{name} is not in the list of what CuPy has")
    known = table[name].split()
    _check_arguments(name, kwargs, [k.lstrip("*") for k in known])
    if not known[:1] or (len(args) > len(known) and not known[0].startswith("*")):
        raise TypeError(f"double: CuPy's {name} takes {known}, {len(args)} arguments were given")
    if name == "where" and len(args) == 3 and not hasattr(args[0], "astype"):
        raise AttributeError("double: the condition of CuPy's where is an array")
    if name in ("take", "take_along_axis"):
        kwargs = {**kwargs, "mode": "wrap"} if name == "take" else kwargs
    result = function(*_unwrap(args, name), **{k: _unwrap(v, name) for k, v in kwargs.items()})
    if kwargs.get("out") is not None:
        return kwargs["out"]
    if name == "diagonal":  # CuPy's view may be written through
        result.flags.writeable = True
    sources = tuple(x for a in args for x in (a if isinstance(a, tuple | list) else (a,)))
    return _wrap(result if not isinstance(result, bool) or "share" in name else np.bool_(result), sources)


def _method(name: str) -> Any:
    known = METHODS[name].split()

    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        _check_arguments(name, kwargs, known)
        if len(args) > len(known) and not (known and known[0].startswith("*")):
            raise TypeError(f"double: CuPy's {name} takes {known}, {len(args)} arguments were given")
        if name == "take":
            kwargs["mode"] = "wrap"
        out = kwargs.pop("out", None)
        if out is not None:
            kwargs["out"] = _unwrap(out, name)
        result = getattr(_held(self), name)(*_unwrap(args, name), **{k: _unwrap(v, name) for k, v in kwargs.items()})
        return out if out is not None else _wrap(result, (self,))

    method.__name__ = name
    return method


for _name in METHODS:
    setattr(ndarray, _name, _method(_name))


# -- the module -------------------------------------------------------------------------------------------


def asarray(a: Any, dtype: Any = None) -> ndarray:
    """An array of ours itself, a copy of anything else."""
    if isinstance(a, ndarray):
        return a if dtype is None or a.dtype == dtype else a.astype(dtype)
    return array(a, dtype)


def array(obj: Any, dtype: Any = None) -> ndarray:
    """A copy on the device. A single number that crosses is not counted."""
    if isinstance(obj, ndarray):
        return _wrap(np.array(_held(obj), dtype))
    copied = np.array(obj, dtype)
    if copied.dtype.kind not in "biufc":
        raise ValueError(f"double: CuPy has no arrays of dtype {copied.dtype}")
    if copied.ndim:
        crossings.append(f"to the device {copied.shape}")
    return _wrap(copied)


_pickled = array


class _Cupy(types.ModuleType):
    """The module `cupy`, as far as minigrad may use it."""

    __version__ = "14.2.0 (double)"
    ndarray = ndarray
    array, asarray = staticmethod(array), staticmethod(asarray)

    def __init__(self, available: bool = True) -> None:
        super().__init__("cupy")
        self.is_available = lambda: available

        def count() -> int:
            if not available:
                raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
            return 1

        runtime = types.SimpleNamespace(
            getDeviceCount=count, getDeviceProperties=lambda index: {"name": b"a double of a GPU"}
        )
        self.cuda = types.SimpleNamespace(runtime=runtime, Device=_Device)
        self.get_default_memory_pool = lambda: types.SimpleNamespace(free_all_blocks=lambda: None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # or Python would find NumPy's own attributes here
            raise AttributeError(name)
        function = getattr(np, name, None)
        if name in CREATION:
            return lambda *args, **kwargs: _call(function, CREATION, args, kwargs)
        if isinstance(function, np.ufunc) and name not in MISSING_UFUNCS:
            return lambda *args, **kwargs: _wrap(function(*_unwrap(args, name), **_options(kwargs)))
        if name in FUNCTIONS:
            return lambda *args, **kwargs: _call(function, FUNCTIONS, args, kwargs)
        raise AttributeError(f"double: CuPy has no {name}, or it is not in the lists of tests/engine/tools/double.py")


def _options(kwargs: dict) -> dict:
    _check_arguments("ufunc", kwargs, ["out", "dtype", "casting"])
    return {k: _unwrap(v, "out") for k, v in kwargs.items()}


@contextlib.contextmanager
def installed(available: bool = True) -> Iterator[_Cupy]:
    """Inside, `import cupy` finds the double: "cuda" is a device. available: False for a CuPy that finds no GPU."""
    before = sys.modules.get("cupy")
    sys.modules["cupy"] = module = _Cupy(available)
    try:
        yield module
    finally:
        if before is None:
            del sys.modules["cupy"]
        else:
            sys.modules["cupy"] = before
