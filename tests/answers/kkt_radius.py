"""Answers to exercise kkt-radius."""

RIGHT = []

WRONG = []
