"""Layers, criterions and initial weights under the names of BigDL."""
