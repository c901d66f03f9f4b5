"""The names of `sandbox.lib.bigdl.dlframes.dl_image_transformer`."""

from sandbox.lib.bigdl.dlframes.dl_image_transformer import *
