"""The switches that PyTorch scripts set without using. They are plain attributes and change nothing."""


class _Switches:
    deterministic = True
    benchmark = False
    enabled = False

    def is_available(self) -> bool:
        """No such backend here."""
        return False


cudnn = _Switches()
