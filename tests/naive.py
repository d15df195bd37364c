"""The oracle: convolutions so plain that nobody can doubt them. Slow, in float64, no tricks.

``correlate`` is the definition. Everything else is said in terms of it, by the three equations that define the options:

    stride    f(x, stride=s) == f(x)[::s, ::s]
    dilation  f(x, k, dilation=d) == f(x, k with d - 1 zeros between its taps)
    padding   f(x, padding=p, border=b) == f(numpy.pad(x, p, b), padding="valid")
"""

import numpy as np

NUMPY_WORDS = {"zero": "constant", "edge": "edge", "reflect": "reflect", "symmetric": "symmetric", "wrap": "wrap"}


def correlate(image, kernel):
    """(H, W) under (kh, kw): out[y, x] = sum of image[y + i, x + j] * kernel[i, j]."""
    out_h, out_w = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    out = np.zeros((max(out_h, 0), max(out_w, 0)))
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            for i in range(kernel.shape[0]):
                for j in range(kernel.shape[1]):
                    out[y, x] += float(image[y + i, x + j]) * float(kernel[i, j])
    return out


def spread(kernel, dilation):
    """The kernel with dilation - 1 zeros between its taps."""
    out = np.zeros([(n - 1) * d + 1 for n, d in zip(kernel.shape, dilation, strict=True)])
    out[:: dilation[0], :: dilation[1]] = kernel
    return out


def pad(plane, pads, border):
    """An (H, W) plane with its border around it."""
    if isinstance(border, str):
        return np.pad(plane.astype(float), pads, mode=NUMPY_WORDS[border])
    return np.pad(plane.astype(float), pads, mode="constant", constant_values=border)


def plane(image, kernel, stride=(1, 1), pads=((0, 0), (0, 0)), border="zero", dilation=(1, 1), flip=False):
    """One (H, W) plane under one (kh, kw) kernel, with every option."""
    turned = kernel[::-1, ::-1] if flip else kernel
    return correlate(pad(image, pads, border), spread(turned, dilation))[:: stride[0], :: stride[1]]


def filter2d(image, kernel, **options):
    """(H, W, C) under (kh, kw), each channel, or under (kh, kw, C), summed."""
    if kernel.ndim == 2:
        return np.stack([plane(image[:, :, c], kernel, **options) for c in range(image.shape[2])], axis=2)
    return sum(plane(image[:, :, c], kernel[:, :, c], **options) for c in range(image.shape[2]))


def conv2d(x, weight, bias, groups=1, **options):
    """(N, Cin, H, W) under (Cout, Cin / groups, kh, kw)."""
    per_group_in, per_group_out = x.shape[1] // groups, weight.shape[0] // groups
    maps = []
    for o in range(weight.shape[0]):
        first = o // per_group_out * per_group_in
        maps.append([bias[o] + sum(plane(one[first + i], weight[o, i], **options) for i in range(per_group_in)) for one in x])
    return np.array(maps).swapaxes(0, 1)
