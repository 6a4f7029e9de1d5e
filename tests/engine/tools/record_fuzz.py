"""Record what PyTorch does with random programs, for test_fuzz.py to compare with where PyTorch is not installed.

    python tests/engine/tools/record_fuzz.py [cases] [first seed]

Programs are left out whose result PyTorch itself changes by more than rounding when it computes in float64, and those
in which we differ on purpose (fuzz.EXCUSES and STRICTER_THERE say how and why). A difference that is not meant is
printed, and its case is recorded all the same: the test fails until one of the two is mended.
"""

from __future__ import annotations

import collections
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "dialect"), str(Path(__file__).parents[3])]

import fuzz  # noqa: E402

import minigrad  # noqa: E402


def main(count: int = 4000, seed: int = 0) -> None:
    import torch

    torch.set_num_threads(1)
    cases: dict[str, dict] = {}
    left_out: collections.Counter = collections.Counter()
    differ = 0
    while len(cases) < count:
        program = fuzz.program(seed)
        seed += 1
        if program in cases:
            continue
        theirs = fuzz.outcome(program, torch)
        found = fuzz.difference(fuzz.outcome(program, minigrad), theirs)
        key, excuse = fuzz.culprit(program, torch) if found else ("", "")
        if excuse:
            left_out[excuse] += 1
        elif not fuzz.stable(program, theirs, torch):
            left_out["not stable"] += 1
        else:
            cases[program] = theirs
            if found:
                differ += 1
                print(f"seed {seed - 1}: {key or found}")
    fuzz.write(cases)
    print(f"{len(cases)} cases from {seed} seeds, {fuzz.FIXTURE.stat().st_size / 1000:.0f} kB, {differ} differ")
    for reason, times in left_out.most_common():
        print(f"{times:6} left out: {reason}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
