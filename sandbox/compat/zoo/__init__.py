"""The names of Analytics Zoo, on the sandbox's library: see `sandbox.lib.bigdl.zoo`."""

from sandbox.lib.bigdl.published import refuse_published

refuse_published("analytics-zoo", "bigdl-orca")
