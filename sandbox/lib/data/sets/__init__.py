"""Named data sets: where they come from, and made-up ones that say so. See ../README.md."""
