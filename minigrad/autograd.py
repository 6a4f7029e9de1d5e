"""PyTorch's `autograd`: backward, grad, the modes of recording, anomaly mode. The engine itself is in core/."""

from .dialect.grad_modes import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .dialect.gradients import RemovableHandle, backward, grad
from .safety.anomaly import detect_anomaly, is_anomaly_enabled, set_detect_anomaly

__all__ = [
    "RemovableHandle",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "inference_mode",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]
