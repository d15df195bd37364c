"""Compares how fast LeNet-5 is trained with PyTorch, on one thread, in one run.

    python -m pip install torch
    python tests/benchmarks/digits.py make package digits
    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/training.py digits/train.npz

Both train the same layers on the same digits by Adam, in batches of 64, each picture changed by a random affine map. Epochs
alternate; the median of the pictures per second is printed.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

from convcli.config.load import load_registry
from convcli.config.search_path import ConfigLocation, built_in_file
from convcli.learning.augmentation import PRESETS
from convcli.learning.trained_network import TrainedNetwork
from convcli.learning.training import Training, TrainingOptions
from convcli.pipeline.learn_network import read_dataset

BATCH = 64


class ScaledTanh(torch.nn.Module):
    """LeCun's activation."""

    def forward(self, x):
        """Return 1.7159 tanh(2x / 3)."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class SubSampling(torch.nn.Module):
    """The mean of 2 x 2, times a factor, plus a bias, for each map."""

    def __init__(self, maps):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.ones(maps, 1, 1))
        self.bias = torch.nn.Parameter(torch.zeros(maps, 1, 1))

    def forward(self, x):
        """Return the map."""
        return torch.nn.functional.avg_pool2d(x, 2) * self.factor + self.bias


class TableConv(torch.nn.Conv2d):
    """A convolution whose filters read some of the maps."""

    def __init__(self, connections):
        super().__init__(6, 16, 5)
        table = torch.zeros(16, 6, 1, 1)
        for row, maps in enumerate(connections):
            table[row, list(maps)] = 1
        self.register_buffer("table", table)

    def forward(self, x):
        """Return the maps."""
        return torch.nn.functional.conv2d(x, self.weight * self.table, self.bias)


class Rbf(torch.nn.Module):
    """Squared distances to patterns."""

    def __init__(self, patterns):
        super().__init__()
        self.register_buffer("patterns", torch.from_numpy(patterns))

    def forward(self, x):
        """Return the distances."""
        return ((x[:, None] - self.patterns) ** 2).sum(dim=2)


def distance_loss(distances, labels):
    """LeCun et al. 1998, equation 9, with j = 1."""
    right = distances.gather(1, labels[:, None])[:, 0]
    further = torch.cat([-distances, torch.full((len(labels), 1), -1.0)], dim=1)
    return (right + torch.logsumexp(further, dim=1)).mean()


def torch_network(name, ours):
    """Return the layers of a network in PyTorch, and its loss."""
    nn = torch.nn
    if name == "lenet-5-modern":
        layers = [nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        layers += [nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)]
        return nn.Sequential(*layers), nn.functional.cross_entropy
    table = next(layer.connections for layer in ours.network.layers if layer.name == "C3")
    layers = [nn.Conv2d(1, 6, 5), ScaledTanh(), SubSampling(6), ScaledTanh(), TableConv(table), ScaledTanh(), SubSampling(16)]
    layers += [ScaledTanh(), nn.Conv2d(16, 120, 5), ScaledTanh(), nn.Flatten(), nn.Linear(120, 84), ScaledTanh()]
    return nn.Sequential(*layers, Rbf(ours.parameters["output.weight"])), distance_loss


def affine_batch(x, changes, rng):
    """Change a batch by random affine maps, as ``convcli.learning.augmentation`` does."""
    count = len(x)
    angle = rng.uniform(-1, 1, count) * changes.rotation
    scale = np.exp(rng.uniform(-1, 1, (count, 2)) * changes.scale)
    shear, shift = rng.uniform(-1, 1, count) * changes.shear, rng.uniform(-1, 1, (count, 2)) * changes.shift * 2
    cosine, sine = np.cos(angle), np.sin(angle)
    matrices = np.empty((count, 2, 3), np.float32)
    matrices[:, 0] = np.stack([cosine * scale[:, 1], (-sine + shear * cosine) * scale[:, 0], shift[:, 1]], axis=1)
    matrices[:, 1] = np.stack([sine * scale[:, 1], (cosine + shear * sine) * scale[:, 0], shift[:, 0]], axis=1)
    grid = torch.nn.functional.affine_grid(torch.from_numpy(matrices), x.shape, align_corners=False)
    return torch.nn.functional.grid_sample(x, grid, padding_mode="border", align_corners=False)


def torch_epochs(name, ours, dataset):
    """Yield after each epoch."""
    network, loss = torch_network(name, ours)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
    x, labels = torch.from_numpy(dataset.pictures), torch.from_numpy(dataset.classes)
    rng = np.random.default_rng(0)
    while True:
        order = torch.from_numpy(rng.permutation(len(x)))
        for part in order.split(BATCH):
            optimizer.zero_grad()
            loss(network(affine_batch(x[part], PRESETS["digits"], rng)), labels[part]).backward()
            optimizer.step()
        yield


def our_epochs(ours, dataset, epochs):
    """Yield after each epoch."""
    nothing = dataset.part(np.arange(0))
    training = Training(ours, dataset, nothing, TrainingOptions(epochs=epochs, changes=PRESETS["digits"]))
    for state in training.run():
        if state.held_out is not None:
            yield


def gradient_difference(name, ours, dataset):
    """Return the largest difference of gradients of a batch, as a share of the largest of each array."""
    network, loss = torch_network(name, ours)
    learned = [key for key in ours.parameters if key != "output.weight" or name == "lenet-5-modern"]
    with torch.no_grad():
        for key, parameter in zip(learned, network.parameters(), strict=True):
            parameter.copy_(torch.from_numpy(ours.parameters[key]).reshape(parameter.shape))
    x, labels = dataset.pictures[:BATCH], dataset.classes[:BATCH]
    loss(network(torch.from_numpy(x)), torch.from_numpy(labels)).backward()
    _, _, found = ours.gradients(x, labels)
    pairs = [(found[key], parameter.grad.numpy()) for key, parameter in zip(learned, network.parameters(), strict=True)]
    return max(float(np.abs(a - b.reshape(a.shape)).max() / np.abs(b).max()) for a, b in pairs)


def main():
    """Print a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    registry = load_registry([ConfigLocation(built_in_file(), "built in")])
    for name in ("lenet-5-modern", "lenet-5"):
        network = registry.network(name)
        dataset = read_dataset(asked.data, network)
        ours = TrainedNetwork(network, 0)
        difference = gradient_difference(name, ours, dataset)
        runs = {"convcli": our_epochs(ours, dataset, asked.epochs + 1), "PyTorch": torch_epochs(name, ours, dataset)}
        seconds = {system: [] for system in runs}
        for _ in range(asked.epochs + 1):
            for system, epochs in runs.items():
                began = time.perf_counter()
                next(epochs)
                seconds[system].append(time.perf_counter() - began)
        rates = {system: len(dataset.classes) / statistics.median(times[1:]) for system, times in seconds.items()}
        ratio = rates["convcli"] / rates["PyTorch"]
        words = ", ".join(f"{system} {rate:,.0f}" for system, rate in rates.items())
        sys.stdout.write(f"{name}: pictures a second: {words}; ratio {ratio:.2f}; gradients differ by {difference:.1e}\n")


if __name__ == "__main__":
    main()
