"""`minigrad.cuda`: what scripts ask before they choose a device."""


def is_available() -> bool:
    """Whether tensors can live on a GPU. This version computes on the CPU only."""
    return False


def device_count() -> int:
    """How many GPUs there are to use."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed without a GPU."""


manual_seed_all = manual_seed
