"""Policies over continuous actions that learn from a replay."""
