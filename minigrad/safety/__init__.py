"""Safety: what refuses, and explains. A check may only refuse.

inputs.py     before a call: views that are out of date, two devices, bools that are subtracted
explain.py    after a call: NumPy's complaints, in terms of tensors
versions.py   in backward: arrays that were changed in place since they were kept
anomaly.py    where the first NaN or infinity came from
gradcheck.py  whether a gradient is right: finite differences
"""


def install_checks() -> None:
    """Plug the checks into the core."""
    from ..core import hooks
    from .explain import explain_error
    from .inputs import check_inputs
    from .versions import refuse_changed

    hooks.before_call, hooks.explain, hooks.changed = check_inputs, explain_error, refuse_changed
