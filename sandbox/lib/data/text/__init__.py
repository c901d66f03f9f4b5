"""Words into numbers: tokens, vocabularies, encoders. See ../README.md."""
