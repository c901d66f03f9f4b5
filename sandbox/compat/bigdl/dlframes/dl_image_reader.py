"""The names of `sandbox.lib.bigdl.dlframes.dl_image_reader`."""

from sandbox.lib.bigdl.dlframes.dl_image_reader import *
