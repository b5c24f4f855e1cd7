"""Answers to exercise eta-threshold."""

RIGHT = []

WRONG = []
