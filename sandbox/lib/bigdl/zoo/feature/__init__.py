"""Preparation of data, as `zoo.feature`."""
