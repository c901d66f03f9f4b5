"""Pictures, as `bigdl.transform.vision`."""
