"""The loops of gradients: windows as columns of a matrix, and the place of the largest sample of a window.

The rules of ``correlate`` hold here too.
"""


def unfold(planes, kernel, stride, dilation, out):
    """Copy the samples under each tap of a window on padded planes (N, C, H, W) to out (C * kh * kw, N, H', W').

    ``kernel``, ``stride`` and ``dilation`` are (rows, columns).
    """
    for line in range(out.shape[0]):
        channel, tap = divmod(line, kernel[0] * kernel[1])
        above, left = tap // kernel[1] * dilation[0], tap % kernel[1] * dilation[1]
        for n in range(out.shape[1]):
            for y in range(out.shape[2]):
                source, target = planes[n, channel, above + y * stride[0]], out[line, n, y]
                if stride[1] == 1:
                    for x in range(target.size):
                        target[x] = source[left + x]
                else:
                    for x in range(target.size):
                        target[x] = source[left + x * stride[1]]


def fold(columns, kernel, stride, dilation, out):
    """Add columns (C * kh * kw, N, H', W') to the samples of padded planes (N, C, H, W) that ``unfold`` copies them from."""
    for line in range(columns.shape[0]):
        channel, tap = divmod(line, kernel[0] * kernel[1])
        above, left = tap // kernel[1] * dilation[0], tap % kernel[1] * dilation[1]
        for n in range(columns.shape[1]):
            for y in range(columns.shape[2]):
                source, target = columns[line, n, y], out[n, channel, above + y * stride[0]]
                if stride[1] == 1:
                    for x in range(source.size):
                        target[left + x] += source[x]
                else:
                    for x in range(source.size):
                        target[left + x * stride[1]] += source[x]


def add_to_largest(planes, gradients, size, stride, dilation, before, out):
    """Add the gradient of each window (P, H', W') to the first of its largest samples on planes (P, H, W), in out (P, H, W).

    ``size``, ``stride``, ``dilation`` and the padding ``before`` are (rows, columns). NaN is the largest.
    """
    for p in range(planes.shape[0]):
        for i in range(gradients.shape[1]):
            for j in range(gradients.shape[2]):
                row = column = -1
                largest = planes[p, 0, 0]
                for ky in range(size[0]):
                    y = i * stride[0] - before[0] + ky * dilation[0]
                    if y < 0 or y >= planes.shape[1]:
                        continue
                    for kx in range(size[1]):
                        x = j * stride[1] - before[1] + kx * dilation[1]
                        if x < 0 or x >= planes.shape[2]:
                            continue
                        value = planes[p, y, x]
                        if row < 0 or value > largest or (value != value and largest == largest):
                            row, column, largest = y, x, value
                if row >= 0:
                    out[p, row, column] += gradients[p, i, j]


def sample_affine(pictures, matrices, paper, out):
    """Write pictures (N, C, H, W) at affine places to out, between four pixels; ``paper`` is what is beyond their edges.

    ``matrices`` (N, 6): sample (y, x) of out is that of the picture at (a y + b x + c, d y + e x + f). All are float32.
    """
    height, width = pictures.shape[2], pictures.shape[3]
    for n in range(pictures.shape[0]):
        matrix = matrices[n]
        for channel in range(pictures.shape[1]):
            picture = pictures[n, channel]
            for y in range(height):
                line = out[n, channel, y]
                for x in range(width):
                    row = matrix[0] * y + matrix[1] * x + matrix[2]
                    column = matrix[3] * y + matrix[4] * x + matrix[5]
                    if row <= -1 or column <= -1 or row >= height or column >= width:
                        line[x] = paper
                        continue
                    above, left = int(row + 1) - 1, int(column + 1) - 1
                    down, right = row - above, column - left
                    a = picture[above, left] if above >= 0 and left >= 0 else paper
                    b = picture[above, left + 1] if above >= 0 and left + 1 < width else paper
                    c = picture[above + 1, left] if above + 1 < height and left >= 0 else paper
                    d = picture[above + 1, left + 1] if above + 1 < height and left + 1 < width else paper
                    upper, lower = a + (b - a) * right, c + (d - c) * right
                    line[x] = upper + (lower - upper) * down
