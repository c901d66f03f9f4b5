"""As `zoo.pipeline.api`."""
