"""Measurements. Each script is run by hand: `.venv/bin/python -m bench.requests`."""
