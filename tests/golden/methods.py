"""Optimisation methods and learning rate schedules."""

from __future__ import annotations

from sandbox.lib import optim
from sandbox.lib.optim import schedules

from .pairs import Method, Timetable


def _muon(torch, parameters):
    torch.Tensor.bfloat16 = torch.Tensor.double  # what it multiplies in is no part of the method
    return torch.optim.Muon(parameters, lr=0.05, weight_decay=0.1)


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
    Method(
        "optim.SGD",
        lambda: optim.SGD(0.1, weight_decay=0.01),
        lambda torch, p: torch.optim.SGD(p, lr=0.1, weight_decay=0.01),
    ),
    Method(
        "optim.SGD, Nesterov",
        lambda: optim.SGD(0.1, momentum=0.9, nesterov=True),
        lambda torch, p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    ),
    Method(
        "optim.SGD, dampening",
        lambda: optim.SGD(0.1, momentum=0.9, dampening=0.5),
        lambda torch, p: torch.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5),
    ),
    Method(
        "optim.Adam, decay",
        lambda: optim.Adam(0.05, betas=(0.8, 0.9), weight_decay=0.1),
        lambda torch, p: torch.optim.Adam(p, lr=0.05, betas=(0.8, 0.9), weight_decay=0.1),
    ),
    Method(
        "optim.AdamW",
        lambda: optim.AdamW(0.05, weight_decay=0.1),
        lambda torch, p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.1),
    ),
    Method(
        "optim.Adamax",
        lambda: optim.Adamax(0.05, weight_decay=0.1),
        lambda torch, p: torch.optim.Adamax(p, lr=0.05, weight_decay=0.1),
    ),
    Method(
        "optim.NAdam",
        lambda: optim.NAdam(0.05, weight_decay=0.1),
        lambda torch, p: torch.optim.NAdam(p, lr=0.05, weight_decay=0.1),
    ),
    Method(
        "optim.NAdam, momentum decay",
        lambda: optim.NAdam(0.05, betas=(0.7, 0.9), momentum_decay=0.1),
        lambda torch, p: torch.optim.NAdam(p, lr=0.05, betas=(0.7, 0.9), momentum_decay=0.1),
    ),
    Method(
        "optim.RAdam",
        lambda: optim.RAdam(0.05, weight_decay=0.1),
        lambda torch, p: torch.optim.RAdam(p, lr=0.05, weight_decay=0.1),
    ),
    Method(
        "optim.Adagrad",
        lambda: optim.Adagrad(0.1, learning_rate_decay=0.1, initial=0.2, weight_decay=0.1),
        lambda torch, p: torch.optim.Adagrad(
            p, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.2, weight_decay=0.1
        ),
    ),
    Method(
        "optim.Adadelta",
        lambda: optim.Adadelta(0.5, rho=0.8, weight_decay=0.1),
        lambda torch, p: torch.optim.Adadelta(p, lr=0.5, rho=0.8, weight_decay=0.1),
    ),
    Method(
        "optim.RMSprop",
        lambda: optim.RMSprop(0.02, weight_decay=0.1),
        lambda torch, p: torch.optim.RMSprop(p, lr=0.02, weight_decay=0.1),
    ),
    Method(
        "optim.RMSprop, centered",
        lambda: optim.RMSprop(0.02, alpha=0.8, momentum=0.5, centered=True),
        lambda torch, p: torch.optim.RMSprop(p, lr=0.02, alpha=0.8, momentum=0.5, centered=True),
        near=1e-3,
    ),
    Method(
        "optim.Rprop",
        lambda: optim.Rprop(0.05),
        lambda torch, p: torch.optim.Rprop(p, lr=0.05),
    ),
    Method(
        "optim.ASGD",
        lambda: optim.ASGD(0.1, decay=0.1, start=3, weight_decay=0.1),
        lambda torch, p: torch.optim.ASGD(p, lr=0.1, lambd=0.1, t0=3, weight_decay=0.1),
    ),
    Method(
        "optim.LBFGS",
        lambda: optim.LBFGS(0.5, history=3),
        lambda torch, p: torch.optim.LBFGS(p, lr=0.5, max_iter=1, history_size=3),
        parts=("vector",),
        steps=4,
    ),
    Method(
        "optim.Adafactor",
        lambda: optim.Adafactor(0.05),
        lambda torch, p: torch.optim.Adafactor(p, lr=0.05, eps=(1e-15, 1e-3)),
    ),
    Method(
        "optim.Adafactor, decay",
        lambda: optim.Adafactor(0.4, decay=0.6, weight_decay=0.1),
        lambda torch, p: torch.optim.Adafactor(
            p, lr=0.4, beta2_decay=-0.6, weight_decay=0.1, eps=(1e-15, 1e-3)
        ),
    ),
    Method(
        "optim.Muon",
        lambda: optim.Muon(0.05, weight_decay=0.1),
        _muon,
        parts=("matrix",),
        near=1e-3,  # small singular values are brought near 1, with their rounding
    ),
    Timetable(
        "optim.schedules.MultiStep",
        lambda: schedules.MultiStep((5, 12), gamma=0.3),
        lambda torch, o: torch.optim.lr_scheduler.MultiStepLR(o, [5, 12], gamma=0.3),
    ),
    Timetable(
        "optim.schedules.StepDecay",
        lambda: schedules.StepDecay(7, gamma=0.3),
        lambda torch, o: torch.optim.lr_scheduler.StepLR(o, 7, gamma=0.3),
    ),
    Timetable(
        "optim.schedules.Exponential",
        lambda: schedules.Exponential(0.9),
        lambda torch, o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
    ),
    Timetable(
        "optim.schedules.Polynomial",
        lambda: schedules.Polynomial(2.0, steps=20),
        lambda torch, o: torch.optim.lr_scheduler.PolynomialLR(o, 20, power=2.0),
    ),
    Timetable(
        "optim.schedules.Cosine",
        lambda: schedules.Cosine(final=0.1),
        lambda torch, o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 30, eta_min=0.1),
    ),
    Timetable(
        "optim.schedules.CosineRestarts",
        lambda: schedules.CosineRestarts(4, growth=2, final=0.1),
        lambda torch, o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(
            o, 4, T_mult=2, eta_min=0.1
        ),
    ),
    Timetable(
        "optim.schedules.OneCycle",
        lambda: schedules.OneCycle(warm=0.2, start=0.04, final=0.004),
        lambda torch, o: torch.optim.lr_scheduler.OneCycleLR(
            o,
            1.0,
            31,
            pct_start=7 / 31,
            anneal_strategy="linear",
            div_factor=25,
            final_div_factor=10,
        ),
    ),
    Timetable(
        "optim.schedules.OneCycle, cosine",
        lambda: schedules.OneCycle(warm=0.2, start=0.04, final=0.004, shape="cosine"),
        lambda torch, o: torch.optim.lr_scheduler.OneCycleLR(
            o, 1.0, 31, pct_start=7 / 31, div_factor=25, final_div_factor=10
        ),
    ),
    Timetable(
        "optim.schedules.Warmup",
        lambda: schedules.Warmup(steps=8, start=0.25),
        lambda torch, o: torch.optim.lr_scheduler.LinearLR(o, 0.25, total_iters=8),
    ),
    Timetable(
        "optim.schedules.Piecewise",
        lambda: schedules.Piecewise([6], [0.25, 1.0]),
        lambda torch, o: torch.optim.lr_scheduler.ConstantLR(o, 0.25, total_iters=6),
    ),
    Timetable(
        "optim.schedules.Cyclic",
        lambda: schedules.Cyclic(4, 6, lowest=0.1),
        lambda torch, o: torch.optim.lr_scheduler.CyclicLR(o, 0.1, 1.0, 4, 6, cycle_momentum=False),
    ),
    Timetable(
        "optim.schedules.Cyclic, shrinking",
        lambda: schedules.Cyclic(4, lowest=0.1, shrink=0.5),
        lambda torch, o: torch.optim.lr_scheduler.CyclicLR(
            o, 0.1, 1.0, 4, mode="triangular2", cycle_momentum=False
        ),
    ),
    Timetable(
        "optim.schedules.Cyclic, exponential",
        lambda: schedules.Cyclic(4, lowest=0.1, gamma=0.9),
        lambda torch, o: torch.optim.lr_scheduler.CyclicLR(
            o, 0.1, 1.0, 4, mode="exp_range", gamma=0.9, cycle_momentum=False
        ),
    ),
    Timetable(
        "optim.schedules.Plateau, cooldown",
        lambda: schedules.Plateau("loss", factor=0.5, patience=2, cooldown=3),
        lambda torch, o: torch.optim.lr_scheduler.ReduceLROnPlateau(
            o, factor=0.5, patience=1, cooldown=3, threshold=0.0
        ),
        losses=tuple(1 / (1 + k % 13) + 0.1 for k in range(30)),
    ),
    Timetable(
        "optim.schedules.InverseTime",
        lambda: schedules.InverseTime(0.1),
        lambda torch, o: torch.optim.lr_scheduler.LambdaLR(o, lambda k: 1 / (1 + 0.1 * k)),
    ),
    Timetable(
        "optim.schedules.SequentialSchedule",
        lambda: schedules.SequentialSchedule(
            [schedules.Warmup(steps=5, start=0.5), schedules.Exponential(0.9)], [5]
        ),
        lambda torch, o: torch.optim.lr_scheduler.SequentialLR(
            o,
            [
                torch.optim.lr_scheduler.LinearLR(o, 0.5, total_iters=5),
                torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
            ],
            [5],
        ),
    ),
    Timetable(
        "optim.schedules.Product",
        lambda: schedules.Product(
            [schedules.Warmup(steps=5, start=0.5), schedules.StepDecay(8, gamma=0.5)]
        ),
        lambda torch, o: torch.optim.lr_scheduler.ChainedScheduler(
            [
                torch.optim.lr_scheduler.LinearLR(o, 0.5, total_iters=5),
                torch.optim.lr_scheduler.StepLR(o, 8, gamma=0.5),
            ]
        ),
    ),
    Timetable(
        "optim.schedules.Plateau",
        lambda: schedules.Plateau("loss", factor=0.5, patience=3, min_delta=0.01, lowest=0.1),
        lambda torch, o: torch.optim.lr_scheduler.ReduceLROnPlateau(
            o, factor=0.5, patience=2, threshold=0.01, threshold_mode="abs", min_lr=0.1
        ),
        losses=tuple(1 / (1 + k % 11) + 0.1 for k in range(30)),
    ),
]
