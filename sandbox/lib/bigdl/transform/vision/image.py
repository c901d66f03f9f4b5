"""All names of `bigdl.transform.vision.image`."""

from __future__ import annotations

from .colors import Brightness as Brightness
from .colors import ChannelNormalize as ChannelNormalize
from .colors import ChannelOrder as ChannelOrder
from .colors import ChannelScaledNormalizer as ChannelScaledNormalizer
from .colors import ColorJitter as ColorJitter
from .colors import Contrast as Contrast
from .colors import Hue as Hue
from .colors import PixelNormalize as PixelNormalize
from .colors import Saturation as Saturation
from .conversion import BytesToMat as BytesToMat
from .conversion import MatToFloats as MatToFloats
from .conversion import MatToTensor as MatToTensor
from .conversion import PixelBytesToMat as PixelBytesToMat
from .feature import ImageFeature as ImageFeature
from .frame import DistributedImageFrame as DistributedImageFrame
from .frame import ImageFrame as ImageFrame
from .frame import LocalImageFrame as LocalImageFrame
from .frame import SeqFileFolder as SeqFileFolder
from .geometry import AspectScale as AspectScale
from .geometry import CenterCrop as CenterCrop
from .geometry import DetectionCrop as DetectionCrop
from .geometry import Expand as Expand
from .geometry import Filler as Filler
from .geometry import FixedCrop as FixedCrop
from .geometry import FixExpand as FixExpand
from .geometry import HFlip as HFlip
from .geometry import RandomAlterAspect as RandomAlterAspect
from .geometry import RandomAspectScale as RandomAspectScale
from .geometry import RandomCrop as RandomCrop
from .geometry import RandomCropper as RandomCropper
from .geometry import RandomResize as RandomResize
from .geometry import Resize as Resize
from .rois import RandomSampler as RandomSampler
from .rois import RoiHFlip as RoiHFlip
from .rois import RoiNormalize as RoiNormalize
from .rois import RoiProject as RoiProject
from .rois import RoiResize as RoiResize
from .samples import ImageFrameToSample as ImageFrameToSample
from .transformer import FeatureTransformer as FeatureTransformer
from .transformer import Pipeline as Pipeline
from .transformer import RandomTransformer as RandomTransformer
