"""What every test needs: one BLAS thread, reproducible examples, and figures that survive a passing run."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before NumPy is imported: the tests already use every core

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # an engine test that draws nothing can do without
    pass
else:
    common = dict(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    settings.register_profile("default", derandomize=True, database=None, max_examples=60, **common)
    settings.register_profile("thorough", max_examples=2000, **common)  # HYPOTHESIS_PROFILE=thorough pytest
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_terminal_summary(terminalreporter):
    """Print what tests recorded with `record_property("summary", text)`, and why the GPU's tests were skipped."""
    for report in terminalreporter.stats.get("passed", []):
        for name, text in report.user_properties:
            if name == "summary":
                terminalreporter.write_line(text)
    skipped = [r.longrepr[2] for r in terminalreporter.stats.get("skipped", []) if "test_gpu.py" in r.nodeid]
    for reason in sorted(set(skipped)):
        terminalreporter.write_line(f"{skipped.count(reason)} tests of the GPU: {reason.removeprefix('Skipped: ')}")
