"""The names of `sandbox.lib.bigdl.py2compat`."""

from sandbox.lib.bigdl.py2compat import *
