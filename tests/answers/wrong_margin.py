"""Answers to exercise wrong-margin."""

RIGHT = []

WRONG = []
