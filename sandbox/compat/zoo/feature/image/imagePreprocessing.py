"""The names of `sandbox.lib.bigdl.zoo.feature.image.steps`."""

from sandbox.lib.bigdl.zoo.feature.image.steps import *
