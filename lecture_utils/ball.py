"""What a perturbation may be: inside a ball, and inside the pixel box. And the slides' iteration in the ball.

Everything holds to the last bit: |delta| <= epsilon and low <= x + delta <= high, in floating point.
"""

import warnings

import torch

from .checks import check_choice, check_count, check_floats, check_generator, check_number, check_pixels, described, require


def project_linf(delta, x, epsilon, low=0.0, high=1.0):
    """Return the point nearest to delta with |delta|_inf <= epsilon and low <= x + delta <= high.

    delta, x: float tensors of one shape, x inside [low, high]. epsilon: float, or (n,) for x of shape (n, ...).
    """
    low, high = check_pixels(x, low, high)
    right = isinstance(delta, torch.Tensor) and delta.shape == x.shape and delta.dtype == x.dtype
    require(right, f"delta must be like x, {described(x)}, got {described(delta)}")
    require(not delta.isnan().any(), "delta must hold numbers, got NaN")
    return delta.clamp(*bounds(x, radius_of(epsilon, x), low, high))


def eta_threshold(delta, gradient, epsilon):
    """Return the smallest eta from which on only the sign of the gradient matters, as a float.

    Clipping delta + eta * gradient to [-epsilon, epsilon] gives epsilon * sign(gradient) wherever the gradient
    is not zero if and only if eta >= max_i (epsilon - s_i delta_i) / |g_i|, s = sign(g). delta, gradient: same
    shape, |delta|_inf <= epsilon. A gradient of zeros gives 0. (Slide "FGSM: adversarial example".)
    """
    epsilon = _check_start(delta, epsilon)
    check_floats("gradient", gradient)
    require(delta.shape == gradient.shape, f"gradient must have delta's shape {tuple(delta.shape)}, got {tuple(gradient.shape)}")
    moved = gradient != 0
    if not moved.any():
        return 0.0
    slope, start = gradient[moved].double(), delta[moved].double().clamp(-epsilon, epsilon)
    return check_number("the threshold", ((epsilon - slope.sign() * start) / slope.abs()).max())


def _check_start(delta, epsilon):
    """Return epsilon as a float, if it is a radius and delta lies in the ball, up to rounding."""
    epsilon = check_number("epsilon", epsilon, 0)
    check_floats("delta", delta)
    most, rounding = delta.abs().max().item(), torch.finfo(delta.dtype).eps * max(1.0, epsilon)  # of x + delta, less x
    require(most <= epsilon + rounding, f"|delta| must be at most epsilon = {epsilon:g}, got {most:.9g}")
    return epsilon


def projected_ascent(gradient, delta, epsilon, eta, steps, *, direction="sign"):
    """Return the last iterate of projected gradient ascent in the ball |delta|_inf <= epsilon.

    gradient: a function delta -> tensor like delta. eta: step size. direction: "sign" moves by eta * sign(gradient),
    "gradient" by eta * gradient. The slides' iteration, with the gradient taken at the current iterate and the
    projection inside the loop. (Slides "Finding adversarial examples" and "FGSM: adversarial example".)
    """
    check_choice("direction", direction, ("sign", "gradient"))
    require(callable(gradient), f"gradient must be a function of delta, got {described(gradient)}", TypeError)
    radius, eta = radius_of(_check_start(delta, epsilon), delta), check_number("eta", eta, 0)
    delta = delta.detach().clone()
    for _ in range(check_count("steps", steps, 0)):
        slope = check_floats("gradient(delta)", gradient(delta.clone())).detach()
        require(slope.shape == delta.shape, f"gradient(delta) must have shape {tuple(delta.shape)}, got {tuple(slope.shape)}")
        step = eta * (slope.sign() if direction == "sign" else slope).double()
        delta = (delta.double() + step).to(delta.dtype).clamp(-radius, radius)
    return delta


def bounds(x, radius, low, high):
    """Return lower <= delta <= upper: ball and box together, rounded inward so that x + delta stays in the box."""
    lower, upper = low - x, high - x
    if (low, high) != (0.0, 1.0):  # there x + (0 - x) is 0, and x + (1 - x) rounds to 1, for every x in the box
        lower = torch.where(x + lower < low, lower.nextafter(torch.full_like(x, torch.inf)), lower)
        upper = torch.where(x + upper > high, upper.nextafter(torch.full_like(x, -torch.inf)), upper)
    return lower.clamp_(min=-radius), upper.clamp_(max=radius)


def radius_of(epsilon, x, name="epsilon", most=torch.inf):
    """Return epsilon < most as a tensor of x's dtype that broadcasts against x, rounded down: never above the one asked for."""
    plain = isinstance(epsilon, int | float) and not isinstance(epsilon, bool)
    try:
        given = None if plain else torch.as_tensor(epsilon, device="cpu")
        right = plain or not (given.dtype == torch.bool or given.is_complex())
        exact = torch.as_tensor(epsilon, dtype=torch.float64, device="cpu").detach() if right else None
    except (TypeError, ValueError, RuntimeError, OverflowError):
        right = False
    require(right, f"{name} must be a number or a tensor, one a sample, in units of pixels; got {epsilon!r}", TypeError)
    if exact.dim() and exact.shape != x.shape[:1]:
        raise ValueError(f"{name} must be a number or have shape ({len(x)},), one a sample; got shape {tuple(exact.shape)}")
    smallest, largest = (epsilon, epsilon) if plain else (extreme.item() for extreme in exact.aminmax())
    if not (smallest >= 0 and largest < most):
        below = f" (below {most:g}; levels of 255: divide by 255)" if most < torch.inf else ""
        raise ValueError(f"{name} must be finite and >= 0, in units of pixels; got {epsilon}{below}")
    rounded = exact.to(x.dtype)
    rounded = torch.where(rounded.double() > exact, rounded.nextafter(torch.zeros_like(rounded)), rounded)
    if smallest < torch.finfo(x.dtype).tiny and ((rounded == 0) & (exact > 0)).any():
        warnings.warn(f"{name} = {epsilon} is 0 in {x.dtype}: a failure there is not robustness", RuntimeWarning, stacklevel=3)
    rounded = rounded.to(x.device)
    return rounded.view(-1, *[1] * (x.dim() - 1)) if exact.dim() else rounded


def lengths(v):
    """Return the Euclidean length of each sample, shaped to broadcast against v (n, ...).

    In float64: in float32 the squares of a confident network's gradient vanish, and a million squares add up wrongly.
    """
    return torch.linalg.vector_norm(v.flatten(1), dim=1, dtype=torch.float64).view(-1, *[1] * (v.dim() - 1))


def fresh(generator, x):
    """Return the generator, or a fresh one of seed 0 on x's device where it is None."""
    return check_generator(generator, 0, x.device)


def shrink(delta, radius):
    """Scale the samples of delta that are longer than radius to that length, in place; leave the others alone."""
    limit = torch.finfo(delta.dtype).max
    length = lengths(delta.clamp_(-limit, limit))  # a step may be infinite
    factor = radius / length * (1 - 8 * torch.finfo(delta.dtype).eps)
    delta.mul_(torch.where(length > radius, factor, torch.ones_like(factor)))
    if (long := lengths(delta) > radius).any():  # entries so small that they have few digits
        delta.copy_(torch.where(long, delta.nextafter(torch.zeros_like(delta)), delta))
    return delta


def random_point(radius, lower, upper, norm, generator):
    """Return a random point of the feasible set: uniform for "linf"; uniform in the ball, then cut, for "l2"."""

    def uniform(shape):
        return torch.rand(shape, generator=generator, dtype=lower.dtype, device=generator.device).to(lower.device)

    if norm == "linf":
        return (lower + (upper - lower) * uniform(lower.shape)).clamp_(lower, upper)
    normal = torch.randn(lower.shape, generator=generator, dtype=lower.dtype, device=generator.device).to(lower.device)
    share = uniform((len(lower), *[1] * (lower.dim() - 1))) ** (1 / lower[0].numel())
    return shrink(normal.mul_(radius * share / lengths(normal)), radius).clamp_(lower, upper)
