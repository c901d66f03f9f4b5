"""The names of `sandbox.lib.bigdl.zoo.feature.common`."""

from sandbox.lib.bigdl.zoo.feature.common import *
