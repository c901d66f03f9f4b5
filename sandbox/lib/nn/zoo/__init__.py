"""Ready models: the networks of the tutorials and of the speed tables."""

from __future__ import annotations

from ...engine import names as _names
from .digits import fast_mnist as fast_mnist
from .digits import lenet5 as lenet5
from .digits import mlp as mlp
from .inception import googlenet as googlenet
from .mobile import mobilenet_v2 as mobilenet_v2
from .mobile import squeezenet as squeezenet
from .plain import cifar_net as cifar_net
from .plain import vgg as vgg
from .plain import vgg16 as vgg16
from .recurrent import lstm_language_model as lstm_language_model
from .recurrent import tree_lstm_sentiment as tree_lstm_sentiment
from .residual import resnet as resnet
from .residual import resnet20 as resnet20
from .residual import resnet50 as resnet50
from .tables import fraud_mlp as fraud_mlp
from .tables import offsets as offsets
from .tables import wide_and_deep as wide_and_deep
from .texts import gru_sentiment as gru_sentiment
from .texts import lstm_sentiment as lstm_sentiment
from .texts import text_cnn as text_cnn
from .texts import transformer_classifier as transformer_classifier
from .translation import Seq2Seq as Seq2Seq

_names.suggest(__name__)
