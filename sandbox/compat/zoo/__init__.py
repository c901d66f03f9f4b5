"""The names of Analytics Zoo, on the sandbox's library: see `sandbox.lib.bigdl.zoo`."""

from sandbox.lib.bigdl.packages import reexport

reexport("zoo", "sandbox.lib.bigdl.zoo", "analytics-zoo", "bigdl-orca")
