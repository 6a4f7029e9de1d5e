"""Agents that learn a model of the environment, and plan or generate steps with it."""
