"""Live views of training and pictures of what was learned. See README.md of this room."""

from __future__ import annotations

from ..lib.engine import names as _names
from .convolution import ConvolutionExplorer
from .curves import TrainingCurves
from .descent import DescentExplorer
from .figures import confusion_matrix, digits
from .filters import FilterViewer
from .network import NetworkExplorer
from .neuron import NeuronExplorer
from .picture import Picture
from .progress import track, working
from .searches import learning_rate_curve, parallel_coordinates
from .tables import heat_map
from .threshold import ThresholdExplorer
from .trials import TrialTable
from .value import ValueExplorer
from .views import feature_maps, layer_outputs

__all__ = [
    "ConvolutionExplorer",
    "DescentExplorer",
    "FilterViewer",
    "NetworkExplorer",
    "NeuronExplorer",
    "Picture",
    "ThresholdExplorer",
    "TrainingCurves",
    "TrialTable",
    "ValueExplorer",
    "confusion_matrix",
    "digits",
    "feature_maps",
    "heat_map",
    "layer_outputs",
    "learning_rate_curve",
    "parallel_coordinates",
    "track",
    "working",
]

_names.suggest(__name__)
