"""Answers to exercise ray."""

import math

import numpy as np
import torch


def in_numpy(W, b, a, x, y, u):
    W, b, a, x, u = (part.numpy() for part in (W, b, a, x, u))
    z, s = W @ x + b, W @ u
    with np.errstate(divide="ignore", invalid="ignore"):
        breaks = -z / s
    breaks = np.unique(np.append(0.0, breaks[np.isfinite(breaks) & (breaks > 0)]))

    def f(t):
        value = y * (a @ np.maximum(z + t * s, 0))
        return 0.0 if abs(value) < 1e-12 else value

    if f(0.0) < 0:
        return 0.0
    for start, end in zip(breaks, [*breaks[1:], breaks[-1] + 1e6], strict=True):
        if f(end) < 0:
            return start + (end - start) * f(start) / (f(start) - f(end))
    return np.inf


def by_slopes(W, b, a, x, y, u):
    """Value and slope after each breakpoint, from the neurons that are on in the middle of each piece."""
    z, s = W @ x + b, W @ u
    breaks = sorted({0.0} | {-p / q for p, q in zip(z.tolist(), s.tolist(), strict=True) if q != 0 and -p / q > 0})
    if y * (a * torch.relu(z)).sum() < -1e-12:
        return 0.0
    for start, end in zip(breaks, [*breaks[1:], math.inf], strict=True):
        middle = start + 1 if end == math.inf else (start + end) / 2
        on = z + middle * s > 0
        slope, offset = y * (a * s)[on].sum().item(), y * (a * z)[on].sum().item()
        if slope < -1e-12:
            zero = max(-offset / slope, start)
            if zero < end - 1e-9 * max(1, end if end < math.inf else 1):
                return zero
    return math.inf


def nothing_for_never(W, b, a, x, y, u):
    t = in_numpy(W, b, a, x, y, u)
    if t < math.inf:
        return t


def vectorised(W, b, a, x, y, u):
    z, s = W @ x + b, W @ u
    breaks = torch.where(s != 0, -z / s, 0.0).clamp(min=0).sort().values
    times = torch.cat([torch.zeros(1), breaks, breaks[-1:] + 1e4])
    values = y * torch.relu(z + times[:, None] * s) @ a
    values = torch.where(values.abs() < 1e-10, 0.0, values)
    wrong = (values < 0).nonzero()
    if len(wrong) == 0:
        return torch.inf
    i = wrong[0].item()
    if i == 0:
        return 0
    return times[i - 1] + (times[i] - times[i - 1]) * values[i - 1] / (values[i - 1] - values[i])


def walking(W, b, a, x, y, u):
    """From switch to switch, keeping the set of neurons that are on."""
    z, s = (W @ x + b).tolist(), (W @ u).tolist()
    outer = a.tolist()
    t, on = 0.0, [p > 0 or (p == 0 and q > 0) for p, q in zip(z, s, strict=True)]
    events = sorted((-p / q, j) for j, (p, q) in enumerate(zip(z, s, strict=True)) if q != 0 and -p / q > 0)
    for until, j in [*events, (math.inf, None)]:
        value = y * sum(outer[i] * (z[i] + t * s[i]) for i in range(len(z)) if on[i])
        slope = y * sum(outer[i] * s[i] for i in range(len(z)) if on[i])
        if value < -1e-10:
            return t
        if slope < -1e-10 and t + max(value, 0.0) / -slope < until - 1e-9:
            return t + max(value, 0.0) / -slope
        t = until
        if j is not None:
            on[j] = not on[j]
    return math.inf


class Ray:
    def __init__(self, network, x, y, u):
        (W, b, self.a), self.y = network, y
        self.z, self.s = W @ x + b, W @ u

    def __call__(self, t):
        value = (self.y * torch.dot(self.a, (self.z + t * self.s).clamp(min=0))).item()
        return value if abs(value) > 1e-11 else 0.0

    def first(self):
        times = [0.0, *sorted(t for t in (-self.z / self.s).tolist() if 0 < t < math.inf)]
        times.append(2 * times[-1] + 1e5)
        if self(0.0) < 0:
            return 0.0
        for left, right in zip(times, times[1:], strict=False):
            if self(right) < 0:
                return left + (right - left) * self(left) / (self(left) - self(right))
        return float("inf")


def as_a_class(W, b, a, x, y, u):
    return Ray((W, b, a), x, y, u).first()


def einsum(W, b, a, x, y, u):
    return as_a_class(W, b, a, torch.einsum("d,->d", x, torch.tensor(1.0)), y, torch.einsum("d,->d", u, torch.tensor(1.0)))


def for_the_other_label(W, b, a, x, y, u):
    """y = -1 is y = 1 with f turned round."""
    return vectorised(W, b, a if y > 0 else -a, x, 1.0, u)


def with_unit_steps(W, b, a, x, y, u):
    length = u.norm().item()
    return as_a_class(W, b, a, x, y, u / length) / length


def by_autograd(W, b, a, x, y, u):
    """Slope on each piece from the derivative at its middle."""
    times = [0.0, *sorted(t for t in (-(W @ x + b) / (W @ u)).tolist() if 0 < t < math.inf)]
    f = lambda t: y * (a * torch.relu(W @ (x + t * u) + b)).sum()  # noqa: E731
    if f(0.0) < -1e-12:
        return 0.0
    for left, right in zip(times, [*times[1:], times[-1] + 2.0], strict=True):
        middle = torch.tensor((left + right) / 2, dtype=x.dtype, requires_grad=True)
        value = f(middle)
        (slope,) = torch.autograd.grad(value, middle, allow_unused=True)
        if slope is None or slope > -1e-12:
            continue
        zero = middle.item() - (value / slope).item()
        if zero < right - 1e-9 or right == times[-1] + 2.0:
            return max(zero, left)
    return math.inf


RIGHT = [in_numpy, by_slopes, nothing_for_never, vectorised, walking, as_a_class, einsum, for_the_other_label]
RIGHT += [with_unit_steps, by_autograd]


def pieces(W, b, a, x, y, u, start=True, beyond=1e4, zero=0.0, end=None):
    z, s = W @ x + b, W @ u
    times = [0.0, *sorted(t for t in (-z / s).tolist() if 0 < t < math.inf)]
    times += [times[-1] + beyond] if beyond else []
    values = [(y * a @ torch.relu(z + t * s)).item() for t in times]
    values = [0.0 if abs(value) < 1e-11 else value for value in values]
    if start and values[0] < 0:
        return 0.0
    for left, right, high, low in zip(times, times[1:], values, values[1:], strict=False):
        if low < zero and high >= 0:
            return left + (right - left) * (high / (high - low) if end is None else end)
    return math.inf


def without_the_label(W, b, a, x, y, u):
    return pieces(W, b, a, x, 1.0, u)


def sign_of_f(W, b, a, x, y, u):
    return pieces(W, b, a, x, torch.sign((a * torch.relu(W @ x + b)).sum()).item() or 1.0, u)


def starts_wrong_and_walks_on(W, b, a, x, y, u):
    return pieces(W, b, a, x, y, u, start=False)


def nothing_beyond_the_last(W, b, a, x, y, u):
    return pieces(W, b, a, x, y, u, beyond=0.0)


def zero_counts(W, b, a, x, y, u):
    return pieces(W, b, a, x, y, u, zero=1e-9)


def end_of_the_piece(W, b, a, x, y, u):
    return pieces(W, b, a, x, y, u, beyond=1e6, end=1.0)


def start_of_the_piece(W, b, a, x, y, u):
    return pieces(W, b, a, x, y, u, end=0.0)


def middle_of_the_piece(W, b, a, x, y, u):
    return pieces(W, b, a, x, y, u, beyond=1.0, end=0.5)


def length_of_the_perturbation(W, b, a, x, y, u):
    return pieces(W, b, a, x, y, u) * u.norm().item()


def unit_direction(W, b, a, x, y, u):
    return pieces(W, b, a, x, y, u / u.norm())


def extrapolated(W, b, a, x, y, u):
    on = W @ x + b > 0
    slope, value = y * (a * (W @ u))[on].sum(), y * (a * torch.relu(W @ x + b)).sum()
    return (-value / slope).item() if slope < 0 else math.inf


def of_the_signed_step(W, b, a, x, y, u):
    on = W @ x + b > 0
    slope, value = (a * (W @ u))[on].sum(), (a * torch.relu(W @ x + b)).sum()
    return abs((value / slope).item()) if slope != 0 else math.inf


def first_switch(W, b, a, x, y, u):
    return min((t for t in (-(W @ x + b) / (W @ u)).tolist() if t > 0), default=math.inf)


def on_a_grid(W, b, a, x, y, u):
    times = torch.linspace(0, 10, 101).double()
    wrong = y * torch.relu(W @ x + b + times[:, None] * (W @ u)) @ a < 0
    return times[wrong][0].item() if wrong.any() else math.inf


def backwards(W, b, a, x, y, u):
    return pieces(W, b, a, x, y, -u)


def never_is_minus_one(W, b, a, x, y, u):
    t = pieces(W, b, a, x, y, u)
    return t if t < math.inf else -1.0


def the_end_point(W, b, a, x, y, u):
    return x + min(pieces(W, b, a, x, y, u), 1e6) * u


def last_flip(W, b, a, x, y, u, ahead=1000.0):
    z, s = W @ x + b, W @ u
    f = lambda t: (y * (a * torch.relu(z + t * s)).sum()).item()  # noqa: E731
    times = sorted({0.0, *(t for t in (-z / s).tolist() if 0 < t < math.inf)})
    times.append(times[-1] + ahead)
    found = 0.0 if f(0.0) < -1e-9 else math.inf
    for p, q in zip(times, times[1:], strict=False):
        if f(q) < -1e-9 and f(p) >= -1e-9:
            found = p + max(f(p), 0) * (q - p) / (f(p) - f(q))
    return found


def looks_ten_ahead(W, b, a, x, y, u):
    z, s = W @ x + b, W @ u
    f = lambda t: (y * (a * torch.relu(z + t * s)).sum()).item()  # noqa: E731
    times = sorted({0.0, *(t for t in (-z / s).tolist() if 0 < t < math.inf)})
    for p, q in zip(times, [*times[1:], times[-1] + 10.0], strict=True):
        if f(p) < -1e-9:
            return p
        if f(q) < -1e-9:
            return p + max(f(p), 0) * (q - p) / (f(p) - f(q))
    return math.inf


def looks_a_thousand_ahead(W, b, a, x, y, u):
    return pieces(W, b, a, x, y, u, beyond=1000.0)


WRONG = [
    (looks_a_thousand_ahead, "wanted 10240"),
    (last_flip, "wanted"),
    (looks_ten_ahead, ""),
    (without_the_label, "multiply f by y"),
    (sign_of_f, "y is not used"),
    (starts_wrong_and_walks_on, "the sign is wrong at once"),
    (nothing_beyond_the_last, "Beyond the last breakpoint"),
    (zero_counts, ""),
    (end_of_the_piece, "the end of the piece"),
    (start_of_the_piece, "the start of the piece"),
    (middle_of_the_piece, ""),
    (length_of_the_perturbation, "t itself is asked"),
    (unit_direction, "t itself is asked"),
    (extrapolated, "only up to the first neuron"),
    (of_the_signed_step, ""),
    (first_switch, ""),
    (on_a_grid, ""),
    (backwards, ""),
    (never_is_minus_one, "wanted inf"),
    (the_end_point, "wanted 0.5"),
]


def value(W, b, a, x, y, u, t):
    found = (y * a * torch.relu(W @ (x + t * u) + b)).sum().item()
    return 0.0 if abs(found) < 1e-12 else found


def as_many_neurons_as_dimensions(W, b, a, x, y, u):
    z, s = W @ x + b, W @ u
    times = sorted([0.0] + [(-z[j] / s[j]).item() for j in range(len(x)) if j < len(z) and s[j] != 0 and -z[j] / s[j] > 0])
    values = [value(W, b, a, x, y, u, t) for t in [*times, times[-1] + 1]]
    if values[0] < 0:
        return 0.0
    for i in range(1, len(times)):
        if values[i] < 0:
            return times[i - 1] + (times[i] - times[i - 1]) * values[i - 1] / (values[i - 1] - values[i])
    slope = values[-1] - values[-2]
    return times[-1] - values[-2] / slope if slope < -1e-12 else float("inf")


def breakpoints_behind_kept(W, b, a, x, y, u):
    z, s = W @ x + b, W @ u
    breaks = sorted({0.0} | {-p / q for p, q in zip(z.tolist(), s.tolist(), strict=True) if q != 0})
    if value(W, b, a, x, y, u, 0.0) < 0:
        return 0.0
    for start, end in zip(breaks, [*breaks[1:], float("inf")], strict=True):
        on = z + (start + 1 if end == float("inf") else (start + end) / 2) * s > 0
        slope, offset = (y * (a * s)[on].sum()).item(), (y * (a * z)[on].sum()).item()
        if slope < -1e-12 and (t := max(-offset / slope, start)) < end - 1e-9:
            return t
    return float("inf")


WRONG += [(as_many_neurons_as_dimensions, ""), (breakpoints_behind_kept, "")]


def nothing_small(W, b, a, x, y, u):
    z, s = W @ x + b, W @ u
    times = sorted({0.0, *(t for t in (-z / s)[s != 0].tolist() if t > 0)})
    times.append(times[-1] + 1)
    values = [(y * a * torch.relu(z + t * s)).sum().item() for t in times]
    if values[0] < 0:
        return 0.0
    for i in range(1, len(times)):
        slope = (values[i] - values[i - 1]) / (times[i] - times[i - 1])
        if values[i] < -0.005 or (i == len(times) - 1 and slope < 0):
            return times[i - 1] - values[i - 1] / slope
    return float("inf")


WRONG += [(nothing_small, "wanted 0.9985")]


def from_zero_it_has_to_rise_first(W, b, a, x, y, u):
    t = pieces(W, b, a, x, y, u)
    return t if t > 0 or value(W, b, a, x, y, u, 0.0) < 0 else math.inf


def one_switch_at_a_time(W, b, a, x, y, u):
    """Of neurons that switch together one is kept."""
    z, s = (W @ x + b).tolist(), (W @ u).tolist()
    switches = {-p / q: j for j, (p, q) in enumerate(zip(z, s, strict=True)) if q != 0 and -p / q > 0}
    t, on = 0.0, [p > 0 or (p == 0 and q > 0) for p, q in zip(z, s, strict=True)]
    if value(W, b, a, x, y, u, 0.0) < 0:
        return 0.0
    for until, j in [*sorted(switches.items()), (math.inf, None)]:
        slope, high = (y * sum(a[i].item() * part for i, part in enumerate(parts) if on[i]) for parts in (s, z))
        if slope < -1e-12 and max(t, -high / slope) < until - 1e-9:
            return max(t, -high / slope)
        t = until
        if j is not None:
            on[j] = not on[j]
    return math.inf


WRONG += [(from_zero_it_has_to_rise_first, "wanted 0.0"), (one_switch_at_a_time, "wanted 1.5")]
