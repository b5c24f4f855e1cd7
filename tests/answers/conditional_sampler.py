"""Answers to exercise conditional-sampler."""

RIGHT = []

WRONG = []
