"""Networks and tools of the ancestor, as `bigdl.models`."""
