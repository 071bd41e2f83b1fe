"""Door 2: the four legacy REST paths, and the probes beside them."""
