"""Measurements: `python -m bench NAME`; see README.md of this folder."""
