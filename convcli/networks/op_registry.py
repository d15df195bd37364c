"""The operations of networks by their names in a config file.

A new operation is a layer class, and an entry in the ``OPS`` of one of these modules. Nothing else lists the operations by
hand: ``python tests/support/generate.py`` generates the schema and the manual.
"""

from collections.abc import Mapping

from . import convolutions, elementwise, pooling
from .layer import Op

OPS: Mapping[str, Op] = {**convolutions.OPS, **pooling.OPS, **elementwise.OPS}
