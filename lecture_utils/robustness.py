"""The robust network of Theorem 1, the radii of it that have a formula, and what training finds instead.

Points X are the rows of a float64 tensor (m, d) on the sphere of radius sqrt(d), labels y (m,) are -1 and +1. A two-layer
network is a triple W (k, d), b (k,), a (k,); ``networks.two_layer`` evaluates it. Radii are Euclidean lengths. Two are kept
apart, for the network is 0 on a region: r_zero is the distance to {y f <= 0}, r_strict the distance to {y f < 0}.
What has no formula is computed in ``radii``, and can be had from here as well.
"""

import itertools
import math

import torch

from .checks import (
    check_coherence,
    check_count,
    check_floats,
    check_generator,
    check_number,
    check_points,
    check_shape,
    check_signs,
    described,
    holds_floats,
    require,
)
from .radii import certified_radius, convex_concave_radius, crown_radius, doubled, exact_radius_l2, exact_radius_linf, in_units  # noqa: F401


def coherence(X):
    """Return the largest |<x_i, x_j>| / d over i != j, a float in [0, 1]: how far points (m, d) are from orthogonal.

    Raises ValueError for fewer than two points, or points that are not on the sphere of radius sqrt(d).
    """
    _check_sphere(X)
    gram = X.double() @ X.double().T / X.shape[1]
    return min(1.0, gram.fill_diagonal_(0.0).abs().max().item())  # more is rounding


def nearest_neighbour_radius(X, y):
    """Return half the least distance of opposite points: the smallest radius of the nearest-neighbour classifier, exactly.

    Upper bound for every classifier that answers -1 or +1 everywhere: at opposite points that it has right r_i + r_j <=
    |x_i - x_j|. A network that is 0 on a region abstains there, and only r_strict(i) + r_zero(j) <= |x_i - x_j| holds.
    """
    check_points(X, y)
    require((y != y[0]).any(), "y must hold both labels, got one only")
    unit = X.double().abs().max().frexp().exponent  # with it squares are numbers
    left, right = (doubled(X[y * side > 0].double(), -unit) for side in (1, -1))
    nearest = torch.cdist(left, right, compute_mode="donot_use_mm_for_euclid_dist").min()
    return check_number("the radius", doubled(nearest, unit - 1))


def _check_sphere(X):
    if not holds_floats(X) or X.dim() != 2 or len(X) < 2 or X.shape[1] == 0:
        raise ValueError(f"X must be a tensor of floats (m, d) with m >= 2 points, got {described(X)}")
    lengths, radius = X.double().norm(dim=1), math.sqrt(X.shape[1])
    worst = (lengths - radius).abs().max().item()
    if not worst <= _rounding(X) * radius:
        got = f"{lengths.min().item():.6g} to {lengths.max().item():.6g}"
        raise ValueError(f"X must lie on the sphere of radius sqrt(d) = {radius:.6g}, got lengths from {got}")


def _rounding(X):
    return min(100 * torch.finfo(X.dtype).eps, 0.02)  # in half precision 100 would let anything pass


def robust_network(X, y, c):
    """Return W, b, a of Theorem 1: f(x) = sum_j y_j relu(2 <x_j, x> / (d (1 - c)) - (1 + c) / (1 - c)).

    Width m, one neuron a point. y_i f(x_i) = 1, and no perturbation shorter than ``zero_radius(d, c)`` brings y_i f to 0.
    c: with |<x_i, x_j>| <= c d for all i != j, and 0 <= c < 1. Raises ValueError where the theorem does not apply.
    (Slide "Proof of Theorem 1".)
    """
    _check_sphere(X)
    check_signs(y, len(X))
    c = check_coherence(c)
    if (found := coherence(X)) > c + _rounding(X):
        twice = found > 1 - 1e-6 and (X @ X.T / X.shape[1]).fill_diagonal_(0.0).max() > 1 - 1e-6
        same = " (a point occurs twice)" if twice else ""
        raise ValueError(f"c must be at least the coherence of X, {found:.6g}{same}; got {c:g}")
    d = X.shape[1]
    W = 2 * X / (d * (1 - c))
    b = torch.full_like(y, -(1 + c) / (1 - c), dtype=X.dtype)
    return W, b, y.to(X.dtype, copy=True)


def theorem_radius(d, c):
    """Return (1 - c) / 4 sqrt(d), the lower bound of Theorem 1 on r_zero."""
    return (1 - check_coherence(c)) / 4 * math.sqrt(check_count("d", d))


def zero_radius(d, c):
    """Return (1 - c) / 2 sqrt(d): exactly r_zero of ``robust_network``, for every point of every data set."""
    return 2 * theorem_radius(d, c)


def strict_flip_radius(r, c):
    """Return the exact distance, in units of sqrt(d), from x_i to where an opposite neuron j overcomes neuron i.

    r: <x_i, x_j> / d, at most c in size. The set {z_j >= 0, z_j >= z_i} of the network of Theorem 1 is convex. Its nearest
    point is the multiple of x_i + x_j at which z_i = z_j = 0 if r >= -(1 - c)/2, else x_i + g x_j, where only z_j = 0.
    """
    c, r = check_coherence(c), check_number("r", r)
    require(abs(r) <= c + 1e-9, f"r must lie in [-c, c] = [{-c:g}, {c:g}], got {r:g}")
    return _flip_radius(r, c)


def _flip_radius(r, c):
    return math.sqrt(((1 - c) ** 2 + 2 * c * (1 - r)) / (2 * (1 + r))) if r >= -(1 - c) / 2 else (1 + c) / 2 - r


def strict_radii(X, y, c):
    """Return exactly r_strict of ``robust_network(X, y, c)`` at each of its points, for c <= 1/3: (m,), inf without opposites.

    The least distance to an opposite neuron (``strict_flip_radius``): for c <= 1/3 no set of them comes earlier, as
    notebook 2 proves. Raises ValueError for c > 1/3: there many correlated ones together can; use
    ``radii.exact_radius_l2``.
    """
    c = check_coherence(c)
    robust_network(X, y, c)
    require(c <= 1 / 3, f"c must be at most 1/3 for this formula, got {c:g} (use radii.exact_radius_l2)")
    d, found = X.shape[1], []
    for row, own in zip(X.double() @ X.double().T / d, y, strict=True):
        found.append(min((_flip_radius(r, c) for r in row[y != own].tolist()), default=math.inf))
    return math.sqrt(d) * torch.tensor(found, dtype=torch.float64, device=X.device)


def first_flip_along_ray(W, b, a, x, y, u):
    """Return the infimum of the t >= 0 with y f(x + t u) < 0, exactly; inf if there are none. A float.

    x, u: (d,). y: -1 or +1. f is linear between the breakpoints t_j = -(w_j . x + b_j) / (w_j . u). What is smaller than
    1e-12 of the terms that it sums is rounding, and counts as 0.
    """
    check_floats("x", x, 1)
    check_shape("u", u, len(x))
    W, b, a, (x,), (y,), unit = in_units(W, b, a, x[None], x.new_tensor([check_number("y", y)]))
    power = u.abs().max().frexp().exponent
    z, speed = W @ x + b, W @ doubled(u.double(), -power)

    def told(t):
        """Return t for the u that was given."""
        try:
            return math.ldexp(t, int(unit - power))
        except OverflowError:
            raise ArithmeticError("u is so short that its first flip is no float: take a longer one") from None

    ends = (-z / speed)[speed != 0]
    ends = torch.cat([torch.zeros_like(z[:1]), ends[ends > 0].sort().values])
    terms = z.abs() + ends[:, None] * speed.abs()
    hidden = z + ends[:, None] * speed
    hidden = hidden.where(hidden > 1e-12 * terms, torch.zeros_like(hidden))  # a neuron at its own breakpoint does not fire
    values = y * hidden @ a
    values[values.abs() < 1e-12 * ((hidden > 0) * terms) @ a.abs()] = 0.0  # rounding in a region where f = 0
    if values[0] < 0:
        return 0.0
    for (start, high), (end, low) in itertools.pairwise(zip(ends.tolist(), values.tolist(), strict=True)):
        if low < 0:
            return told(start + (end - start) * high / (high - low))
    faster = speed.clamp(min=0)  # of the neurons that are on from the last breakpoint on, where f is linear
    slope = (y * faster @ a).item()
    falls = slope < -1e-12 * (faster @ a.abs()).item()
    return told(ends[-1].item() - values[-1].item() / slope) if falls else math.inf


def trained_network(X, y, *, width=None, loss=1e-8, max_steps=5000, generator=None):
    """Return W, b, a of a two-layer network trained from a small start, scaled to smallest margin 1.

    Full-batch gradient descent on the logistic loss with relative step 0.01 |theta| / |gradient|, which follows the path of
    gradient flow, until the mean loss is below ``loss`` and every sample is right. width: None takes max(2 m, 32).
    generator: None takes a fresh one, seed 1: with the seed of the points the first weights would be parallel to them.
    Raises FloatingPointError if the loss is not reached: with few neurons all of them can die.
    """
    check_points(X, y)
    m, d = X.shape
    width = max(2 * m, 32) if width is None else width
    width, max_steps, loss = check_count("width", width), check_count("max_steps", max_steps), check_number("loss", loss, 0)
    generator = check_generator(generator, seed=1)
    W = 0.01 / math.sqrt(d) * torch.randn(width, d, generator=generator, dtype=X.dtype, device=generator.device).to(X.device)
    a = 0.01 * (2.0 * torch.randint(2, (width,), generator=generator, device=generator.device) - 1).to(X)
    b = torch.zeros_like(a)
    for _ in range(max_steps):
        z = X @ W.T + b
        hidden = torch.relu(z)
        margins = y * (hidden @ a)
        if torch.nn.functional.softplus(-margins).mean() < loss and margins.min() > 0:
            root = margins.min().sqrt()  # the network is homogeneous: its layers share the scale
            return W / root, b / root, a / root
        pull = -y * torch.sigmoid(-margins) / m  # of the mean logistic loss, by the output
        back = pull[:, None] * (z > 0) * a
        slopes = back.T @ X, back.sum(0), hidden.T @ pull
        size, steep = (torch.cat([part.flatten() for part in parts]).norm() for parts in ((W, b, a), slopes))
        if steep == 0:
            break
        rate = 0.01 * size / steep
        W, b, a = W - rate * slopes[0], b - rate * slopes[1], a - rate * slopes[2]
    raise FloatingPointError(f"training did not bring the loss below {loss:g}; use a larger width or another seed")


def kkt_radius_orthogonal(d, m_plus, m_minus):
    """Return r_strict of a positive point for both extreme KKT networks on orthogonal data, (shared, memorising), exactly.

    d: dimension, the points have length sqrt(d). m_plus, m_minus: points of each label. Shared: one neuron a class,
    sqrt(d / m). Memorising: one neuron a point, sqrt(d / (1 + m_minus)).
    """
    for name, value, least in (("d", d, 1), ("m_plus", m_plus, 1), ("m_minus", m_minus, 0)):
        check_count(name, value, least)
    return math.sqrt(d / (m_plus + m_minus)), math.sqrt(d / (1 + m_minus))
