"""The contract of the four paths, rule by rule."""
