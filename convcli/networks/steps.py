"""The steps in which a network is computed: layers, some of them joined.

A convolution, the batch normalisation after it and the ReLU after that are one step: the normalisation becomes part of the
weights, and negative results are replaced by 0 as they are written. Only the output of the last layer of a step exists.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from ..engine.simd.reference import Array
from ..ops.conv import FixedConv
from ..ops.normalization import batch_norm_factors
from .convolutions import Conv
from .depthwise import Depthwise
from .elementwise import Activation, BatchNorm
from .layer import Layer

Arrays = Mapping[str, Mapping[str, Array]]


class Step(NamedTuple):
    """The layer whose output a step computes, and the function of its input and the number of threads."""

    layer: str
    compute: Callable[[Array, int | None], Array]


def make_steps(layers: Sequence[Layer], arrays: Arrays, channels: int, tapped: Collection[str]) -> Iterator[Step]:
    """Yield the steps for an input of ``channels`` maps. Every ``tapped`` layer is the last of a step."""
    current: int | None = channels
    done = 0
    while done < len(layers):
        layer = layers[done]
        groups = _groups_of(layer, arrays[layer.name], current)
        current, done = layer.channels(current), done + 1
        if groups is None or not isinstance(layer, Conv | Depthwise):
            yield Step(layer.name, partial(_run, layer, arrays[layer.name]))
            continue
        name, (weight, bias) = layer.name, (arrays[layer.name]["weight"], arrays[layer.name].get("bias"))
        following = layers[done] if done < len(layers) else None
        if isinstance(following, BatchNorm) and name not in tapped:
            normalized = _normalized(weight, bias, following, arrays[following.name])
            if normalized is not None:
                (weight, bias), name, done = normalized, following.name, done + 1
        following = layers[done] if done < len(layers) else None
        rectified = isinstance(following, Activation) and following.function == "relu" and name not in tapped
        if rectified:
            name, done = layers[done].name, done + 1
        yield Step(name, FixedConv(weight, bias, groups=groups, rectified=rectified, **layer.options()))


def _run(layer: Layer, arrays: Mapping[str, Array], x: Array, threads: int | None) -> Array:
    return layer.run(x, arrays, threads)


def _groups_of(layer: Layer, arrays: Mapping[str, Array], channels: int | None) -> int | None:
    """Return the groups of the convolution that a layer is; None where it is another one, or more than one."""
    if isinstance(layer, Conv):
        return None if layer.is_shared else layer.groups
    return channels if isinstance(layer, Depthwise) and arrays["weight"].ndim == 4 else None


def _normalized(weight: Array, bias: Array | None, layer: BatchNorm, arrays: Mapping[str, Array]) -> tuple[Array, Array] | None:
    """Return weight and bias, float64, of a convolution with the batch normalisation after it.

    None where the factors are 0 or not finite: weights of 0 are not part of a kernel.
    """
    learned = arrays["mean"], arrays["variance"], arrays.get("weight"), arrays.get("bias")
    scales, shifts = batch_norm_factors(len(weight), *learned, layer.epsilon)
    with np.errstate(all="ignore"):
        product = weight * scales[:, None, None, None]
        stored = product.astype(np.float32)
    kept = np.isfinite(stored).all() and np.isfinite(shifts).all() and ((stored == 0) == (weight == 0)).all()
    return (product, shifts if bias is None else bias * scales + shifts) if kept else None
