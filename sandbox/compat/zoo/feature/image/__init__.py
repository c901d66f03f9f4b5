"""The names of `sandbox.lib.bigdl.zoo.feature.image`."""

from sandbox.lib.bigdl.zoo.feature.image import *
