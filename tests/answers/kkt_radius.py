"""Answers to exercise kkt-radius."""

import math

import numpy as np
import torch


def by_powers(d, m_plus, m_minus):
    return (d / (m_plus + m_minus)) ** 0.5, (d / (1 + m_minus)) ** 0.5


def a_list(d, m_plus, m_minus):
    return [math.sqrt(d / (m_plus + m_minus)), math.sqrt(d / (1 + m_minus))]


def an_array(d, m_plus, m_minus):
    return np.sqrt(d / np.array([m_plus + m_minus, 1 + m_minus]))


def a_tensor(d, m_plus, m_minus):
    return torch.sqrt(d / torch.tensor([m_plus + m_minus, m_minus + 1]))


def two_tensors(d, m_plus, m_minus):
    return torch.tensor(d / (m_plus + m_minus)).sqrt(), torch.tensor([d / (m_minus + 1)]).sqrt()[0]


def lengths_of_the_steps(d, m_plus, m_minus):
    m = m_plus + m_minus
    return math.sqrt(sum(d / m**2 for _ in range(m))), math.sqrt(sum(d / (1 + m_minus) ** 2 for _ in range(1 + m_minus)))


def by_harmonic_sums(d, m_plus, m_minus):
    return 1 / math.sqrt(m_plus / d + m_minus / d), 1 / math.sqrt(1 / d + m_minus / d)


def of_the_samples(d, m_plus, m_minus):
    """With samples along the axes."""
    X = math.sqrt(d) * torch.eye(d).double()[: m_plus + m_minus]
    return (X.sum(0) / len(X)).norm(), (X[m_plus - 1 :].sum(0) / (1 + m_minus)).norm()


def one_formula(d, m_plus, m_minus):
    return tuple(math.sqrt(d) / math.sqrt(own + m_minus) for own in (m_plus, 1))


def by_hypot(d, m_plus, m_minus):
    step = [math.sqrt(d) / n for n in (m_plus + m_minus, 1 + m_minus)]
    return math.hypot(*[step[0]] * (m_plus + m_minus)), math.hypot(*[step[1]] * (1 + m_minus))


class Radii:
    def __init__(self, opposite):
        self.opposite = opposite

    def at(self, d, own):
        return math.sqrt(d / (own + self.opposite))


def a_class(d, m_plus, m_minus):
    radii = Radii(m_minus)
    return radii.at(d, m_plus), radii.at(d, 1)


RIGHT = [by_powers, a_list, an_array, a_tensor, two_tensors, lengths_of_the_steps, by_harmonic_sums, of_the_samples]
RIGHT += [one_formula, by_hypot, a_class]


def own_class_only(d, m_plus, m_minus):
    return math.sqrt(d / m_plus), math.sqrt(d / (1 + m_minus))


def opposite_class_only(d, m_plus, m_minus):
    return math.sqrt(d / m_minus), math.sqrt(d / (1 + m_minus))


def of_a_negative_sample(d, m_plus, m_minus):
    return math.sqrt(d / (m_plus + m_minus)), math.sqrt(d / (1 + m_plus))


def squares(d, m_plus, m_minus):
    return d / (m_plus + m_minus), d / (1 + m_minus)


def own_neuron_forgotten(d, m_plus, m_minus):
    return math.sqrt(d / (m_plus + m_minus)), math.sqrt(d / m_minus)


def unit_samples(d, m_plus, m_minus):
    return (m_plus + m_minus) ** -0.5, (1 + m_minus) ** -0.5


def the_other_order(d, m_plus, m_minus):
    return math.sqrt(d / (1 + m_minus)), math.sqrt(d / (m_plus + m_minus))


def length_of_the_sum(d, m_plus, m_minus):
    return math.sqrt(d * (m_plus + m_minus)), math.sqrt(d * (1 + m_minus))


def one_step(d, m_plus, m_minus):
    return math.sqrt(d) / (m_plus + m_minus), math.sqrt(d) / (1 + m_minus)


def shared_twice(d, m_plus, m_minus):
    return (math.sqrt(d / (m_plus + m_minus)),) * 2


def fractions_dropped(d, m_plus, m_minus):
    return math.sqrt(d // (m_plus + m_minus)), math.sqrt(d // (1 + m_minus))


def one_number(d, m_plus, m_minus):
    return math.sqrt(d / (m_plus + m_minus))


def both_and_the_third(d, m_plus, m_minus):
    return math.sqrt(d / (m_plus + m_minus)), math.sqrt(d / (1 + m_minus)), math.sqrt(d) / 2


def equal_classes(d, m_plus, m_minus):
    return math.sqrt(d / (2 * m_plus)), math.sqrt(d / (1 + m_plus))


def at_zero_output(d, m_plus, m_minus):
    return math.sqrt(d / m_plus), math.sqrt(d)


def two_to_one(d, m_plus, m_minus):
    return math.sqrt(d / (m_plus + m_minus)), 4 / 3 * math.sqrt(d / (m_plus + m_minus))


WRONG = [
    (own_class_only, "both classes help the attacker"),
    (opposite_class_only, "lowering it, too, is shorter"),
    (of_a_negative_sample, "The classes are swapped"),
    (squares, "These are the squares"),
    (own_neuron_forgotten, "1 + m₋ that help"),
    (unit_samples, "not 1"),
    (the_other_order, "The order is"),
    (length_of_the_sum, "More points make it worse"),
    (one_step, "their squares add up"),
    (shared_twice, "which are off at x_i"),
    (fractions_dropped, "drops the fraction"),
    (one_number, "a tuple of 2"),
    (both_and_the_third, "a tuple of 2"),
    (equal_classes, ""),
    (at_zero_output, ""),
    (two_to_one, ""),
]
