"""Answers to exercise cross-entropy."""

import math


def loops(logits, y):
    losses = []
    for row, label in zip(logits.tolist(), y.tolist(), strict=True):
        top = max(row)
        losses.append(top + math.log(sum(math.exp(v - top) for v in row)) - row[label])
    return losses


RIGHT = [loops]

WRONG = []
