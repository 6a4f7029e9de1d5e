"""What the algorithms of this family are made of."""
