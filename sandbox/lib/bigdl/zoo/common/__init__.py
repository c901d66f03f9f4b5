"""Start-up, as `zoo.common`."""
