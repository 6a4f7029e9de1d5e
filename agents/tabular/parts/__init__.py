"""What the tabular learners and the planners are made of."""
