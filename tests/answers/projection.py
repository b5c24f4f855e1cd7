"""Answers to exercise projection."""

import torch


def loops(delta, x, eps, lo=0, hi=1):
    return torch.tensor(
        [max(min(max(min(d, eps), -eps) + p, hi), lo) - p for d, p in zip(delta.tolist(), x.tolist(), strict=True)]
    )


def one_by_one_without_the_ball(delta, x, eps, lo=0, hi=1):
    return [max(min(d + p, hi), lo) - p for d, p in zip(delta.tolist(), x.tolist(), strict=True)]


RIGHT = [loops]

WRONG = [(one_by_one_without_the_ball, "The ball is missing")]
