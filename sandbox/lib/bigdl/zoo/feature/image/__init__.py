"""Steps on pictures, as `zoo.feature.image`."""

from __future__ import annotations

from .imagePreprocessing import *  # noqa: F403 - all of its names, as the ancestor
