"""What the model-based algorithms are made of."""
