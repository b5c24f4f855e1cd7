"""Answers to exercise worst-margin."""

RIGHT = []

WRONG = []
