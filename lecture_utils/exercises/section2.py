"""The exercises of notebook 2, robust networks exist, in its order."""

from . import certificate, coherence, kkt_radius, ray, robust_network, strict_flip

EXERCISES = [one.EXERCISE for one in (coherence, robust_network, certificate, strict_flip, ray, kkt_radius)]
