"""Data sets under the names of BigDL: files of a local folder, read as they are."""
