"""The exercises of notebook 1, adversarial examples, in its order."""

from . import cross_entropy, eta_threshold, iterated_fgsm, projection, worst_margin, wrong_margin

EXERCISES = [one.EXERCISE for one in (cross_entropy, worst_margin, wrong_margin, projection, iterated_fgsm, eta_threshold)]
