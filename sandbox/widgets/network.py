"""A network as a drawing: its layers with their shapes, and a filter that slides over a map."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets
from numpy.typing import ArrayLike, NDArray

from ..lib import nn
from ..lib.core import tree
from .assets import bundle
from .figures import feature_maps_picture
from .live import LiveWidget
from .picture import Picture

__all__ = ["NetworkExplorer"]


class NetworkExplorer(LiveWidget):
    """Draw the layers of a network with what each makes of one image; choose a map and slide.

    A click on a layer shows its maps; the window that makes one of its numbers lies on the maps
    before it, and moves. Works without a kernel too.

    Parameters
    ----------
    model : Module
        A chain of layers, trained or not.
    image : array of shape (channels, height, width)
        As the model takes it, without the batch axis.

    Raises
    ------
    ValueError : the image has not three axes.

    Examples
    --------
    >>> network = NetworkExplorer(nn.zoo.lenet5(0), np.zeros((1, 28, 28)))
    >>> [(stage["name"], stage["shape"]) for stage in network.stages][:3]
    [('image', [1, 28, 28]), ('conv1', [6, 24, 24]), ('relu1', [6, 24, 24])]
    >>> network.window("pool1", 2, 5)
    (4, 10, 2)
    """

    _esm = bundle("network.js")
    stages = traitlets.List(help="name, type, shape, number of weights, window").tag(sync=True)
    values = traitlets.Bytes(help="float32: what comes out of each stage").tag(sync=True)
    filters = traitlets.Bytes(help="float32: the weights of all convolutions").tag(sync=True)
    chosen = traitlets.Unicode(help="name of the stage that is looked at").tag(sync=True)

    def __init__(self, model: Any, image: ArrayLike) -> None:
        super().__init__()
        pixels = np.asarray(image, np.float32)
        if pixels.ndim != 3:
            raise ValueError(
                "NetworkExplorer: `image` must have three axes (channels, height, width); got shape"
                f" {pixels.shape}. Take one image of a batch: images[0]."
            )
        found: list[tuple[dict[str, Any], NDArray[np.float32]]] = []
        filters: list[NDArray[np.float32]] = []

        def look(path: str, module: Any, inputs: Any, output: Any) -> None:
            if list(module.named_children()) or isinstance(module, nn.Flatten):
                return
            weights = sum(p.data.size for p in module.parameters())
            made = _stage(path, module, np.array(output.data)[0], weights)
            if made[0]["window"] and isinstance(module, nn.Conv2d):
                made[0]["filters"] = sum(f.size for f in filters)
                filters.append(np.array(module.weight.data, np.float32))
            found.append(made)

        with nn.observe(look):
            tree.leaves(model(pixels[None]))
        first = {"name": "image", "type": "", "weights": 0, "window": [], "shape": [*pixels.shape]}
        self._outputs = [("image", pixels), *((stage["name"], out) for stage, out in found)]
        self.stages = [first, *(stage for stage, _ in found)]
        self.values = b"".join(out.astype(np.float32).tobytes() for _, out in self._outputs)
        self.filters = b"".join(one.tobytes() for one in filters)
        self.chosen = next((s["name"] for s in self.stages if s["window"]), "image")
        total = sum(stage["weights"] for stage in self.stages)
        way = " → ".join(_written(stage["shape"]) for stage in self.stages if _drawn(stage))
        self.summary = f"{way}; {total:,} weights."

    def window(self, name: str, row: int, column: int) -> tuple[int, int, int]:
        """Return the first row and column of what a number is made of, and the size of that."""
        size, stride, padding = next(s["window"] for s in self.stages if s["name"] == name)
        return row * stride - padding, column * stride - padding, size

    def take(self, events: list[Any]) -> None:
        """Pass over events: this widget follows nobody."""

    def publish(self) -> None:
        """Write nothing: the traits are the state."""

    def picture(self) -> Picture:
        """Draw the maps of all layers that have weights or pool."""
        drawn = {stage["name"] for stage in self.stages[1:] if _drawn(stage)}
        maps = [(name, out) for name, out in self._outputs if name in drawn]
        return feature_maps_picture(self._outputs[0][1][0], maps, text=self.summary)


def _stage(
    path: str, module: Any, out: NDArray[Any], weights: int
) -> tuple[dict[str, Any], NDArray[Any]]:
    window: list[int] = []
    plain = getattr(module, "dilation", (1, 1)) == (1, 1) and getattr(module, "groups", 1) == 1
    if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) and plain and out.ndim == 3:
        sizes = (module.kernel_size, module.stride)
        sides = module.padding if not isinstance(module.padding, str) else ((1, 0), (0, 1))
        # What is not square and even is drawn as well, but nothing slides over it.
        if all(a == b for a, b in sizes) and len({side for pair in sides for side in pair}) == 1:
            window = [module.kernel_size[0], module.stride[0], sides[0][0]]
    kind = type(module).__name__
    stage = {"name": path or kind, "type": kind, "weights": weights, "window": window}
    return {**stage, "shape": list(out.shape)}, out


def _drawn(stage: dict[str, Any]) -> bool:
    """Tell whether a stage has a place in the drawing: ReLU and the like have none."""
    return bool(stage["weights"] or stage["window"] or stage["name"] == "image")


def _written(shape: list[int]) -> str:
    return " × ".join(map(str, shape))
