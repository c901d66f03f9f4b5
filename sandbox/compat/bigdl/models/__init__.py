"""The names of `sandbox.lib.bigdl.models`."""

from sandbox.lib.bigdl.models import *
