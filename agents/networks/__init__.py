"""What networks are made of: bodies, policies, critics, dueling streams, noisy layers."""
