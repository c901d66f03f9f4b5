"""The BigDL sandbox: deep learning on Spark and CPUs, to be opened in Jupyter and understood."""

from .tracebacks import fold_in_notebook

__version__ = "0.1.0"

fold_in_notebook()
