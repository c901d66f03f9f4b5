"""Transformers of data, as `bigdl.transform`."""
