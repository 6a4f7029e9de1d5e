"""Agents that keep a number for every state, or every state and action."""
