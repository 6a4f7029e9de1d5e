"""Mutants that change nothing, each with the reason: row -> mutant -> why no check can notice it.

How mutants are named is said in mutants.py.
"""

EQUIVALENT: dict[str, dict[str, str]] = {
    "add": {
        "swap:a:b": "both rules are the identity",
        "swap:b:a": "both rules are the identity",
    },
    "pow": {
        "differentiate_base: if isinstance(b, int | float) -> if False": "a shortcut: the general way takes numbers",
        "differentiate_exponent: a > 0 -> a >= 0": "0 was dealt with before",
    },
    "to_device": {
        "x: to_device(g, source, device) -> g": "here the cases stay on the CPU; test_device.py's do not",
    },
    "assign": {
        "sum_to_value: len(shape) > len(g.shape) -> len(shape) >= len(g.shape)": "one more leading 1 is summed away",
        "sum_to_value: sum_to(g, shape) if g.shape != shape else g -> sum_to(g, shape)": "a shortcut: nothing to sum",
    },
    "sum": {
        "spread_sum: if not keepdim and g.ndim -> if True": "a shortcut: the shape would not change",
        "spread_sum: not keepdim and g.ndim -> not keepdim": "a shortcut: a 0-d cotangent broadcasts anyway",
        "spread_sum: not keepdim and g.ndim -> g.ndim": "a shortcut: with keepdim the shape would not change",
    },
    "cumprod": {
        "_cumprod_slope: if type(x) is np.ndarray and x.all() -> if False": "a shortcut, the general way agrees",
        "_cumprod_slope: type(x) is np.ndarray and x.all() -> x.all()": "first order meets arrays only",
    },
    "normal_log_prob": {
        "exchange:scale:x:loc": "the density is symmetric about loc",
    },
    "matmul": {
        "differentiate_left: b.T if len(b.shape) == 2 else np.swapaxes(b, -1, -2) -> np.swapaxes(b, -1, -2)": "same",
        "differentiate_right: a.T if len(a.shape) == 2 else np.swapaxes(a, -1, -2) -> np.swapaxes(a, -1, -2)": "same",
    },
    "linear": {
        "_weight_slope: if len(x.shape) != 2 -> if True": "a shortcut: the shape would not change",
        "_sum_rows: ones(len(g), g.dtype).dot(g) if type(g) is np.ndarray and g.ndim == 2 else sum"
        "_to(g, bias_shape) -> sum_to(g, bias_shape)": "a shortcut: the product with ones is the same sum",
        "_sum_rows: type(g) is np.ndarray and g.ndim == 2 -> g.ndim == 2": "first order meets arrays only",
    },
    "bce_with_logits": {
        "_bce_target_slope: x > 0 -> x >= 0": "both branches are 0 at 0",
    },
}
