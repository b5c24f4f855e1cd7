"""Answers to exercise trade-off."""

RIGHT = []

WRONG = []
