"""The opponent's side of a comparison: its weights from ours, training steps, inference."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from sandbox.lib import core, engine

from . import harness, subjects, torch_networks
from .our_side import MOMENTUM


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Give both sides this many threads within the block."""
    torch.set_num_threads(count)
    with engine.threads.limit(count):
        yield


@contextmanager
def flushing() -> Iterator[None]:
    """Let PyTorch, too, take subnormal numbers for zero within the block; it does not by itself."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def take_weights(theirs: nn.Module, ours: Any) -> nn.Module:
    """Copy the weights of one of our models, parameter by parameter in order, and its statistics.

    Their recurrent layers know two biases where ours have one; see `_recurrent`.
    """
    mine = iter([np.array(parameter.data) for _, parameter in ours.named_parameters()])
    statistics = iter([np.array(buffer.data) for _, buffer in ours.named_buffers()])
    with torch.no_grad():
        for part in theirs.modules():
            if isinstance(part, nn.LSTM | nn.GRU):
                _recurrent(part, mine)
                continue
            for parameter in part.parameters(recurse=False):
                values = next(mine)
                parameter.copy_(torch.from_numpy(values.reshape(tuple(parameter.shape))))
            if isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d):
                part.running_mean.copy_(torch.from_numpy(next(statistics)))
                part.running_var.copy_(torch.from_numpy(next(statistics)))
    if next(mine, None) is not None or next(statistics, None) is not None:
        raise harness.RefusedError(f"{type(theirs).__name__} has fewer parameters than ours.")
    return theirs


def _recurrent(part: Any, mine: Iterator[Any]) -> None:
    """Fill one layer; what ours does not have of the second bias is 0 and learns nothing."""
    weight_input, weight_hidden, bias = next(mine), next(mine), next(mine)
    size = part.hidden_size
    second = np.zeros(len(weight_input), np.float32)
    learns = torch.zeros(len(weight_input))
    if isinstance(part, nn.GRU):
        # Ours: update, reset, new, and the hidden part of new. Theirs: reset, update, new; twice.
        order = np.r_[size : 2 * size, 0:size, 2 * size : 3 * size]
        second[2 * size :] = bias[3 * size :]
        learns[2 * size :] = 1
        weight_input, weight_hidden, bias = weight_input[order], weight_hidden[order], bias[order]
    for parameter, values in (
        (part.weight_ih_l0, weight_input),
        (part.weight_hh_l0, weight_hidden),
        (part.bias_ih_l0, bias),
        (part.bias_hh_l0, second),
    ):
        parameter.copy_(torch.from_numpy(values))
    part.bias_hh_l0.register_hook(lambda gradient: gradient * learns)


def tensor(array: Any, layout: torch.memory_format) -> Any:
    """Give an array as a tensor; images in this layout."""
    made = torch.from_numpy(array)
    return made.contiguous(memory_format=layout) if array.ndim in (4, 5) else made


class Training:
    """Steps of forward, cross entropy, backward and momentum SGD, eager.

    Parameters
    ----------
    model, rate, inputs, labels
        As of `our_side.Training`.
    layout : torch.memory_format
        Of images; channels_last is the faster one of networks with many channels.
    compiled : bool
        Whether the network is compiled (`torch.compile`) instead of eager.
    """

    def __init__(
        self,
        model: nn.Module,
        rate: float,
        inputs: Iterable[tuple[Any, ...]],
        labels: Iterable[Any],
        layout: torch.memory_format = torch.channels_last,
        *,
        compiled: bool = False,
    ) -> None:
        self.model = model.train().to(memory_format=layout)
        if compiled:
            self.model = torch.compile(self.model)
        self.inputs = [tuple(tensor(x, layout) for x in batch) for batch in inputs]
        self.labels = [torch.from_numpy(batch) for batch in labels]
        self.optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=MOMENTUM)
        self.number = 0
        self.loss = float("nan")

    def step(self) -> None:
        """Train on the next batch."""
        at = self.number % len(self.inputs)
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(*self.inputs[at]), self.labels[at])
        loss.backward()
        self.optimizer.step()
        self.number += 1
        self.loss = loss.item()


def save(name: str, path: str) -> None:
    """Write the weights of a network's twin, which are ours, into a file."""
    twin = take_weights(torch_networks.TWINS[name](), subjects.SUBJECTS[name].make())
    save_file(twin.state_dict(), path)


def subject(name: str, batch: int, threads: int, count: int, path: str, compiled: bool) -> Training:
    """Give the training of a network of `subjects`, for a process of its own.

    Its weights come from a file: our model was never in this process. The peak of the process's
    memory is counted from where the model is there.
    """
    torch.set_num_threads(threads)
    inputs, labels = subjects.batches(name, batch, count)
    twin = torch_networks.TWINS[name]()
    twin.load_state_dict(load_file(path))
    harness.forget_peak()
    return Training(twin, subjects.SUBJECTS[name].rate, inputs, labels, compiled=compiled)


def compare_inference(
    report: harness.Report,
    what: str,
    ours: Any,
    theirs: nn.Module,
    rows: Sequence[Any],
    *,
    rounds: int,
    bar: float | None,
    layout: torch.memory_format = torch.channels_last,
) -> None:
    """Time the logits of one batch on both sides, one thread; refuse where they differ.

    Float32 sums in another order move a logit by about 1e-6 of the largest.
    """
    theirs = theirs.eval().to(memory_format=layout)
    rows = tuple(rows)
    specs = tuple(engine.Spec.of(x) for x in rows)
    with threads(1), torch.inference_mode():
        program = core.predict_program(ours, ours, specs, threads=1)
        tensors = tuple(tensor(x, layout) for x in rows)
        mine, other = np.array(program.run(rows)), theirs(*tensors).numpy()
        gap = float(np.abs(mine - other).max() / np.abs(other).max())
        report(f"{what}: largest difference {gap:.1e} of the largest logit")
        if not gap <= 1e-4:
            raise harness.RefusedError(f"{what}: logits differ by {gap} of the largest one.")
        times = harness.alternate(
            lambda: program.run(rows), lambda: theirs(*tensors), rounds=rounds
        )
    report.versus(what, *times, bar=bar)


def export(name: str, batch: int, path: str) -> None:
    """Write a network's twin, with our weights, into an ONNX file of fixed shapes."""
    twin = take_weights(
        torch_networks.TWINS[name](), subjects.settled(subjects.SUBJECTS[name].make())
    )
    inputs = tuple(torch.from_numpy(x) for x in subjects.rows(name, batch))
    with warnings.catch_warnings():
        # The exporter by tracing is deprecated; the new one needs packages of its own.
        warnings.simplefilter("ignore")
        torch.onnx.export(twin.eval(), inputs, path, opset_version=17, dynamo=False)
