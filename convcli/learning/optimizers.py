"""Optimisers: how parameters are changed by their gradients."""

from collections.abc import Mapping

import numpy as np

from ..engine.simd.reference import Array

Arrays = Mapping[str, Array]
"""Arrays by their names; an optimiser changes them in place."""


class Momentum:
    """Stochastic gradient descent with momentum: PyTorch's ``SGD``, without Nesterov's step."""

    def __init__(self, momentum: float = 0.9, decay: float = 0.0) -> None:
        self.momentum, self.decay = momentum, decay
        self.velocities: dict[str, Array] = {}

    def step(self, parameters: Arrays, gradients: Arrays, rate: float) -> None:
        """Change the parameters."""
        for name, gradient in gradients.items():
            value = parameters[name]
            change = gradient + self.decay * value if self.decay else gradient
            velocity = self.velocities.get(name)
            self.velocities[name] = velocity = change.copy() if velocity is None else self.momentum * velocity + change
            value -= value.dtype.type(rate) * velocity

    @property
    def state(self) -> dict[str, Array]:
        """What a later run needs to go on."""
        return {f"velocity/{name}": value for name, value in self.velocities.items()}

    def restore(self, state: Arrays) -> None:
        """Go on from a state."""
        self.velocities = {
            name.partition("/")[2]: value.copy() for name, value in state.items() if name.startswith("velocity/")
        }


class Adam:
    """Adam: Kingma and Ba, https://arxiv.org/abs/1412.6980, algorithm 1; ``decay`` as in AdamW, https://arxiv.org/abs/1711.05101."""

    def __init__(self, first: float = 0.9, second: float = 0.999, epsilon: float = 1e-8, decay: float = 0.0) -> None:
        self.first, self.second, self.epsilon, self.decay = first, second, epsilon, decay
        self.steps = 0
        self.means: dict[str, Array] = {}
        self.squares: dict[str, Array] = {}

    def step(self, parameters: Arrays, gradients: Arrays, rate: float) -> None:
        """Change the parameters."""
        self.steps += 1
        correction = np.sqrt(1 - self.second**self.steps) / (1 - self.first**self.steps)
        for name, gradient in gradients.items():
            value = parameters[name]
            real = value.dtype.type
            if name not in self.means:
                self.means[name], self.squares[name] = np.zeros_like(value), np.zeros_like(value)
            mean, square = self.means[name], self.squares[name]
            mean += real(1 - self.first) * (gradient - mean)
            square += real(1 - self.second) * (gradient * gradient - square)
            scaled_epsilon = real(self.epsilon * np.sqrt(1 - self.second**self.steps))
            if self.decay:
                value *= real(1 - rate * self.decay)
            value -= real(rate * correction) * mean / (np.sqrt(square) + scaled_epsilon)

    @property
    def state(self) -> dict[str, Array]:
        """What a later run needs to go on."""
        found = {f"mean/{name}": value for name, value in self.means.items()}
        found |= {f"square/{name}": value for name, value in self.squares.items()}
        return found | {"steps/": np.array(self.steps)}

    def restore(self, state: Arrays) -> None:
        """Go on from a state."""
        for kind, target in (("mean/", self.means), ("square/", self.squares)):
            target.update({name.removeprefix(kind): value.copy() for name, value in state.items() if name.startswith(kind)})
        self.steps = int(state.get("steps/", 0))


OPTIMIZERS = {"adam": Adam, "sgd": Momentum}
"""The optimisers, by their words."""
