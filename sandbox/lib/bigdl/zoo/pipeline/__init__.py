"""As `zoo.pipeline`."""
