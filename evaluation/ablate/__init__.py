"""What each piece of the method is worth: one run a switch and seed, and the differences to the full method."""
