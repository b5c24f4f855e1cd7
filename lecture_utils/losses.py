"""Losses of a classifier's logits (n, K) and labels y (n,): one value a sample, shape (n,).

The last three functions return their gradient in the logits, (n, K), as well: attacks take it from there, in a tenth of the
operations that autograd needs for it.
"""

import torch
from torch import nn

from .checks import described, require


def _others(logits, y):
    """Return the logits with -inf at the labels, which are checked: int64, (n,), in 0..K-1 (on a GPU torch itself stops)."""
    kinds = isinstance(y, torch.Tensor) and y.dtype == torch.int64 and isinstance(logits, torch.Tensor)
    if not kinds or not logits.is_floating_point() or logits.dim() != 2 or y.shape != logits.shape[:1]:
        raise ValueError(f"y must be int64 labels (n,) of float logits (n, K), got {described(y)} for {described(logits)}")
    try:
        return logits.scatter(1, y[:, None], -torch.inf)
    except RuntimeError as error:
        require("out of bounds" not in str(error), f"y must lie in 0..{logits.shape[1] - 1}, got {error}")
        raise


def log_odds(logits, y):
    """Return log(p_y / (1 - p_y)) for logits (n, K) and labels y (n,): ordered as the probability p_y, but never saturated."""
    others = _others(logits, y)
    return logits.gather(1, y[:, None])[:, 0] - others.logsumexp(1)


def cross_entropy(logits, y):
    """Return log(sum_j exp(f_j)) - f_y for logits f (n, K) and labels y (n,); shape (n,) (slide "Classification setting").

    Computed as -log sigmoid(log_odds), the same number: where the model is confident, the difference of two nearly
    equal float32 numbers has a gradient whose signs are noise (4 % of all signs on the digits).
    """
    return -nn.functional.logsigmoid(log_odds(logits, y))


def margin(logits, y):
    """Return f_y - max over j != y of f_j for logits f (n, K) and labels y (n,): positive where the answer is right."""
    others = _others(logits, y)
    return logits.gather(1, y[:, None])[:, 0] - others.amax(1)


def log_odds_and_gradient(logits, y):
    """Return ``log_odds`` and its gradient: 1 at y, and minus the softmax over the others."""
    others = _others(logits, y)
    top = others.amax(1, keepdim=True).clamp_min_(torch.finfo(logits.dtype).min)  # -inf where all others have probability 0
    shares = others.sub_(top).exp_()
    total = shares.sum(1, keepdim=True)
    odds = (logits.gather(1, y[:, None]) - top).sub_(total.log())
    return odds[:, 0], shares.div_(total.clamp_min_(1e-30).neg_()).scatter_(1, y[:, None], 1.0)


def cross_entropy_and_gradient(logits, y):
    """Return ``cross_entropy`` and its gradient: the softmax, less 1 at y, written as minus the sum over the others."""
    others, top = _others(logits, y), logits.amax(1, keepdim=True)
    shares = others.sub_(top).exp_()  # times the softmax's sum, and 0 at y
    wrong, right = shares.sum(1, keepdim=True), logits.gather(1, y[:, None]).sub_(top)
    rest = right.expm1().add_(wrong)  # of the sum, which is 1 or more; exactly ``wrong`` where y has the largest logit
    total = rest + 1
    return rest.log1p_().sub_(right)[:, 0], shares.div_(total).scatter_(1, y[:, None], wrong.div_(total).neg_())


def margin_and_gradient(logits, y):
    """Return ``margin`` and its gradient: 1 at y, and -1 at the largest of the others."""
    value, other = _others(logits, y).max(1, keepdim=True)
    gradient = torch.zeros_like(logits).scatter_(1, other, -1.0).scatter_(1, y[:, None], 1.0)
    return (logits.gather(1, y[:, None]) - value)[:, 0], gradient
