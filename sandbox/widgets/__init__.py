"""Live views of training and pictures of what was learned. See README.md of this room."""

from __future__ import annotations

from ..lib.engine import names as _names
from .convolution import ConvolutionExplorer
from .curves import TrainingCurves
from .figures import Picture, confusion_matrix, digits
from .filters import FilterViewer
from .views import feature_maps, layer_outputs

__all__ = [
    "ConvolutionExplorer",
    "FilterViewer",
    "Picture",
    "TrainingCurves",
    "confusion_matrix",
    "digits",
    "feature_maps",
    "layer_outputs",
]

_names.suggest(__name__)
