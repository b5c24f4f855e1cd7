"""What several exercises share: inputs of probes and random checks, all float64, and parts of wrong answers."""

import torch

from .. import data, robustness


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def uniform(generator, *shape):
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def signs(generator, n):
    return 2 * torch.randint(2, (n,), generator=generator).double() - 1


def seeded(seed):
    """Return a generator of this seed, or of one that a generator draws."""
    if isinstance(seed, torch.Generator):
        seed = int(torch.randint(2**31, (), generator=seed))
    return torch.Generator().manual_seed(seed)


def of_numbers(function, name):
    """Return a function of tensors, arrays or floats, with a name."""

    def call(x):
        return function(torch.as_tensor(x, dtype=torch.float64))

    call.__name__ = name
    return call


def random_linear(generator):
    """Return w, b, X, y, epsilon of a linear classifier."""
    return normal(generator, 6), normal(generator, 1).item(), normal(generator, 4, 6), signs(generator, 4), 0.2


def random_points(generator):
    """Return X, y, c of four points on the sphere."""
    X = data.sphere(4, 10, generator)
    return X, tensor(1.0, -1.0, 1.0, -1.0), min(robustness.coherence(X) + 0.02, 0.95)


def gram(X):
    """Return all inner products, with 0 in place of those of a point with itself."""
    return (X @ X.T).fill_diagonal_(0.0)


def scaled(delta, epsilon, size):
    """Return delta, as a whole made so short that size becomes epsilon at most."""
    return delta * min(1.0, epsilon / size.item()) if size > 0 else delta
