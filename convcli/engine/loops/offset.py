"""The offset that is subtracted from every sample (``engine.offset``), found from a few samples of an image."""

import numpy as np

MAX_DISTANCE = 1.2
"""Largest distance of samples from 0, in extents of the image, at which no offset is subtracted."""

MAX_OFFSET = float(np.finfo(np.float32).max) * 2.0**-26
"""Largest offset: with a larger one, the largest samples minus the offset could be infinite."""

PROBED_SAMPLES = 256
"""Samples from which the offset is computed. They lie far apart, so that each takes a memory access."""


def probed_step(size, planes):
    """Return the distance of probed samples along an axis of planes."""
    side = 1
    while (side + 1) * (side + 1) * planes <= PROBED_SAMPLES:
        side += 1
    return max((size + side - 1) // side, 1)


def probed_steps(planes):
    """Return the distances along rows and columns of a grid of samples of planes (P, H, samples)."""
    return probed_step(planes.shape[1], planes.shape[0]), probed_step(planes.shape[2], planes.shape[0])


def offset_of(planes):
    """Return whether sums over planes (P, H, samples) need an offset, the offset, and the mean distance of samples from it.

    All are of samples on a grid of the planes, without NaN and infinities. The offset lies between the least and the largest
    of them, which suffices for the bound. It is the rounded mean of integers, and the float that is nearest to the mean, so
    that sums of integers stay integers. Samples so far from 0, relative to their extent, that sums could exceed BOUND need it.
    """
    down, along = probed_steps(planes)
    probed = planes[:, ::down, ::along]
    least, most, total, count = np.inf, -np.inf, 0.0, 0
    for sample in probed.flat:
        number = float(sample)
        if number - number == 0:
            least, most, total, count = min(least, number), max(most, number), total + number / PROBED_SAMPLES, count + 1
    if count == 0:
        return False, 0.0, 0.0
    mean = total / count * PROBED_SAMPLES
    offset = least
    if planes.dtype.type(0.5) == 0:
        offset = float(int(mean + 0.5))
    else:
        for sample in probed.flat:
            if abs(float(sample) - mean) < abs(offset - mean):
                offset = float(sample)
    if abs(offset) > MAX_OFFSET:
        offset = 0.0
    distances = 0.0
    for sample in probed.flat:
        distance = abs(float(sample) - offset)
        distances += distance / PROBED_SAMPLES if distance < np.inf else 0.0
    return offset != 0 and max(least, -most) > (MAX_DISTANCE - 1) * (most - least), offset, distances / count * PROBED_SAMPLES


def probe(planes, result):
    """Write what ``offset_of`` returns to result (3,)."""
    needed, offset, deviation = offset_of(planes)
    result[0], result[1], result[2] = needed, offset, deviation


def needs_offset(planes):
    """Return the first result of ``offset_of``, mostly from a few samples, as those of a large image are in no cache.

    Of samples that do not need it, all samples together do not either.
    """
    down, along = probed_steps(planes)
    least, most = np.inf, -np.inf
    for sample in planes[:, ::down, ::along].flat:
        number = float(sample)
        if number - number == 0:
            least, most = min(least, number), max(most, number)
            if max(least, -most) <= (MAX_DISTANCE - 1) * (most - least):
                return False
    return least <= most


def offset_or_probed(planes, offset):
    """Return an offset; in place of NaN, that of ``offset_of`` where it is needed, else 0."""
    if offset == offset:
        return float(offset)
    return offset_of(planes)[1] if needs_offset(planes) else 0.0
