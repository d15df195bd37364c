"""All network operations, by their names in config files.

A new operation is a layer class, and an entry in the ``OPS`` of one of these modules. The schema and the manual are generated:
run ``python tests/support/generate.py``.
"""

from collections.abc import Mapping

from . import convolutions, elementwise, joins, pooling, rearranging
from .layer import Op

OPS: Mapping[str, Op] = {**convolutions.OPS, **pooling.OPS, **rearranging.OPS, **elementwise.OPS, **joins.OPS}
