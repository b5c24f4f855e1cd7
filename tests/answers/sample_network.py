"""Answers to exercise sample-network."""

RIGHT = []

WRONG = []
