"""What every agent shares, once: the training loop, replay, runs on disk, evaluation, plots."""
