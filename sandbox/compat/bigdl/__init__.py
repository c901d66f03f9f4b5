"""The packages and names of BigDL, on the sandbox's library: see `sandbox.lib.bigdl`."""

from sandbox.lib.bigdl.packages import reexport

reexport("bigdl", "sandbox.lib.bigdl", "bigdl", "bigdl-dllib", "bigdl-core", "bigdl-orca")
