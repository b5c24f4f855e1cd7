"""Answers to exercise certificate."""

RIGHT = []

WRONG = []
