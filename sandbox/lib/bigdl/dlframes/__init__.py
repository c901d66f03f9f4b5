"""Networks and pictures in DataFrames, as `bigdl.dlframes`."""
