"""The names of `sandbox.lib.bigdl.transform.vision`."""

from sandbox.lib.bigdl.transform.vision import *
