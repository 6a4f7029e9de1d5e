"""Gradient checks by finite differences. The code is in safety/gradcheck.py."""

from .safety.gradcheck import GradcheckError, NotDifferentiableError, gradcheck, gradgradcheck

__all__ = ["GradcheckError", "NotDifferentiableError", "gradcheck", "gradgradcheck"]
