"""The names of `sandbox.lib.bigdl.transform`."""

from sandbox.lib.bigdl.transform import *
