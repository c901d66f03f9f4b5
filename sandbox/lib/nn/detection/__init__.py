"""Detectors: anchors, proposals, heads, and what is found at last."""

from __future__ import annotations

from .anchors import Anchor, PriorBox
from .heads import BoxHead, MaskHead
from .outputs import DetectionOutputFrcnn, DetectionOutputSSD, DetectionOutputYOLO
from .proposals import Proposal, RegionProposal

__all__ = [
    "Anchor",
    "BoxHead",
    "DetectionOutputFrcnn",
    "DetectionOutputSSD",
    "DetectionOutputYOLO",
    "MaskHead",
    "PriorBox",
    "Proposal",
    "RegionProposal",
]
