"""The seams of DQN: what its variants choose differently."""
