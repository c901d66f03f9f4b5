"""The packages and names of BigDL, on the sandbox's library: see `sandbox.lib.bigdl`."""

from sandbox.lib.bigdl.published import refuse_published

refuse_published("bigdl", "bigdl-dllib", "bigdl-core", "bigdl-orca")
