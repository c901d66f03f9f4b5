"""What a trained network does with one image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..lib import nn
from ..lib.core import validate
from ..lib.engine.names import meant
from .figures import feature_maps_picture
from .picture import Picture

__all__ = ["feature_maps", "layer_outputs"]


def layer_outputs(model: Any, batch: ArrayLike) -> list[tuple[str, NDArray[Any]]]:
    """Run a batch through a model and keep what each layer makes of it.

    Parameters
    ----------
    model : Module
        Layers are modules without children; containers of any kind are looked into.
    batch : array of shape (N, ...)
        What the model takes.

    Returns
    -------
    list of (path of the layer, its output), in the order of the calls
    """
    outputs: list[tuple[str, NDArray[Any]]] = []

    def keep(path: str, module: Any, inputs: Any, output: Any) -> None:
        if not list(module.named_children()) and hasattr(output, "data"):
            outputs.append((path or type(module).__name__, np.array(output.data)))

    with nn.observe(keep):
        model(np.asarray(batch, np.float32))
    return outputs


def feature_maps(model: Any, image: ArrayLike, *, layers: tuple[str, ...] = ()) -> Picture:
    """Draw what each layer of a model makes of one image.

    Parameters
    ----------
    model : Module
        Trained or not.
    image : array of shape (channels, height, width)
        As the model takes it, without the batch axis.
    layers : paths of layers
        The ones to draw, in the order of the calls; default: all but flattening.

    Raises
    ------
    ArgumentError : the model calls no layer of such a path.
    """
    wanted = validate.several("layers", layers, "a list of layers' paths, such as ('conv1',)")
    pixels = np.asarray(image, np.float32)
    outputs = [(name, value[0]) for name, value in layer_outputs(model, pixels[None])]
    known = [name for name, _ in outputs]
    for name in wanted:
        near = meant(str(name), known)
        validate.one_of("layers", name, known, f"Did you mean {near!r}?" if near else "")
    chosen = [pair for pair in outputs if pair[0] in (wanted or known)]
    if not wanted:
        chosen = [pair for pair in chosen if "flatten" not in pair[0]]
    return feature_maps_picture(pixels[0], chosen)
