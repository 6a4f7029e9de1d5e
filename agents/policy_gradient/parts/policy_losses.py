"""The losses whose gradients are policy gradients, as functions of log-probabilities (steps,)."""

from __future__ import annotations

import minigrad as mg


def same_shape(who: str, **tensors: mg.Tensor) -> None:
    """Raises ValueError unless all have one shape: (64,) against (64, 1) would broadcast to (64, 64)."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(
            f"{who}: the shapes are {listed}, and must be the same; reshape one of them, because broadcasting would "
            f"weigh every action with every other's credit"
        )


def policy_gradient_loss(log_prob: mg.Tensor, credit: mg.Tensor, episodes: int) -> mg.Tensor:
    """-1/N Σ credit · log π(a | s), both of shape (steps,), over the steps of N episodes. Its gradient is the policy
    gradient's estimate with the sign turned; its value says nothing."""
    same_shape("policy_gradient_loss", log_prob=log_prob, credit=credit)
    return -(credit * log_prob).sum() / episodes
