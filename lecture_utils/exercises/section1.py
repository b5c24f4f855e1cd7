"""The exercises of notebook 1, adversarial examples, in its order."""

from . import cross_entropy, eta_threshold, iterated_fgsm, projection, worst_margin, wrong_margin

EXERCISES = [one.EXERCISE for one in (cross_entropy, projection, eta_threshold, worst_margin, iterated_fgsm, wrong_margin)]
