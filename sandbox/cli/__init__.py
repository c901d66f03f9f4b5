"""The commands of the sandbox; see README.md of this room."""
