"""The names of `sandbox.lib.bigdl.version`."""

from sandbox.lib.bigdl.version import __version__ as __version__
