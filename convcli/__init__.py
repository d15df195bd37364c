"""convcli"""
from .core.conv import filter2d, conv2d
