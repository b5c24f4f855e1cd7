"""The exercises of notebook 4, adversarial training, in its order."""

from . import collapse, danskin, robust_loss, ties, trade_off, training_step

EXERCISES = [one.EXERCISE for one in (robust_loss, danskin, ties, training_step, trade_off, collapse)]
