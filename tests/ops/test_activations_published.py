"""Activations against published figures."""

import numpy as np
from numpy.testing import assert_allclose

from convcli.ops.activations import scaled_tanh


def test_scaled_tanh_is_that_of_lenet_5():
    """LeCun et al. 1998, appendix A: f(1) = 1 and f(-1) = -1, and the second derivative is largest at 1."""
    assert_allclose(scaled_tanh(np.array([-1.0, 0.0, 1.0, 50.0])), [-1, 0, 1, 1.7159], atol=1e-4)
    x = np.linspace(0.5, 1.5, 10001)
    assert abs(x[np.argmax(np.abs(np.diff(scaled_tanh(x), 2)))] - 1) < 0.02
