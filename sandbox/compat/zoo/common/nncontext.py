"""The names of `sandbox.lib.bigdl.zoo.common.nncontext`."""

from sandbox.lib.bigdl.zoo.common.nncontext import *
