"""Who met what, for recommenders. See ../README.md."""
