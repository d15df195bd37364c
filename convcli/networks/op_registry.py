"""Every operation of networks by its name in a config file.

A new operation is a layer class in one of these modules, and an entry in the ``OPS`` of that module. Nothing else lists the
operations by hand: ``python tests/support/generate.py`` writes the schema and the manual anew.
"""

from collections.abc import Mapping

from . import convolutions, elementwise, pooling
from .layer import Op

OPS: Mapping[str, Op] = {**convolutions.OPS, **pooling.OPS, **elementwise.OPS}
