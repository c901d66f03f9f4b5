"""Quantize: a trained model becomes one whose layers multiply bytes."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import engine, nn
from ..core import tree, validate
from ..core.errors import ArgumentError
from .calibration import CALIBRATIONS, Observed, Range, percentile
from .layers import Layer, constants, find_layers
from .model import QuantizedModel
from .network import Network, clipping
from .report import Report, Row, relative
from .timing import Times, compare
from .tracing import Calibration, Viewer, storage, trace

__all__ = ["quantize"]

PORTABLE, FULL = 127, 255
GAIN = 1.02  # a layer in bytes must be faster by this, or it stays as it is


def quantize(
    model: nn.Module,
    data: Any,
    *,
    calibration: str = "min_max",
    percent: float = 99.99,
    keep: Sequence[str] = (),
    keep_first: bool = True,
    keep_last: bool = True,
    max_error: float | None = None,
    timed: bool = True,
    portable: bool = True,
    batch_size: int = 32,
    threads: int = 1,
) -> QuantizedModel:
    """Make a model whose convolutions and linear layers multiply 8-bit integers.

    Parameters
    ----------
    model : Module
        Trained; is not changed. Batch norms are folded into the layers in front of them.
    data : array or tree of arrays
        A few hundred rows like those the model will see, as it is called; a tuple for several
        inputs. They tell the ranges of the values.
    calibration : "min_max", "percentile", "mse" or "entropy"
        How a range is found. min_max clips nothing; the others give rare large numbers up.
    percent : float in (50, 100]
        Of "percentile": so many numbers are not clipped.
    keep : sequence of str
        Paths of modules that stay in float32, with all inside ("layers.0", "head").
    keep_first, keep_last : bool
        Leave layers in float32 which no other is in front of or behind. Without the first, the
        whole model gives the same numbers on every processor.
    max_error : float > 0, optional
        Budget: layers go back to float32, those with the largest error of their own first, until
        the output's error on `data` is at most this, relative (0.01: 1 %).
    timed : bool
        Leave layers in float32 where bytes are no faster on this machine; all of them, if the
        whole is not.
    portable : bool
        Bytes up to 127, which every processor adds up exactly and fast. False: up to 255, finer;
        without VNNI instructions such layers run in float32 on the same integers, slower.
    batch_size : int > 0
        Rows at once, also for the timing.
    threads : int > 0

    Returns
    -------
    QuantizedModel, with `report`: a table of layers with kernel, error and time

    Raises
    ------
    ArgumentError : no layer is left to quantize, `keep` names none, or the model cannot be traced.
    DataError : `data` is empty, or holds NaN or infinity.
    ShapeError : the model does not take such rows.

    Notes
    -----
    Weights are symmetric, -127..127, with a scale per channel; maps have one scale, and no zero
    point behind a ReLU. Recurrent layers, embeddings, norms and softmax stay float32. Source: Jacob
    et al. 2018. Same as BigDL `Layer.quantize`, which has no calibration.

    Examples
    --------
    >>> import numpy as np
    >>> from sandbox.lib import nn
    >>> model = nn.zoo.lenet5(0)
    >>> images = np.random.default_rng(0).random((32, 1, 28, 28), dtype="f4")
    >>> small = quantize(model, images, timed=False)
    >>> small(images).shape
    (32, 10)
    >>> [row.layer for row in small.report.rows if row.kernel == "int8"]
    ['conv2', 'fc1', 'fc2']
    """
    validate.instance("model", model, nn.Module)
    validate.one_of("calibration", calibration, sorted(CALIBRATIONS))
    validate.in_range("percent", percent, 50, 100)
    names = [validate.text("keep", name) for name in validate.several("keep", keep, "paths")]
    if max_error is not None:
        validate.positive("max_error", max_error)
    for name, flag in (
        ("keep_first", keep_first),
        ("keep_last", keep_last),
        ("timed", timed),
        ("portable", portable),
    ):
        validate.boolean(name, flag)
    rows = Calibration(data, validate.positive_int("batch_size", batch_size))
    validate.positive_int("threads", threads)
    if isinstance(model, QuantizedModel):
        raise ArgumentError("quantize: `model` must be in float32; got one that is quantized.")
    method = CALIBRATIONS[calibration]
    if calibration == "percentile":
        method = partial(percentile, percent=float(percent))
    work = _Work(model, rows, FULL if not portable else PORTABLE, threads)
    work.choose(names, keep_first, keep_last)
    work.calibrate(method, counted=calibration != "min_max")
    made = work.make()
    if max_error is not None:
        made = work.within(made, float(max_error))
    if timed:
        made = work.faster(made)
    made.report = work.report(made)
    return made


class _Work:
    """One model on its way."""

    def __init__(self, model: nn.Module, data: Calibration, top: int, threads: int) -> None:
        self.model = model
        self.data = data
        self.top = top
        self.threads = threads
        self.numbers = storage(model)
        self.traced, self.any_rows, self.output = trace(model, data)
        self.known = constants(self.traced, self.numbers)
        self.layers = find_layers(self.any_rows, self.known)
        self.why: dict[str, str] = {}
        self.ranges: dict[int, Range] = {}
        self.errors: dict[str, float] = {}
        self.times: Times | None = None

    @property
    def chosen(self) -> set[str]:
        return {layer.path for layer in self.layers} - set(self.why)

    def network(self, chosen: Collection[str] | None = None) -> Network:
        oplist = self.any_rows
        names = {value: name for name, value in (*oplist.parameters, *oplist.buffers)}
        wanted = self.chosen if chosen is None else chosen
        return Network(oplist, self.known, names, self.layers, wanted, self.top)

    # -- which layers --------------------------------------------------------------------------

    def choose(self, keep: Sequence[str], first: bool, last: bool) -> None:
        """Decide which layers may multiply bytes."""
        paths = [layer.path for layer in self.layers]
        for name in keep:
            inside = [path for path in paths if f"{path}.".startswith(f"{name}.")]
            if not inside:
                near = difflib.get_close_matches(name, paths, 3) or paths[:5]
                raise ArgumentError(
                    f"quantize: `keep` must hold paths of convolutions or linear layers, or of "
                    f"modules with some inside; got {name!r}. There are {', '.join(near)}."
                )
            self.why |= dict.fromkeys(inside, "named")
        ends = _ends(self.any_rows, self.layers)
        self.why |= {path: "first" for path in ends[0] if first}
        self.why |= {path: "last" for path in ends[1] if last}
        if not paths:
            raise ArgumentError(
                "quantize: `model` must have a convolution or linear layer; got one without "
                f"({type(self.model).__name__}). Recurrent layers and embeddings stay float32."
            )
        if not self.chosen:
            raise ArgumentError(
                f"quantize: a layer must be left to quantize; all {len(paths)} are kept in float32 "
                f"({', '.join(f'{path}: {why}' for path, why in self.why.items())}). Give "
                "keep_first=False, keep_last=False or a shorter `keep`."
            )

    # -- ranges --------------------------------------------------------------------------------

    def calibrate(self, method: Any, *, counted: bool) -> None:
        """Find the ranges of all values that could be bytes."""
        network = self.network()
        values = sorted(network.bytes | {layer.y for layer in network.layers})
        self.viewer = Viewer(self.traced, values, self.numbers, self.threads)
        links = network.links
        seen = {v: Observed(_named(links.maker.get(v))) for v in values}
        for look in (Observed.look, Observed.count)[: 2 if counted else 1]:
            for batch in self.data.batches():
                for value, array in self.viewer.see(batch).items():
                    look(seen[value], array)
        self.ranges = {value: method(item) for value, item in seen.items()}

    # -- the model -----------------------------------------------------------------------------

    def make(self) -> QuantizedModel:
        """Return the model with the layers chosen now."""
        network = self.network()
        steps, arrays, places, parameters = network.steps(network.scales(self.ranges))
        described = [
            [name, array.dtype.name, list(array.shape), name in parameters]
            for name, array in arrays.items()
        ]
        made = QuantizedModel(
            self.data.structure.to_json(),
            self.output.to_json(),
            described,
            steps,
            [places[value] for _, value in self.any_rows.outputs],
        )
        for name, variable in made.arrays.items():
            variable.set(arrays[name])
        return made

    def output_error(self, made: QuantizedModel) -> float:
        """Return the relative error of the output, over all rows."""
        errors = []
        for batch in self.data.batches():
            inputs = self.data.structure.unflatten(batch)
            found, true = (tree.leaves(tree.call(m, inputs)) for m in (made, self.model))
            errors.append(max(relative(a, b) for a, b in zip(found, true, strict=True)))
        return float(np.sqrt(np.square(errors).mean()))

    def layer_errors(self) -> dict[str, float]:
        """Return what each layer's own rounding changes, on the first batch."""
        network = self.network()
        scales = network.scales(self.ranges)
        seen = self.viewer.see(next(self.data.batches()))
        return {layer.path: _error(layer, network, scales, seen) for layer in network.layers}

    def within(self, made: QuantizedModel, budget: float) -> QuantizedModel:
        """Give layers back to float32 until the output's error fits."""
        errors = self.layer_errors()
        while self.chosen and self.output_error(made) > budget:
            worst = max(self.chosen, key=lambda path: errors[path])
            self.why[worst] = "error"
            made = self.make()
        return made

    def faster(self, made: QuantizedModel) -> QuantizedModel:
        """Give layers back to float32 where bytes are not faster, by the clock.

        All of them, if the model as a whole is slower even so: no model becomes slower.
        """
        batch = self.data.structure.unflatten(next(self.data.batches()))
        times = compare(self.model, made, batch, self.threads)
        slower = {
            path
            for path in self.chosen
            if times.layer(path) * GAIN > times.layer_f32(path, self._parts(path))
        }
        for given in (slower, self.chosen):
            if not given or (given == self.chosen and times.share <= 1):
                continue
            before = dict(self.why)
            self.why |= dict.fromkeys(given, "slower")
            other = self.make()
            again = compare(self.model, other, batch, self.threads)
            if again.share < times.share:
                made, times = other, again
            else:
                self.why = before
        self.times = times
        return made

    def _parts(self, path: str) -> list[str]:
        return [op.path for layer in self.layers if layer.path == path for op in layer.parts]

    def report(self, made: QuantizedModel) -> Report:
        """Return the table."""
        errors = self.layer_errors()
        rows = []
        for layer in self.layers:
            path = layer.path
            kernel = f"f32 ({self.why[path]})" if path in self.why else "int8"
            now = self.times.layer(path) if self.times else float("nan")
            before = self.times.layer_f32(path, self._parts(path)) if self.times else float("nan")
            rows.append(Row(path, kernel, errors.get(path, 0.0), now, before))
        whole = (self.times.whole, self.times.whole_f32) if self.times else (float("nan"),) * 2
        return Report(tuple(rows), self.output_error(made), *whole)


def _named(op: Any) -> str:
    return "the input" if op is None else op.path or op.name


def _ends(oplist: Any, layers: Sequence[Layer]) -> tuple[set[str], set[str]]:
    """Return the paths of layers that no other is in front of, and of those none is behind."""
    starts = {id(layer.op): layer.path for layer in layers}
    behind: dict[int, frozenset[str]] = {}  # the layers each value has passed
    first: set[str] = set()
    passed: set[str] = set()
    for op in oplist.ops:
        before = frozenset().union(*(behind.get(value, frozenset()) for value in op.inputs))
        path = starts.get(id(op))
        if path is not None:
            if not before:
                first.add(path)
            passed |= before
            before = before | {path}
        for value in op.outputs:
            behind[value] = before
    return first, {layer.path for layer in layers} - passed


def _error(
    layer: Layer, network: Network, scales: Mapping[int, Any], seen: Mapping[int, NDArray[Any]]
) -> float:
    """Return the error of one layer that is given the true values as bytes."""
    made = network.product(layer, scales)
    x, y = scales[layer.x], scales.get(layer.y)
    given = [x.of(seen[layer.x]), made.weight, made.factors, made.offsets]
    attrs = {"limit": x.top, **clipping(layer, y)}
    if layer.op.name == "conv2d":
        window = dict(layer.op.attrs)
        padding = window["padding"]
        if x.zero and np.any(padding):
            border = ((0, 0), (0, 0), *padding)
            given[0] = np.pad(given[0], border, constant_values=x.zero)
            window["padding"] = ((0, 0), (0, 0))
        attrs |= window | {"share": made.share}
    if layer.residual is not None:
        given.append(scales[layer.residual].of(seen[layer.residual]))
    (result,) = engine.execute(f"{layer.op.name}_int8", given, attrs)
    return relative(result if y is None else y.real(result), seen[layer.y])
