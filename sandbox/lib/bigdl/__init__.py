"""The drop-in front for BigDL and Analytics Zoo: their names, defaults and shapes."""
