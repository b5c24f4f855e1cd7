"""Answers to exercise ties."""

RIGHT = []

WRONG = []
