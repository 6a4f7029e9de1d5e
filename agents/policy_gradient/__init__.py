"""Agents that learn the policy itself, along the gradient of how good it is."""
