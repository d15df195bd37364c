"""Training: epochs of batches, the rate that rises and falls, the error on pictures that are held out, the best so far."""

import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from msgspec import Struct

from ..engine.simd.reference import Array
from ..errors import ArgumentError
from .augmentation import Changes, changed
from .datasets import Dataset
from .optimizers import OPTIMIZERS
from .trained_network import TrainedNetwork

EVALUATED = 256
"""Pictures whose outputs are computed at a time."""

WARM_UP = 0.3
"""Share of the steps in which the rate rises: Smith and Topin, https://arxiv.org/abs/1708.07120."""

FIRST_RATE, LAST_RATE = 1 / 25, 1e-4
"""Shares of the rate at the first step and at the last one."""


class TrainingOptions(Struct, frozen=True):
    """How a network is trained: ``rate`` is the largest one of the schedule, "one-cycle", or the only one of "constant"."""

    epochs: int = 12
    batch: int = 64
    rate: float = 0.002
    optimizer: str = "adam"
    momentum: float = 0.9
    decay: float = 0.0
    schedule: str = "one-cycle"
    changes: Changes = Changes()
    seed: int = 0


class Progress(Struct, frozen=True, eq=False):
    """Where training is: steps done of all, the mean loss of the epoch so far, and after an epoch the error held out.

    ``held_out`` is the share of wrong classes, None within an epoch; ``is_best`` whether no epoch before had fewer. Where
    nothing is held out it is 0, and the last epoch is the best.
    """

    epoch: int
    step: int
    steps: int
    loss: float
    error: float
    held_out: float | None = None
    is_best: bool = False


class Training:
    """A network in training. ``run`` trains it; ``best`` are the arrays of the epoch with the least error held out."""

    def __init__(self, network: TrainedNetwork, learn: Dataset, held_out: Dataset, options: TrainingOptions) -> None:
        if options.optimizer not in OPTIMIZERS:
            raise ArgumentError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {options.optimizer!r}")
        count = 1 + max(int(part.classes.max(initial=0)) for part in (learn, held_out))
        if count > network.classes:
            raise ArgumentError(
                f"the pictures have {count} classes, and network {network.network.name!r} gives {network.classes} numbers"
            )
        self.network, self.learn, self.held_out, self.options = network, learn, held_out, options
        arguments = {"decay": options.decay} | ({"momentum": options.momentum} if options.optimizer == "sgd" else {})
        self.optimizer: Any = OPTIMIZERS[options.optimizer](**arguments)
        self.epoch = 0
        self.best_error = math.inf
        self.best_epoch: int | None = None
        self.best: dict[str, Array] = _copied(network.parameters)

    def run(self) -> Iterator[Progress]:
        """Train, and yield the progress after each batch and each epoch. Stopping early leaves ``best`` as it is."""
        options, count = self.options, len(self.learn.classes)
        per_epoch = -(-count // options.batch)
        steps, paper = per_epoch * options.epochs, float(self.learn.pictures.min())
        while self.epoch < options.epochs:
            rng = np.random.default_rng([options.seed, self.epoch])  # so that a run that is resumed draws the same
            order = rng.permutation(count)
            losses = wrong = seen = 0.0
            for place in range(per_epoch):
                step = self.epoch * per_epoch + place
                chosen = order[place * options.batch : (place + 1) * options.batch]
                x, labels = self.learn.pictures[chosen], self.learn.classes[chosen]
                if not options.changes.are_none:
                    x = changed(x, options.changes, rng, paper)
                with np.errstate(all="ignore"):
                    loss, outputs, gradients = self.network.gradients(x, labels)
                    if not math.isfinite(loss):
                        raise ArgumentError(f"the loss is {loss} after {step} steps; give a smaller --rate")
                    self.optimizer.step(self.network.parameters, gradients, self._rate(step, steps))
                losses += loss * len(chosen)
                wrong += float((self.network.classes_of(outputs) != labels).sum())
                seen += len(chosen)
                yield Progress(self.epoch, step + 1, steps, losses / seen, wrong / seen)
            self.epoch += 1
            error = error_of(self.network, self.held_out)
            is_best = error <= self.best_error
            if is_best:
                self.best_error, self.best_epoch = error, self.epoch - 1
                self.best = _copied(self.network.parameters)
            yield Progress(self.epoch - 1, self.epoch * per_epoch, steps, losses / seen, wrong / seen, error, is_best)

    def _rate(self, step: int, steps: int) -> float:
        """Return the rate of a step: it rises and falls as cosines do, as PyTorch's ``OneCycleLR``."""
        options = self.options
        if options.schedule == "constant":
            return options.rate
        warm = max(WARM_UP * steps - 1, 1)
        if step <= warm:
            return _between(options.rate * FIRST_RATE, options.rate, step / warm)
        return _between(options.rate, options.rate * FIRST_RATE * LAST_RATE, (step - warm) / max(steps - 1 - warm, 1))

    def state(self) -> dict[str, Array]:
        """Return what a later run needs to go on: the arrays, those of the optimiser, the epochs done and the best error."""
        found = {f"parameter/{name}": array for name, array in self.network.parameters.items()}
        found |= {f"optimizer/{name}": array for name, array in self.optimizer.state.items()}
        found |= {f"best/{name}": array for name, array in self.best.items()}
        facts = {"epoch": self.epoch, "best_epoch": self.epoch if self.best_epoch is None else self.best_epoch}
        found |= {name: np.array(value) for name, value in facts.items()}
        return found | {"best_error": np.array(self.best_error), "digest": self._digest()}

    def _digest(self) -> Array:
        """Return a digest (32,) uint8 of all that a training must share with the one that it goes on from."""
        options = self.options
        shared = hashlib.sha256(repr((options.seed, options.optimizer, options.batch)).encode())
        for part in (self.learn, self.held_out):
            shared.update(np.ascontiguousarray(part.pictures).data)
            shared.update(np.ascontiguousarray(part.classes).data)
        return np.frombuffer(shared.digest(), np.uint8)

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from a state. Raises ArgumentError where it is that of another network, or of other pictures and options."""
        for name, array in self.network.parameters.items():
            given = state.get(f"parameter/{name}")
            if given is None or given.shape != array.shape:
                raise ArgumentError(
                    f"the state to resume from has no {name} of shape {array.shape}, as a training of network "
                    f"{self.network.network.name!r} has; give another file"
                )
        if not np.array_equal(state.get("digest", np.empty(0)), self._digest()):
            raise ArgumentError(
                "the state to resume from is that of other pictures, another seed, batch or optimizer; give another file, or "
                "the same options"
            )
        for name, array in self.network.parameters.items():
            array[:] = state[f"parameter/{name}"]
        self.optimizer.restore(_named(state, "optimizer/"))
        self.best = _copied(_named(state, "best/"))
        self.epoch, self.best_epoch = int(state["epoch"]), int(state["best_epoch"])
        self.best_error = float(state["best_error"])


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) / 2 * (1 + math.cos(math.pi * share))


def _named(state: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Return the arrays whose names begin with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


def _copied(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in arrays.items()}


def classes_found(network: TrainedNetwork, pictures: Array) -> Array:
    """Return the class of each picture (N, C, H, W)."""
    parts = range(0, len(pictures), EVALUATED)
    return np.concatenate([network.classes_of(network.outputs(pictures[part : part + EVALUATED])) for part in parts])


def error_of(network: TrainedNetwork, dataset: Dataset) -> float:
    """Return the share of pictures whose class is wrong; 0 where there are none."""
    if not len(dataset.classes):
        return 0.0
    return float((classes_found(network, dataset.pictures) != dataset.classes).mean())
