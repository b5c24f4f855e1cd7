"""The exact radii are those of brute force in rational numbers, at every scale, or there is an error and no number."""

import itertools
import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
import torch

from lecture_utils import data, radii, robustness

SOLVERS = {2: radii.exact_radius_l2, math.inf: radii.exact_radius_linf}


def solved(rows, sides):
    """Return the solution of a square system in fractions, None where it is singular."""
    table = [[*row, side] for row, side in zip(rows, sides, strict=True)]
    for i in range(len(table)):
        pivot = next((k for k in range(i, len(table)) if table[k][i]), None)
        if pivot is None:
            return None
        table[i], table[pivot] = table[pivot], table[i]
        table[i] = [v / table[i][i] for v in table[i]]
        for k in range(len(table)):
            if k != i and table[k][i]:
                table[k] = [u - table[k][i] * v for u, v in zip(table[k], table[i], strict=True)]
    return [row[-1] for row in table]


def dot(u, v):
    return sum((p * q for p, q in zip(u, v, strict=True)), Fraction(0))


def vertices(rows):
    """Return the points at which as many of the conditions (g, h): g . v >= h are tight as there are unknowns, and all hold."""
    for chosen in itertools.combinations(rows, len(rows[0][0])):
        point = solved([list(g) for g, _ in chosen], [h for _, h in chosen])
        if point is not None and all(dot(g, point) >= h for g, h in rows):
            yield point


def shortest(rows, d, norm):
    """Return the least length (squared, if Euclidean) of a delta with g . delta >= h for all rows, None without one."""
    if all(h <= 0 for _, h in rows):
        return Fraction(0)
    if norm == 2:
        for n in range(1, d + 1):
            for chosen in itertools.combinations(rows, n):
                weights = solved([[dot(g, other) for other, _ in chosen] for g, _ in chosen], [h for _, h in chosen])
                if weights is not None and min(weights) >= 0:
                    delta = [sum((w * g[c] for w, (g, _) in zip(weights, chosen, strict=True)), Fraction(0)) for c in range(d)]
                    if all(dot(g, delta) >= h for g, h in rows):
                        return dot(delta, delta)
        return None
    unit = [[Fraction(int(i == j)) for j in range(d)] for i in range(d)]
    box = [([sign * v for v in e] + [Fraction(1)], Fraction(0)) for e in unit for sign in (1, -1)]
    return min((point[-1] for point in vertices([([*g, Fraction(0)], h) for g, h in rows] + box)), default=None)


def some_strict(rows, row, d):
    """Whether a delta has g . delta >= h for all rows, and more than h for this one."""
    unit = [[Fraction(int(i == j)) for j in range(d + 1)] for i in range(d)]
    box = [([sign * v for v in e], Fraction(-(10**40))) for e in unit for sign in (1, -1)]
    lift = [([*g, Fraction(0)], h) for g, h in rows] + [
        ([*row[0], Fraction(-1)], row[1]),
        ([0] * d + [Fraction(-1)], Fraction(-1)),
    ]
    return any(point[-1] > 0 for point in vertices(lift + box))


def truth(W, b, a, x, y, strict, norm):
    """Return the radius by trying every pattern of neurons, in fractions."""
    W, (b, a, x), d = (
        [[Fraction(v) for v in w] for w in W.tolist()],
        ([Fraction(v) for v in p.tolist()] for p in (b, a, x)),
        len(x),
    )
    z = [dot(w, x) + shift for w, shift in zip(W, b, strict=True)]
    f = y * dot(a, [max(v, Fraction(0)) for v in z])
    if f < 0 or (f == 0 and not strict):
        return 0.0
    found = []
    for pattern in itertools.product((0, 1), repeat=len(a)):
        sides = [2 * on - 1 for on in pattern]
        if any(not any(w) and side * v < 0 for w, v, side in zip(W, z, sides, strict=True)):
            continue
        rows = [([side * v for v in w], -side * zj) for w, zj, side in zip(W, z, sides, strict=True) if any(w)]
        slope = [-y * sum((aj * w[c] for aj, w, on in zip(a, W, pattern, strict=True) if on), Fraction(0)) for c in range(d)]
        value = y * sum((aj * zj for aj, zj, on in zip(a, z, pattern, strict=True) if on), Fraction(0))
        if not any(slope) and (value > 0 or (value == 0 and strict)):
            continue
        length = shortest(rows + ([(slope, value)] if any(slope) else []), d, norm)
        if length is not None and (not strict or not any(slope) or some_strict(rows, (slope, value), d)):
            found.append(length)
    if not found:
        return math.inf
    with localcontext() as context:
        context.prec = 50
        exact = Decimal(min(found).numerator) / Decimal(min(found).denominator)
        return float(exact.sqrt() if norm == 2 else exact)


def network(kind, seed):
    """Return a small network and a point: of random numbers, of small integers (ties, zeros, duplicates), of mixed scales."""
    rng = np.random.default_rng(seed)
    k, d = rng.integers(1, 5), rng.integers(1, 3)
    if kind == "integers" or kind == "through the origin":
        W, b, a, x = (rng.integers(-2, 3, size=shape).astype(float) for shape in ((k, d), (k,), (k,), (d,)))
        return W, b * (kind == "integers"), a, x
    W, b, a, x = rng.normal(size=(k, d)), rng.normal(size=k), rng.normal(size=k), rng.normal(size=d)
    if kind == "mixed scales":
        b, a = b * 10.0 ** rng.integers(-6, 7, size=k), a * 10.0 ** rng.integers(-6, 7, size=k)
    if kind == "all but parallel":
        W[1:], b[1:] = W[0] * (1 + 1e-7 * rng.normal(size=(k - 1, d))), b[0] * (1 + 1e-7 * rng.normal(size=k - 1))
    if kind == "on an edge":
        b[0] = -W[0] @ x
    return W, b, a, x


def measured(solver, W, b, a, x, y, strict=True):
    W, b, a, x = (torch.as_tensor(part) for part in (W, b, a, x))
    radius, delta = solver(W, b, a, x[None], torch.tensor([float(y)]), strict=strict)
    return radius.item(), delta[0].numpy()


@pytest.mark.parametrize("seeds", [range(1), pytest.param(range(1, 5), marks=pytest.mark.slow)], ids=["one", "more"])
@pytest.mark.parametrize("kind", ["random", "integers", "through the origin", "mixed scales", "all but parallel", "on an edge"])
def test_the_exact_radius_is_that_of_brute_force_in_fractions(kind, seeds):
    refused = 0
    for seed in seeds:
        W, b, a, x = network(kind, seed)
        y = 1 if a @ np.maximum(W @ x + b, 0) >= 0 else -1
        for strict, (norm, solver) in itertools.product((True, False), SOLVERS.items()):
            wanted = truth(W, b, a, x, y, strict, norm)
            try:
                radius, delta = measured(solver, W, b, a, x, y, strict)
            except ArithmeticError as error:
                refused += 1
                assert "cannot be proved" in str(error)
                continue
            assert radius == pytest.approx(wanted, rel=1e-9, abs=0), (seed, strict, norm)
            if 0 < radius < math.inf:
                assert np.linalg.norm(delta, norm) == pytest.approx(radius, rel=1e-9)
    assert refused <= (7 if kind == "all but parallel" else 2)  # of 20; also where f touches zero without crossing it


@pytest.mark.parametrize(("seed", "k", "d"), [(8, 8, 3), (15, 8, 3), (19, 5, 4), (64, 12, 3), (98, 10, 3), (192, 10, 4)])
def test_the_exact_radius_is_shorter_where_convex_concave_steps_end_too_early(seed, k, d):
    generator = torch.Generator().manual_seed(seed)
    W, b, a, x = (torch.randn(*shape, generator=generator).double() for shape in ((k, d), (k,), (k,), (1, d)))
    f = lambda point: (torch.relu(point @ W.T + b) @ a).item()  # noqa: E731
    network = W, b, a, x, torch.tensor([1.0 if f(x) >= 0 else -1.0]).double()
    (exact, delta), (upper, _) = radii.exact_radius_l2(*network), radii.convex_concave_radius(*network)
    assert exact.item() < 0.995 * upper.item() and f(x) * f(x + delta) < 1e-9  # over the edge by rounding alone
    assert delta.norm().item() == pytest.approx(exact.item(), rel=1e-9)


@pytest.mark.parametrize("solver", [radii.exact_radius_l2, radii.exact_radius_linf, radii.convex_concave_radius])
@pytest.mark.parametrize("far", [-10.0, -1e5, -1e10, -1e12, -1e15])
def test_no_radius_depends_on_a_neuron_that_never_fires(solver, far):
    W, a, x = np.array([[1.0], [-1.0], [1.0]]), np.array([1.0, -2.0, 1.0]), np.array([1.0])
    for shift, wanted in ((1.0, 4 / 3), (0.0, 1 / 3)):
        b = np.array([shift, 1.0 - shift, far])
        for strict in (True, False):
            assert measured(solver, W, b, a, x, 1, strict)[0] == pytest.approx(wanted, rel=1e-9)
        crown = radii.crown_radius(*map(torch.tensor, (W, b, a, x[None])), torch.tensor([1.0]))
        assert 0.9 * wanted <= crown.item() <= wanted * (1 + 1e-12)
        ray = robustness.first_flip_along_ray(*map(torch.tensor, (W, b, a, x)), 1.0, torch.tensor([-1.0]).double())
        assert ray == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("size", [1e-12, 1e-5, 1e8, 1e12])
def test_radii_have_the_unit_of_the_inputs_and_no_other(size):
    rng = np.random.default_rng(7)
    W, b, a, x = rng.normal(size=(5, 3)), rng.normal(size=5), rng.normal(size=5), rng.normal(size=3)
    y = np.sign(a @ np.maximum(W @ x + b, 0))
    mixed = size ** np.linspace(-1, 1, 5)
    for solver in (*SOLVERS.values(), radii.convex_concave_radius):
        radius = measured(solver, W, b, a, x, y)[0]
        for changed, unit in (
            ((W, b, size * a, x), 1.0),
            ((mixed[:, None] * W, mixed * b, a / mixed, x), 1.0),
            ((W / size, b, a, x * size), size),
            ((W, b * size, a, x * size), size),
        ):
            assert measured(solver, *changed, y)[0] == pytest.approx(unit * radius, rel=1e-9)
    points = torch.tensor(x)[None], torch.tensor([y])
    crown = radii.crown_radius(*map(torch.tensor, (W, b, a)), *points).item()
    scaled = radii.crown_radius(*map(torch.tensor, (W / size, b, a)), points[0] * size, points[1]).item()
    assert scaled == pytest.approx(size * crown, rel=1e-9)


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e155, 1e300])
@pytest.mark.parametrize("of", ["a", "a neuron", "the neurons"])
def test_no_square_overflows_or_vanishes(size, of):
    W, b, a = (
        torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double(),
        torch.tensor([1.0, -1.0]).double(),
        torch.tensor([1.0, -1.0]).double(),
    )
    X, y = torch.tensor([[0.5, 0.2]]).double(), torch.ones(1).double()
    one = torch.tensor([size, 1.0 if of == "a neuron" else size], dtype=torch.float64)
    scaled = (W, b, a * one) if of == "a" else (W * one[:, None], b * one, a / one if of == "a neuron" else a)
    for radius in (radii.certified_radius, radii.crown_radius):
        assert radius(*scaled, X, y).item() == pytest.approx(radius(W, b, a, X, y).item(), rel=1e-9)
    for solver in (*SOLVERS.values(), radii.convex_concave_radius):
        assert solver(*scaled, X, y)[0].item() == pytest.approx(solver(W, b, a, X, y)[0].item(), rel=1e-9)


def test_a_strict_radius_of_zero_comes_with_a_flip():
    W, b, a, x = ([[2.0]], [0.0], [1.0], [0.0])
    for solver in SOLVERS.values():
        radius, delta = measured(solver, *(np.array(part) for part in (W, b, a, x)), -1)
        assert radius == 0 < delta[0] < 1e-8


def test_lower_bounds_allow_for_rounding():
    W, b, a, x = np.full((1, 3), 0.1), np.array([-0.3]), np.ones(1), np.ones(3)
    exact, _ = measured(radii.exact_radius_l2, W, b, a, x, 1, strict=False)
    for radius in (radii.certified_radius, radii.crown_radius):
        assert radius(*map(torch.tensor, (W, b, a, x[None])), torch.ones(1)).item() <= exact


def first_flip(W, b, a, x, y, u):
    """Return what ``first_flip_along_ray`` does, computed in fractions."""
    rows, start, way = ([[Fraction(v) for v in row] for row in part] for part in (W, [x], [u]))
    z = [sum(w * v for w, v in zip(row, start[0], strict=True)) + Fraction(c) for row, c in zip(rows, b, strict=True)]
    speed = [sum(w * v for w, v in zip(row, way[0], strict=True)) for row in rows]
    weights = [int(y) * Fraction(v) for v in a]
    ends = sorted({Fraction(0)} | {-c / v for c, v in zip(z, speed, strict=True) if v and -c / v > 0})
    values = [sum(w * max(c + t * v, 0) for w, c, v in zip(weights, z, speed, strict=True)) for t in ends]
    if values[0] < 0:
        return 0.0
    for (t, high), (end, low) in itertools.pairwise(zip(ends, values, strict=True)):
        if low < 0:
            return float(t + (end - t) * high / (high - low))
    slope = sum(w * v for w, v in zip(weights, speed, strict=True) if v > 0)
    return float(ends[-1] - values[-1] / slope) if slope < 0 else math.inf


@pytest.mark.parametrize("kind", ["random", "integers", "through the origin", "mixed scales"])
@pytest.mark.parametrize("size", [2.0**-500, 2.0**-40, 1.0, 2.0**40, 2.0**500])
def test_the_first_flip_on_a_ray_is_that_of_fractions_at_every_scale(kind, size):
    for seed in range(60):
        W, b, a, x = network(kind, seed)
        u = np.random.default_rng(seed).normal(size=len(x))
        for y in (1.0, -1.0):
            wanted = first_flip(W, b, a, x, y, u)
            found = robustness.first_flip_along_ray(*map(torch.tensor, (W / size, b, a / size, x * size)), y, torch.tensor(u))
            assert found == pytest.approx(wanted * size, rel=1e-9, abs=0), (seed, y)


@pytest.mark.parametrize("size", [2.0**-1000, 2.0**1000, 2.0**1022])
def test_a_long_or_short_direction_flips_at_the_same_place(size):
    X, y = data.sphere(6, 20, torch.Generator().manual_seed(0)), torch.tensor([1.0, -1.0] * 3).double()
    net = robustness.robust_network(X, y, 0.9)
    wanted = robustness.first_flip_along_ray(*net, X[0], 1.0, X[1] - X[0])
    assert 0 < wanted < 1 and robustness.first_flip_along_ray(*net, X[0], 1.0, (X[1] - X[0]) * size) == wanted / size


def test_a_flip_that_is_no_float_is_an_error():
    net = [part.double() for part in (torch.eye(2), torch.zeros(2), torch.tensor([1.0, -1.0]))]
    x, u = torch.tensor([[1.0, 0.0], [0.0, 1e-310]], dtype=torch.float64)
    with pytest.raises(ArithmeticError, match="take a longer one"):
        robustness.first_flip_along_ray(*net, x, 1.0, u)


def test_the_solver_prints_nothing(capfd):
    for seed in range(5):
        measured(radii.exact_radius_linf, *network("random", seed), 1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("norm", SOLVERS)
@pytest.mark.parametrize(
    ("W", "b", "a", "x", "y", "radius"),
    [([0.5], [2.0**-617], [1.0], 0.0, 1, None), ([0.5], [2.0**-617], [-1.0], 0.0, 1, 0.0),
     ([2.0**-650], [-1.0], [1.0], 2.0, -1, 2.0**650),
     ([-0.25, 0.5, 0.5], [0.0, -(2.0**-599), -1.5 * 2.0**-599], [1.0, 2.0**-630, -(2.0**-20)], 1.5 * 2.0**-599, -1, 2.0**-600)],
)  # fmt: skip
def test_lengths_whose_squares_are_no_numbers(norm, W, b, a, x, y, radius):
    given = [torch.tensor(part, dtype=torch.float64) for part in ([[w] for w in W], b, a, [[x]])]
    found, _ = SOLVERS[norm](*given, torch.tensor([y]), strict=radius is not None)
    assert found.item() == pytest.approx(2.0**-616 if radius is None else radius, rel=1e-9, abs=0)


def test_sizes_too_far_apart_for_one_unit_are_refused():
    given = [torch.tensor(part, dtype=torch.float64) for part in ([[1e257]], [2e257], [-1.0], [[1e-166]])]
    for solver in (*SOLVERS.values(), radii.certified_radius, radii.crown_radius):
        with pytest.raises(ArithmeticError, match="sizes of W, b, a and X are too far apart"):
            solver(*given, torch.tensor([-1]))
    huge = [torch.tensor(part, dtype=torch.float64) for part in ([[1.0]], [-1e308], [1.0], [[-1.7e308]])]
    with pytest.raises(ArithmeticError, match="a radius is no number of float64"):
        radii.exact_radius_l2(*huge, torch.tensor([-1]))
