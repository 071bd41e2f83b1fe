"""Door 2: the four legacy REST paths, and the pages and probes beside them."""
