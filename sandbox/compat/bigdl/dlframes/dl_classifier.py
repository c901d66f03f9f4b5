"""The names of `sandbox.lib.bigdl.dlframes.dl_classifier`."""

from sandbox.lib.bigdl.dlframes.dl_classifier import *
