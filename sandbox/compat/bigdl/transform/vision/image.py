"""The names of `sandbox.lib.bigdl.transform.vision.image`."""

from sandbox.lib.bigdl.transform.vision.image import *
