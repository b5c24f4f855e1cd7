"""Helpers for the lecture "Adversarial Examples": one module a question.

    data        where the images come from
    networks    the classifiers that are attacked
    efficientnet    the one that knows ImageNet's thousand classes
    attacks     how an adversarial perturbation is found
    training    how well a classifier does, and how it is trained
    robustness  the robust network of Theorem 1, and what training finds
    radii       how far a sample is from a flip: exactly, from below, from above
    concentration   Gaussian moments of activations, and bounds on sums
    initialization  networks with random weights, and one gradient step
    plots       every figure, drawable once and updatable in place
    explore     a slider bound to a figure
    own         pictures of the reader's own: a file, a drawing
    exercises   exercises that check themselves

Start with ``attacks``: the rest serves it.
"""

import torch

__version__ = "0.1.0"


def import_torchvision():
    """Return the module ``torchvision``, also beside a CPU-only torch.

    A torchvision built for CUDA fails to import beside a CPU build of torch, because two operators are
    not declared (pytorch/vision#9085). Only their signatures are missing, and nothing here calls them:
    we declare both and import again. A healthy installation is left alone.
    """
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        for name in ("torchvision::nms", "torchvision::qnms"):
            torch.library.define(name, "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision
    return torchvision
