"""Answers to exercise collapse."""

RIGHT = []

WRONG = []
