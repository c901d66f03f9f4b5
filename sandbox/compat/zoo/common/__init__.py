"""The names of `sandbox.lib.bigdl.zoo.common`."""

from sandbox.lib.bigdl.zoo.common import *
