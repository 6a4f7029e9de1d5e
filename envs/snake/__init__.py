"""Snake: grow by eating, don't run into the walls or into yourself. The rules are in rules.py, what an agent sees in
views.py, the environments in environment.py, the picture in drawing.py."""

from .environment import Snake, VectorSnake

__all__ = ["Snake", "VectorSnake"]
