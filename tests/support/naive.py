"""The oracle: convolutions in plain loops, in float64.

``correlate`` is the definition. Every option is defined in terms of it:

    stride    f(x, stride=s) == f(x)[::s, ::s]
    dilation  f(x, k, dilation=d) == f(x, k with d - 1 zeros between its taps)
    padding   f(x, padding=p, border=b) == f(numpy.pad(x, p, b), padding="valid")
"""

import numpy as np

NUMPY_WORDS = {"zero": "constant", "edge": "edge", "reflect": "reflect", "symmetric": "symmetric", "wrap": "wrap"}
NUMPY_WORDS["linear-ramp"] = "linear_ramp"  # ramps to 0; pad in float64, as NumPy rounds the ramp of integers


def correlate(image, kernel):
    """Correlate (H, W) with (kh, kw): out[y, x] = sum of image[y + i, x + j] * kernel[i, j]."""
    out_h, out_w = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    out = np.zeros((max(out_h, 0), max(out_w, 0)))
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            for i in range(kernel.shape[0]):
                for j in range(kernel.shape[1]):
                    out[y, x] += float(image[y + i, x + j]) * float(kernel[i, j])
    return out


def dilate(kernel, dilation):
    """Return the kernel with dilation - 1 zeros between its taps."""
    out = np.zeros([(n - 1) * d + 1 for n, d in zip(kernel.shape, dilation, strict=True)])
    out[:: dilation[0], :: dilation[1]] = kernel
    return out


def pad(plane, pads, border):
    """Pad an (H, W) plane."""
    if isinstance(border, str):
        return np.pad(plane.astype(float), pads, mode=NUMPY_WORDS[border])
    return np.pad(plane.astype(float), pads, mode="constant", constant_values=border)


def plane(image, kernel, stride=(1, 1), pads=((0, 0), (0, 0)), border="zero", dilation=(1, 1), flip=False):
    """Filter an (H, W) plane with a (kh, kw) kernel; every option."""
    flipped = kernel[::-1, ::-1] if flip else kernel
    return correlate(pad(image, pads, border), dilate(flipped, dilation))[:: stride[0], :: stride[1]]


def filter2d(image, kernel, **options):
    """Filter (H, W, C) with (kh, kw), each channel on its own, or with (kh, kw, C), summed over channels."""
    if kernel.ndim == 2:
        return np.stack([plane(image[:, :, c], kernel, **options) for c in range(image.shape[2])], axis=2)
    return sum(plane(image[:, :, c], kernel[:, :, c], **options) for c in range(image.shape[2]))


def conv2d(x, weight, bias, groups=1, **options):
    """Convolve (N, Cin, H, W) with (Cout, Cin / groups, kh, kw)."""
    per_group_in, per_group_out = x.shape[1] // groups, weight.shape[0] // groups
    maps = []
    for o in range(weight.shape[0]):
        start = o // per_group_out * per_group_in
        maps.append(
            [bias[o] + sum(plane(image[start + i], weight[o, i], **options) for i in range(per_group_in)) for image in x]
        )
    return np.array(maps).swapaxes(0, 1)


def conv_transpose2d(x, weight, bias, stride, pads, extra, dilation, groups=1):
    """Convolve (N, Cin, H, W) with (Cin, Cout / groups, kh, kw), transposed.

    Each sample adds the kernel times itself to the output; then the pads are cut off.
    """
    count, cin, height, width = x.shape
    outs, kh, kw = weight.shape[1:]
    sides = [
        (n - 1) * s + (k - 1) * d + 1 + e
        for n, s, k, d, e in zip((height, width), stride, (kh, kw), dilation, extra, strict=True)
    ]
    out = np.zeros((count, outs * groups, *sides))
    for n, i, o, y, x_, a, b in np.ndindex(count, cin, outs, height, width, kh, kw):
        at = y * stride[0] + a * dilation[0], x_ * stride[1] + b * dilation[1]
        out[(n, i // (cin // groups) * outs + o, *at)] += float(x[n, i, y, x_]) * float(weight[i, o, a, b])
    (top, bottom), (left, right) = pads
    return out[:, :, top : max(sides[0] - bottom, 0), left : max(sides[1] - right, 0)] + np.reshape(bias, (-1, 1, 1))


def windows(size, kernel, stride, pads, dilation, ceil_mode):
    """For each window along an axis: the pixels that it covers, and how many of its taps lie on pixels or padding."""
    all_taps = []
    start, end = -pads[0], size + pads[1]
    while start + (kernel - 1) * dilation < end:
        all_taps.append([start + k * dilation for k in range(kernel)])
        start += stride
    if ceil_mode and all_taps[-1][-1] < end - 1 and start < size:
        all_taps.append([start + k * dilation for k in range(kernel)])
    return [([i for i in taps if 0 <= i < size], sum(-pads[0] <= i < end for i in taps)) for taps in all_taps]


def lp_norm(samples, p):
    """(sum of abs(x) ** p) ** (1 / p)."""
    return sum(abs(float(sample)) ** p for sample in samples.ravel()) ** (1 / p)


def pool(x, rows, columns, reduce):
    """Pool planes (P, H, W): ``reduce(samples, count)`` for each pair of a row window and a column window of ``windows``."""
    return np.array([[[reduce(image[np.ix_(i, j)], n * m) for j, m in columns] for i, n in rows] for image in x])


def filter2d_missing(
    image, absent, kernel, rule, stride=(1, 1), pads=((0, 0), (0, 0)), border="zero", dilation=(1, 1), flip=False
):
    """Filter (H, W, C), of which ``absent`` are missing, with (kh, kw) or (kh, kw, C): the definition, tap by tap.

    A padded sample is missing where the sample that it copies is. Samples under a weight of 0 do not matter.
    """
    turned = kernel[::-1, ::-1] if flip else kernel
    copies = {"linear-ramp": "edge"}.get(border, border) if isinstance(border, str) else "zero"
    channels = range(image.shape[2])
    values = [pad(np.where(absent[:, :, c], 0, image[:, :, c]), pads, border) for c in channels]
    gone = [pad(absent[:, :, c], pads, copies) > 0 for c in channels]
    groups = [[c] for c in channels] if kernel.ndim == 2 else [list(channels)]
    rows, columns = (np.arange(n) * d for n, d in zip(kernel.shape, dilation, strict=False))
    height, width = values[0].shape[0] - rows[-1], values[0].shape[1] - columns[-1]
    out = np.zeros((len(range(0, max(height, 0), stride[0])), len(range(0, max(width, 0), stride[1])), len(groups)))
    for y, x, g in np.ndindex(out.shape):
        place = np.ix_(y * stride[0] + rows, x * stride[1] + columns)
        taps = [
            (float(weight), float(value), bool(is_gone))
            for c in groups[g]
            for weight, value, is_gone in zip(
                (turned if kernel.ndim == 2 else turned[:, :, c]).flat, values[c][place].flat, gone[c][place].flat, strict=True
            )
            if weight
        ]
        out[y, x, g] = response_of_taps(taps, rule)
    return out if kernel.ndim == 2 else out[:, :, 0]


def response_of_taps(taps, rule):
    """The response to taps (weight, value, whether it is missing)."""
    total = sum(weight * value for weight, value, is_gone in taps if not is_gone)
    if rule == "zero" or not any(is_gone for _, _, is_gone in taps):
        return total
    seen = sum(weight for weight, _, is_gone in taps if not is_gone)
    if rule == "spread" or abs(seen) <= 1e-6 * sum(abs(weight) for weight, _, _ in taps):
        return np.nan
    return total * sum(weight for weight, _, _ in taps) / seen
