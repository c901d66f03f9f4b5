"""The names of `sandbox.lib.bigdl.zoo.feature`."""

from sandbox.lib.bigdl.zoo.feature import *
