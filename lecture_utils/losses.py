"""Losses of a classifier's logits (n, K) and labels y (n,): one value a sample, shape (n,)."""

import torch
from torch import nn


def log_odds(logits, y):
    """Return log(p_y / (1 - p_y)) for logits (n, K) and labels y (n,): ordered as the probability p_y, but never saturated."""
    others = logits.scatter(1, y[:, None], -torch.inf)
    return logits.gather(1, y[:, None])[:, 0] - others.logsumexp(1)


def cross_entropy(logits, y):
    """Return log(sum_j exp(f_j)) - f_y for logits f (n, K) and labels y (n,); shape (n,) (slide "Classification setting").

    Computed as -log sigmoid(log_odds), the same number: where the model is confident, the difference of two nearly
    equal float32 numbers has a gradient whose signs are noise (4 % of all signs on the digits).
    """
    return -nn.functional.logsigmoid(log_odds(logits, y))


def margin(logits, y):
    """Return f_y - max over j != y of f_j for logits f (n, K) and labels y (n,): positive where the answer is right."""
    others = logits.scatter(1, y[:, None], -torch.inf)
    return logits.gather(1, y[:, None])[:, 0] - others.amax(1)
