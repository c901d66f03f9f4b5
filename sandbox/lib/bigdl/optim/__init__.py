"""Optimisation methods and drivers under the names of BigDL."""
