"""Answers to exercise ray."""

RIGHT = []

WRONG = []
