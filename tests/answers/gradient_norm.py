"""Answers to exercise gradient-norm."""

RIGHT = []

WRONG = []
