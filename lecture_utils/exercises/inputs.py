"""Inputs for the probes and the random checks of the exercises, all float64."""

import torch


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def uniform(generator, *shape):
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def signs(generator, n):
    return 2.0 * torch.randint(2, (n,), generator=generator) - 1
