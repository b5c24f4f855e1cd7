"""Answers to exercise gaussian-moments."""

RIGHT = []

WRONG = []
