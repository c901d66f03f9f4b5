"""Optimisation methods and learning rate schedules."""

from __future__ import annotations

from sandbox.lib import optim
from sandbox.lib.optim import schedules

from .pairs import Method, Timetable

PAIRS = [
    Method(
        "optim.SGD, momentum",
        lambda: optim.SGD(0.1, momentum=0.9, weight_decay=0.01, dampening=0.0),
        lambda torch, p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    ),
    Method(
        "optim.Adam",
        lambda: optim.Adam(0.05),
        lambda torch, p: torch.optim.Adam(p, lr=0.05),
    ),
    Timetable(
        "optim.schedules.MultiStep",
        lambda: schedules.MultiStep((5, 12), gamma=0.3),
        lambda torch, o: torch.optim.lr_scheduler.MultiStepLR(o, [5, 12], gamma=0.3),
    ),
]
