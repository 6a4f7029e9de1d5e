"""Agents that learn how much an action is worth, and take the best."""
