"""What the policy-gradient agents are made of."""
