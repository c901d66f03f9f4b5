"""The version of BigDL whose names and behaviour this front has."""

__version__ = "0.13.0"
