"""Answers to exercise coherence."""

RIGHT = []

WRONG = []
