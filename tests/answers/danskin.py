"""Answers to exercise danskin."""

RIGHT = []

WRONG = []
