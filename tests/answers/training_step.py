"""Answers to exercise training-step."""

RIGHT = []

WRONG = []
