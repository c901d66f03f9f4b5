"""Every lesson inside the image, as in a classroom without a network."""

from __future__ import annotations

import os

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.notebook]


# The first one runs whole, in test_image.
@pytest.mark.parametrize("lesson", ["01", "03", "04"])
def test_lesson_runs_without_a_network_to_its_last_figure(containers, lesson):
    """With the real data where it is, with what stands in otherwise."""
    memory = "3g" if lesson == "03" else "2g"  # two ranks, 32 reviews of 1,000 words each
    options = {"environment": {"FAST": "1"}, "network_mode": "none", "mem_limit": memory}
    if data := os.environ.get("SANDBOX_DATA"):
        options["volumes"] = {data: {"bind": "/data", "mode": "ro"}}
    status, said = containers.run(["run", lesson], timeout=1200, cap_drop=["ALL"], **options)
    assert status == 0, said[-3000:]
    finished, figures = said.rsplit(" finished in ", 1)
    assert finished.rsplit("\n", 1)[-1].startswith(lesson)
    assert ": " in figures.split("\n", 1)[1], said[-3000:]
