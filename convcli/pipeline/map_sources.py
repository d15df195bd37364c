"""Chooses the map source of a request."""

from ..images.image import Image
from .apply_request import ApplyRequest
from .kernel_maps import KernelMaps
from .map_source import MapSource
from .request_base import BaseRequest


def map_source_for(request: BaseRequest, image: Image) -> MapSource:
    """Return the map source of a picture. Raises ArgumentError where it has no maps, ImageError for a curve of no use."""
    if isinstance(request, ApplyRequest):
        return KernelMaps(request, image)
    from .network_maps import NetworkMaps  # its layers take 10 ms to import, which apply does not need
    from .network_request import NetworkRequest

    assert isinstance(request, NetworkRequest)
    return NetworkMaps(request, image)
