"""Rows of DataFrames, RDDs and of the driver's arrays on their way into the ranks' memory."""
