"""A test double of the Index Management transform API, in front of a real OpenSearch.

`TransformApi(node_url)` is an HTTP proxy: what it does not know itself goes to the node unchanged, and its
transform jobs really run their composite aggregation on the node. The proof that it answers as Index Management
3.4.0.0 did in `tests/recordings/transform-api/` is `tests/integration/engines/test_transform_double.py`.
"""

from tests.transform_api.faults import Faults
from tests.transform_api.server import TransformApi

__all__ = ["Faults", "TransformApi"]
