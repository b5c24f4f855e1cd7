"""Answers to exercise cross-entropy."""

import math

import numpy as np
import torch


def loops(logits, y):
    losses = []
    for row, label in zip(logits.tolist(), y.tolist(), strict=True):
        top = max(row)
        losses.append(top + math.log(sum(math.exp(v - top) for v in row)) - row[label])
    return losses


def numpy(logits, y):
    f = np.asarray(logits)
    top = f.max(1)
    return top + np.log(np.exp(f - top[:, None]).sum(1)) - f[np.arange(len(f)), np.asarray(y)]


def logaddexp(logits, y):
    return np.logaddexp.reduce(logits.numpy(), axis=1) - np.take_along_axis(logits.numpy(), y.numpy()[:, None], 1)[:, 0]


def of_torch(logits, y):
    return torch.nn.functional.cross_entropy(logits, y, reduction="none")


def a_module(logits, y):
    return torch.nn.CrossEntropyLoss(reduction="none")(logits, y)


def negative_log_likelihood(logits, y):
    return torch.nn.functional.nll_loss(logits.log_softmax(1), y, reduction="none")


def one_hot(logits, y):
    return -(torch.nn.functional.one_hot(y, logits.shape[1]) * logits.log_softmax(1)).sum(1)


def einsum(logits, y):
    return logits.logsumexp(1) - torch.einsum("bk,bk->b", logits, torch.nn.functional.one_hot(y, logits.shape[1]).to(logits))


def float32(logits, y):
    return logits.float().logsumexp(-1) - logits.float().take_along_dim(y.unsqueeze(-1), -1).squeeze(-1)


def vmap(logits, y):
    return torch.vmap(lambda f, label: f.logsumexp(0) - f.gather(0, label[None])[0])(logits, y)


def relative_to_y(logits, y):
    away = logits - logits.gather(1, y[:, None])
    top = away.max(1).values
    return top + (away - top[:, None]).exp().sum(1).log()


def in_place(logits, y):
    shift = logits.amax(1, keepdim=True)
    logits -= shift
    mine = logits[range(len(y)), y].clone()
    return logits.exp_().sum(1).log_() - mine


def stack_of_rows(logits, y):
    return torch.stack([-f.log_softmax(0)[label] for f, label in zip(logits, y, strict=True)])


RIGHT = [
    loops, numpy, logaddexp, of_torch, a_module, negative_log_likelihood, one_hot, einsum, float32, vmap, relative_to_y, in_place,
    stack_of_rows,
]  # fmt: skip


def softmax_by_hand(logits, y):
    e = (logits - logits.amax(1, keepdim=True)).exp()
    return -(e / e.sum(1, keepdim=True))[torch.arange(len(y)), y].log()


def of_torch_in_one_number(logits, y):
    return torch.nn.functional.cross_entropy(logits, y)


def maximum_forgotten_with_numpy(logits, y):
    f = logits.numpy()
    return np.log(np.exp(f - f.max(1, keepdims=True)).sum(1)) - f[np.arange(len(f)), y.numpy()]


def clipped(logits, y):
    return -logits.softmax(1).clamp(1e-12, 1).gather(1, y[:, None])[:, 0].log()


def largest_alone(logits, y):
    return logits.amax(1) - logits.gather(1, y[:, None])[:, 0]


def clipped_logits(logits, y):
    return torch.nn.functional.cross_entropy(logits.clamp(-100, 100), y, reduction="none")


def the_other_axis(logits, y):
    return logits.logsumexp(0)[: len(y)] - logits.gather(1, y[:, None])[:, 0]


def without_the_label(logits, y):
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.logsumexp(1) - logits.gather(1, y[:, None])[:, 0]


def label_of_the_first(logits, y):
    return logits.logsumexp(1) - logits[:, y[0]]


def base_two(logits, y):
    return of_torch(logits, y) / math.log(2)


def squared(logits, y):
    return of_torch(logits, y).square().sqrt() + 0.01


def of_one_against_the_rest(logits, y):
    return -torch.nn.functional.logsigmoid(logits).gather(1, y[:, None])[:, 0]


WRONG = [
    (softmax_by_hand, "form neither of them"),
    (of_torch_in_one_number, "not their mean"),
    (maximum_forgotten_with_numpy, "has to be added again"),
    (clipped, "caps the loss"),
    (largest_alone, "wanted"),
    (clipped_logits, "wanted"),
    (the_other_axis, ""),
    (without_the_label, "wanted"),
    (label_of_the_first, "wanted"),
    (base_two, "wanted"),
    (squared, "wanted"),
    (of_one_against_the_rest, "wanted"),
]


def lowered_by_the_logit_of_y(logits, y):
    return (logits - logits.gather(1, y[:, None])).exp().sum(1).log()


def lowered_by_the_first_logit(logits, y):
    first = logits[:, :1]
    return (logits - first).exp().sum(1).log() + first[:, 0] - logits[torch.arange(len(y)), y]


def lowered_by_the_mean(logits, y):
    mean = logits.mean(1, keepdim=True)
    return (logits - mean).exp().sum(1).log() + mean[:, 0] - logits[torch.arange(len(y)), y]


def smoothed(logits, y):
    return torch.nn.functional.cross_entropy(logits, y, reduction="none", label_smoothing=0.01)


WRONG += [
    (lowered_by_the_logit_of_y, "1/p for infinite"),
    (lowered_by_the_first_logit, "inf"),
    (lowered_by_the_mean, "inf"),
    (smoothed, "wanted"),
]


def relative_to_the_label(logits, y):
    return torch.logsumexp(logits - logits.gather(1, y[:, None]), 1)


RIGHT += [relative_to_the_label]


def of_the_three_largest(logits, y):
    top = logits.topk(min(3, logits.shape[1]), dim=1).values
    return top.logsumexp(1) - logits.gather(1, y[:, None])[:, 0]


WRONG += [(of_the_three_largest, "wanted [2.30259]")]
