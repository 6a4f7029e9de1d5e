"""What agents remember: replay and its orders, rollouts, n-step windows."""
