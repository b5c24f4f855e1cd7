"""Answers to exercise iterated-fgsm."""

RIGHT = []

WRONG = []
