"""Answers to exercise strict-flip."""

RIGHT = []

WRONG = []
