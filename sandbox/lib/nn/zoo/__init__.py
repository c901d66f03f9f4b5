"""Ready models: the networks of the tutorials and of the speed tables."""

from __future__ import annotations

from ...engine import names as _names
from .autoencoders import autoencoder as autoencoder
from .autoencoders import conv_autoencoder as conv_autoencoder
from .autoencoders import variational_autoencoder as variational_autoencoder
from .dense import densenet as densenet
from .detect import ssd300 as ssd300
from .detect import tiny_yolo as tiny_yolo
from .digits import fast_mnist as fast_mnist
from .digits import lenet5 as lenet5
from .digits import mlp as mlp
from .inception import googlenet as googlenet
from .inception import inception_v2 as inception_v2
from .inception_v3 import inception_v3 as inception_v3
from .language import BERT as BERT
from .language import GPT as GPT
from .language import MaskedWords as MaskedWords
from .large import alexnet as alexnet
from .large import vgg11 as vgg11
from .large import vgg13 as vgg13
from .large import vgg16 as vgg16
from .large import vgg19 as vgg19
from .mobile import mobilenet_v1 as mobilenet_v1
from .mobile import mobilenet_v2 as mobilenet_v2
from .mobile import squeezenet as squeezenet
from .plain import cifar_net as cifar_net
from .plain import vgg as vgg
from .ranking import knrm as knrm
from .recommend import neural_cf as neural_cf
from .recommend import session_recommender as session_recommender
from .recurrent import lstm_language_model as lstm_language_model
from .recurrent import tree_lstm_sentiment as tree_lstm_sentiment
from .residual import resnet18 as resnet18
from .residual import resnet34 as resnet34
from .residual import resnet50 as resnet50
from .residual import resnet101 as resnet101
from .residual_small import preact_resnet as preact_resnet
from .residual_small import resnet as resnet
from .residual_small import resnet20 as resnet20
from .segment import unet as unet
from .series import anomaly_detector as anomaly_detector
from .tables import fraud_mlp as fraud_mlp
from .tables import offsets as offsets
from .tables import wide_and_deep as wide_and_deep
from .texts import gru_sentiment as gru_sentiment
from .texts import lstm_sentiment as lstm_sentiment
from .texts import text_cnn as text_cnn
from .texts import transformer_classifier as transformer_classifier
from .transformer import Transformer as Transformer
from .translation import Seq2Seq as Seq2Seq

_names.suggest(__name__)
