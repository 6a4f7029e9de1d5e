"""Capture: a training step recorded once and replayed, equal to eager to the bit.

captured.py  what a user holds: the function, its signatures, its programs
recorder.py  the observer that writes down what a call does
recording.py what was written down, and whether two recordings agree
program.py   the recording as a straight line of Python
numbers.py   a float argument while it is recorded
"""

from .captured import Captured, capture

__all__ = ["Captured", "capture"]
