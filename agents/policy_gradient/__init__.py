"""Agents that climb the gradient of the return in the policy's own parameters."""
