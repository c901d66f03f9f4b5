"""`python -m sandbox.cli`: what run-bigdl-native.sh starts."""

from __future__ import annotations

from .main import main

if __name__ == "__main__":
    main()
