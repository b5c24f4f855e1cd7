"""Answers to exercise bernstein."""

RIGHT = []

WRONG = []
