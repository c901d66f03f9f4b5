"""BigDL's `bigdl.util`."""
