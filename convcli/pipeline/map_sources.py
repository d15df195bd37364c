"""Chooses the map source of a request."""

from ..images.image import Image
from .apply_request import ApplyRequest
from .kernel_maps import KernelMaps
from .map_source import MapSource
from .network_maps import NetworkMaps
from .network_request import NetworkRequest
from .request_base import BaseRequest


def map_source_for(request: BaseRequest, image: Image) -> MapSource:
    """Return the map source of a picture. Raises ArgumentError where it has no maps, ImageError for a curve of no use."""
    if isinstance(request, NetworkRequest):
        return NetworkMaps(request, image)
    assert isinstance(request, ApplyRequest)
    return KernelMaps(request, image)
