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
from .network import Network

Arrays = Mapping[str, Mapping[str, Array]]


class Step(NamedTuple):
    """The layer whose output a step computes, those whose outputs it takes, and the function of these and of threads.

    Layers have their index in the network; -1 is its input.
    """

    layer: int
    inputs: tuple[int, ...]
    compute: Callable[[Sequence[Array], int | None], Array]


def make_steps(network: Network, arrays: Arrays, tapped: Collection[str]) -> Iterator[Step]:
    """Yield the steps that compute the tapped layers. Each of these is the last of a step."""
    links, counts, needed = network.links(), network.channel_counts(), network.needed_for(tapped)
    readers: dict[int, list[int]] = {index: [] for index in (-1, *needed)}
    for index in needed:
        for link in links[index]:
            readers[link].append(index)

    def sole_reader(index: int, kind: type[Layer]) -> int | None:
        """Return the layer that alone takes the output of another, if it is of this kind, and the output is not asked for."""
        is_alone = len(readers[index]) == 1 and network.layers[index].name not in tapped
        return readers[index][0] if is_alone and isinstance(network.layers[readers[index][0]], kind) else None

    done: set[int] = set()
    for index in needed:
        if index in done:
            continue
        layer = network.layers[index]
        groups = _groups_of(layer, arrays[layer.name], counts[index].before)
        if groups is None or not isinstance(layer, Conv | Depthwise):
            yield Step(index, links[index], partial(_run, layer, arrays[layer.name]))
            continue
        last, weight, bias = index, arrays[layer.name]["weight"], arrays[layer.name].get("bias")
        following = sole_reader(last, BatchNorm)
        if following is not None:
            normalized = _normalized(weight, bias, network.layers[following], arrays[network.layers[following].name])
            if normalized is not None:
                (weight, bias), last = normalized, following
                done.add(last)
        following = sole_reader(last, Activation)
        rectified = following is not None and network.layers[following].kind == "relu"
        if following is not None and rectified:
            last = following
            done.add(last)
        convolution = FixedConv(weight, bias, groups=groups, rectified=rectified, **layer.options())
        yield Step(last, links[index], partial(_convolve, convolution))


def compute_steps(steps: Sequence[Step], x: Array, kept: Collection[int], threads: int | None) -> dict[int, Array]:
    """Return the outputs of the ``kept`` layers, (C, H, W) or (C,), by index, for an input (C, H, W).

    Those of other layers are freed as soon as no further step takes them.
    """
    last_reader = {index: place for place, step in enumerate(steps) for index in step.inputs}
    outputs, kept_outputs = {-1: x}, dict[int, Array]()
    for place, step in enumerate(steps):
        inputs = [outputs[index] for index in step.inputs]
        for index in step.inputs:
            if last_reader[index] == place:
                outputs.pop(index, None)
        outputs[step.layer] = step.compute(inputs, threads)
        if step.layer in kept:
            kept_outputs[step.layer] = outputs[step.layer]
    return kept_outputs


def _convolve(convolution: FixedConv, inputs: Sequence[Array], threads: int | None) -> Array:
    return convolution(inputs[0], threads)


def _run(layer: Layer, arrays: Mapping[str, Array], inputs: Sequence[Array], threads: int | None) -> Array:
    return layer.run(layer.join(inputs), arrays, threads)


def _groups_of(layer: Layer, arrays: Mapping[str, Array], channels: int | None) -> int | None:
    """Return the groups of the convolution that a layer is; None where it is another one, or more than one."""
    if isinstance(layer, Conv):
        return None if layer.is_shared else layer.groups
    return channels if isinstance(layer, Depthwise) and arrays["weight"].ndim == 4 else None


def _normalized(weight: Array, bias: Array | None, layer: Layer, arrays: Mapping[str, Array]) -> tuple[Array, Array] | None:
    """Return weight and bias, float64, of a convolution with the batch normalisation after it.

    None where the factors are 0 or not finite: weights of 0 are not part of a kernel.
    """
    assert isinstance(layer, BatchNorm)
    learned = arrays["mean"], arrays["variance"], arrays.get("weight"), arrays.get("bias")
    scales, shifts = batch_norm_factors(len(weight), *learned, layer.epsilon)
    with np.errstate(all="ignore"):
        product = weight * scales[:, None, None, None]
        stored = product.astype(np.float32)
    kept = np.isfinite(stored).all() and np.isfinite(shifts).all() and ((stored == 0) == (weight == 0)).all()
    return (product, shifts if bias is None else bias * scales + shifts) if kept else None
