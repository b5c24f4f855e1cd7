"""Answers to exercise one-step."""

RIGHT = []

WRONG = []
