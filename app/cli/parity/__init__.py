"""`orders parity`: do two servers give the same answers to the same calls."""
