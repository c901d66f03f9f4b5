"""The BigDL sandbox: deep learning on Spark and CPUs, to be opened in Jupyter and understood."""

__version__ = "0.1.0"
