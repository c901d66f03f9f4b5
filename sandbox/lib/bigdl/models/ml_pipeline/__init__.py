"""Stages of Spark ML, as `bigdl.models.ml_pipeline`."""
