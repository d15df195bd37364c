"""Classes of pictures: the numbers that the last layer of a network gives, with their labels."""

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

import numpy as np
from msgspec import Struct

from ..engine.threads import usable_processors
from ..errors import ConvcliError
from ..images.codecs.pillow import truncated_allowed
from ..images.image import Array, Image
from ..images.read import open_frames, open_input
from ..networks.elementwise import Rbf
from ..ops.activations import softmax
from .inputs import Input
from .network_input import enter, prepared
from .network_request import NetworkRequest


class Classified(Struct, frozen=True, eq=False):
    """A picture and its classes, the best first: labels and scores; or the error that it has none.

    ``entered`` is how the picture would enter the network, in a dry run.
    """

    input: Input
    entered: str = ""
    labels: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    notices: tuple[str, ...] = ()
    error: str = ""


def classify(
    request: NetworkRequest, standard_input: BinaryIO | None, fail_fast: bool = False, dry_run: bool = False
) -> Iterator[Classified]:
    """Yield the classes of each input, in order; none in a dry run. An error that concerns one picture is its result.

    The network must end in a vector. As many pictures are computed at a time as there are jobs.
    """
    jobs = request.threads or usable_processors()
    if not dry_run:
        request.model.load(request.max_memory)
    pending: deque[Future[Classified]] = deque()
    with truncated_allowed(request.allow_truncated), ThreadPoolExecutor(jobs) as pool:
        inputs = iter(request.inputs)
        while True:
            while len(pending) < 2 * jobs and (given := next(inputs, None)) is not None:
                pending.append(pool.submit(_classified, request, given, standard_input, dry_run))
            if not pending:
                return
            found = pending.popleft().result()
            yield found
            if found.error and fail_fast:
                for future in pending:
                    future.cancel()
                return


def _classified(request: NetworkRequest, given: Input, standard_input: BinaryIO | None, dry_run: bool) -> Classified:
    try:
        if given.error:
            return Classified(given, error=given.error)
        with contextlib.ExitStack() as closing:
            file = closing.enter_context(open_input(given.source, standard_input, allow_pipe=True))
            frames = open_frames(file, request.max_pixels, request.axes)
            image = frames.read(0, lambda header: None).with_first_used(1, frames.series.count, "frames")
        request.map_shape(image.size, request.maps[0])  # raises where the picture does not fit the network
        if dry_run:
            return Classified(given, _entered(request, image), notices=image.notices)
        x = enter(image, request.network.input, request.size_for(image.size[:2]), request.invert)
        (output,) = request.model.compute(x, 1).values()
    except ConvcliError as error:
        return Classified(given, error=str(error))
    scores = scores_of(request, output)
    order = np.argsort(-scores, kind="stable")
    labels = request.network.labels or tuple(str(index) for index in range(len(scores)))
    chosen = tuple(labels[index] if index < len(labels) else str(index) for index in order)
    return Classified(given, labels=chosen, scores=tuple(scores[order].tolist()), notices=image.notices)


def _entered(request: NetworkRequest, image: Image) -> str:
    """Return how a picture enters the network, for people. Raises ArgumentError where it cannot be prepared."""
    if request.network.input.prepare:
        return prepared(image, request.invert).description
    (height, width, channels), size = image.size, request.size_for(image.size[:2])
    grey = ", in grey" if request.is_of_grey and channels == 3 else ""
    return f"{width} x {height}" + ("" if size == (height, width) else f", resized to {size[1]} x {size[0]}") + grey


def scores_of(request: NetworkRequest, output: Array) -> Array:
    """Return a number for each class, of which the largest is the best: shares of the distances that radial functions give."""
    layer = request.network.layers[request.network.layer_named(request.model.tapped_layers[0])]
    numbers = output.ravel().astype(np.float64)
    return softmax(-numbers) if isinstance(layer, Rbf) else numbers


def is_classifier(request_maps: Iterable[object]) -> bool:
    """Whether a network gives one vector, and so numbers for classes."""
    maps = list(request_maps)
    return len(maps) == 1 and getattr(maps[0], "index", 0) is None
