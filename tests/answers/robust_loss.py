"""Answers to exercise robust-loss."""

RIGHT = []

WRONG = []
