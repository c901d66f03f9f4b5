"""The names of `sandbox.lib.bigdl.kernel`."""

from sandbox.lib.bigdl.kernel import *
