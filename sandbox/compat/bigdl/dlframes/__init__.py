"""The names of `sandbox.lib.bigdl.dlframes`."""

from sandbox.lib.bigdl.dlframes import *
