"""Digits as people have them, brought to the form of MNIST."""

import numpy as np
import pytest

from convcli.errors import ArgumentError
from convcli.pipeline.prepare_digit import BOX, SIDE, prepare_digit

BAR = np.zeros((40, 24))
BAR[:, 8:14] = 1
BAR[:6, :14] = 1


def drawn(height=140, width=100, top=30, left=50, paper=0.9, ink=0.1):
    """A picture with the drawing at a place."""
    picture = np.full((height, width), paper)
    part = picture[top : top + 40, left : left + 24]
    part[BAR > 0] = ink
    return picture


def centre_of(digit):
    """The centre of mass of ink, in pixels from the corner."""
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    return (digit * rows).sum() / digit.sum(), (digit * columns).sum() / digit.sum()


@pytest.mark.parametrize(("paper", "ink"), [(0.9, 0.1), (0.05, 0.95), (0.6, 0.4), (1.0, 0.0), (0.2, 0.5)])
def test_ink_is_found_on_any_paper(paper, ink):
    """Dark on light or light on dark, of any contrast: the same digit, its ink 1 on paper 0."""
    expected = prepare_digit(drawn())
    found = prepare_digit(drawn(paper=paper, ink=ink))
    assert found.is_dark == (ink < paper)
    assert found.box == (30, 70, 50, 64)
    np.testing.assert_allclose(found.digit, expected.digit, atol=1e-5)
    assert (found.digit.min(), found.digit.max()) == pytest.approx((0, 1), abs=1e-5)


def test_the_form_is_that_of_mnist():
    """The ink fits 20 x 20 with its proportions, and its centre of mass is in the middle, to half a pixel."""
    digit = prepare_digit(drawn()).digit
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    assert rows[-1] - rows[0] + 1 == BOX
    assert columns[-1] - columns[0] + 1 == 7  # 14 of 40
    assert np.abs(np.array(centre_of(digit)) - SIDE / 2).max() <= 0.5 + 1e-6
    assert digit.shape == (SIDE, SIDE)


def test_place_and_size_do_not_matter():
    """Twice as large, and elsewhere."""
    expected = prepare_digit(drawn()).digit
    moved = prepare_digit(drawn(top=95, left=3)).digit
    np.testing.assert_array_equal(moved, expected)
    doubled = prepare_digit(np.kron(drawn(), np.ones((2, 2)))).digit
    np.testing.assert_allclose(doubled, expected, atol=0.02)


def test_noise_and_shade_are_paper(rng):
    """A scan with noise, a photo that is darker on one side."""
    expected = prepare_digit(drawn()).digit
    noisy = drawn() + rng.normal(0, 0.03, (140, 100))
    shaded = drawn() * np.linspace(0.75, 1, 100)
    for picture in (noisy, shaded):
        assert np.abs(prepare_digit(picture).digit - expected).mean() < 0.03


def test_inverting_can_be_asked_for():
    """Where most of the frame is ink, auto would take it for paper."""
    picture = 1 - drawn(40, 24, 0, 0)
    assert prepare_digit(picture, "no").is_dark is False
    assert prepare_digit(picture, "yes").is_dark is True


@pytest.mark.parametrize("picture", [np.ones((28, 28)), np.zeros((9, 9)), np.full((5, 5), 0.5) + np.eye(5) * 0.01])
def test_pictures_without_ink_are_refused(picture):
    """All of one level, or nearly so."""
    with pytest.raises(ArgumentError, match="holds no digit"):
        prepare_digit(picture)
