"""Answers to exercise robust-network."""

RIGHT = []

WRONG = []
