"""The exercises of notebook 3, adversarial examples at initialization, in its order."""

from . import bernstein, conditional_sampler, gaussian_moments, gradient_norm, one_step, sample_network

EXERCISES = [one.EXERCISE for one in (sample_network, gaussian_moments, bernstein, gradient_norm, one_step, conditional_sampler)]
