"""The robust network keeps its promise, its radii are exact, and every bound stands on its side of the truth."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from lecture_utils import data, networks, radii, robustness


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def labels(m):
    return torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(m)[:m]


def random_network(seed, most=8):
    """Return a small random network, points that it classifies, and their labels."""
    generator = seeded(seed)
    k, d = (int(n) for n in torch.randint(3, most + 1, (2,), generator=generator))
    W, b, a, X = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((k, d), (k,), (k,), (6, d)))
    f = networks.two_layer(X, W, b, a)
    return (W, b, a), X[f != 0], f[f != 0].sign()


def least_distance(G, h, reach=math.inf):
    """Return the shortest delta with G delta >= h, by non-negative least squares; None where there is none within reach."""
    lengths = np.linalg.norm(G, axis=1)
    if (h[lengths == 0] > 0).any():
        return None
    G, h = G[lengths > 0] / lengths[lengths > 0, None], h[lengths > 0] / lengths[lengths > 0]
    unit = h.max(initial=0.0)  # of length: the answer is at least as long
    if unit <= 0:
        return np.zeros(G.shape[1])
    E = np.vstack([G.T, h / unit])
    target = np.append(np.zeros(G.shape[1]), 1.0)
    residual = target - E @ nnls(E, target)[0]
    return None if residual[-1] <= max(1e-13, (unit / reach) ** 2) else -unit * residual[:-1] / residual[-1]


@pytest.fixture(scope="module")
def built():
    """The network of Theorem 1 on random points."""
    X, y = data.sphere(12, 60, seeded(0)), labels(12)
    c = robustness.coherence(X)
    return X, y, c, robustness.robust_network(X, y, c)


@pytest.fixture(scope="module")
def trained():
    X, y = data.sphere(12, 40, seeded(0)), labels(12)
    return X, y, robustness.trained_network(X, y, generator=seeded(1))


# ---- the network and the data ------------------------------------------------------------------------


def test_a_two_layer_network_is_its_formula():
    x, W, b, a = (
        torch.tensor([1.0, -2.0]),
        torch.tensor([[1.0, 0.0], [1.0, 1.0]]),
        torch.tensor([0.5, 3.0]),
        torch.tensor([2.0, -1.0]),
    )
    assert networks.two_layer(x, W, b, a) == 2 * 1.5 - 2.0
    assert networks.two_layer(x, W, 0.0, a) == 2.0
    assert networks.two_layer(x.expand(3, 4, 2), W, b, a).shape == (3, 4)
    assert networks.two_layer(x, W, b, a, activation=torch.square) == 2 * 1.5**2 - 4.0


def test_points_lie_on_the_sphere_and_depend_on_the_generator_only():
    X = data.sphere(50, 7, seeded(1))
    assert X.shape == (50, 7) and X.dtype == torch.float64
    assert torch.allclose(X.norm(dim=1), torch.full((50,), math.sqrt(7), dtype=torch.float64))
    assert torch.equal(X, data.sphere(50, 7, seeded(1))) and not torch.equal(X, data.sphere(50, 7, seeded(2)))
    assert torch.equal(data.sphere(3, 4), data.sphere(3, 4))


def test_equicorrelated_points_have_all_inner_products_alike():
    X = data.equicorrelated(5, 9, 0.3, seeded(1))
    assert torch.allclose(X @ X.T, 9 * (0.3 + 0.7 * torch.eye(5, dtype=torch.float64)))
    assert robustness.coherence(data.equicorrelated(5, 9, 0)) < 1e-12


@pytest.mark.parametrize("wrong", [(0, 5, 0.1), (5, 5, 0.1), (3, 5, 1.0), (3, 5, -0.1)])
def test_equicorrelated_points_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        data.equicorrelated(*wrong)


def test_coherence_against_a_loop():
    X = data.sphere(6, 5, seeded(3))
    pairs = [abs((X[i] @ X[j]).item()) / 5 for i, j in itertools.combinations(range(6), 2)]
    assert robustness.coherence(X) == pytest.approx(max(pairs), rel=1e-12)


# ---- Theorem 1 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_construction_has_margin_one_and_one_neuron_on(seed):
    X, y = data.sphere(9, 30, seeded(seed)), labels(9)
    W, b, a = robustness.robust_network(X, y, robustness.coherence(X) + 0.03 * seed)
    z = X @ W.T + b
    assert torch.allclose(z.diagonal(), torch.ones(9, dtype=torch.float64))
    assert (z.fill_diagonal_(-1.0) <= -1 + 1e-12).all()
    assert torch.allclose(y * networks.two_layer(X, W, b, a), torch.ones(9, dtype=torch.float64))


def test_no_perturbation_below_r_zero_changes_the_sign_and_one_of_that_length_does(built):
    X, y, c, network = built
    delta = torch.randn(2000, *X.shape, generator=seeded(5), dtype=torch.float64)
    delta[1] = -X
    delta[2:14] = X[:, None] - X  # toward each other point
    delta[14:200] -= X
    radius = robustness.zero_radius(60, c)
    delta = delta / delta.norm(dim=2, keepdim=True).clamp_min(1e-12) * radius
    assert (y * networks.two_layer(X + (1 - 1e-9) * delta, *network) > 0).all()
    assert networks.two_layer(X + delta[1], *network).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda X, y, c: (X, y, 1.0), r"c must lie in \[0, 1\), got 1"),
        (lambda X, y, c: (X, y, -0.1), r"c must lie in \[0, 1\), got -0.1"),
        (lambda X, y, c: (X, y, c / 2), "c must be at least the coherence of X"),
        (lambda X, y, c: (1.01 * X, y, c), "X must lie on the sphere of radius"),
        (lambda X, y, c: (X, (y + 1) / 2, c), r"holds -1 and \+1 only, got torch.float64 \(6,\), values \[0.0, 1.0\]"),
        (lambda X, y, c: (X, y[:-1], c), r"y must be a tensor of shape \(6,\)"),
        (lambda X, y, c: (torch.cat([X[:5], X[:1]]), y, 0.9), r"a point occurs twice"),
        (lambda X, y, c: (torch.cat([X[:5], X[:1] * math.nan]), y, 0.9), "on the sphere"),
        (lambda X, y, c: (X[0], y, 0.9), r"X must be a tensor of floats \(m, d\)"),
        (lambda X, y, c: (X[:1], y[:1], 0.9), "m >= 2 points"),
    ],
)
def test_what_the_theorem_does_not_cover_is_refused(break_it, message):
    X, y = data.sphere(6, 20, seeded(0)), labels(6)
    with pytest.raises(ValueError, match=message):
        robustness.robust_network(*break_it(X, y, robustness.coherence(X)))


def test_the_labels_may_have_any_type_and_are_copied():
    X, y = data.sphere(4, 20, seeded(0)), torch.tensor([1, -1, -1, 1])
    _, b, a = robustness.robust_network(X, y, 0.9)
    assert a.dtype == b.dtype == torch.float64
    _, _, a = robustness.robust_network(X, y.double(), 0.9)
    a.zero_()
    assert y.abs().sum() == 4


# ---- closed forms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_the_closed_forms_are_what_the_exact_solver_finds(seed):
    d, m = [(50, 6), (60, 12), (100, 20), (80, 10), (120, 8), (200, 20)][seed]
    X, y = data.sphere(m, d, seeded(seed)), labels(m)
    c = robustness.coherence(X)
    network = robustness.robust_network(X, y, c)
    zero, _ = radii.exact_radius_l2(*network, X, y, strict=False)
    assert torch.allclose(zero, torch.full_like(zero, robustness.zero_radius(d, c)), rtol=1e-9)
    strict, delta = radii.exact_radius_l2(*network, X, y)
    assert (y * networks.two_layer(X + delta, *network) < 0).all()
    if c <= 1 / 3:
        assert torch.allclose(strict, robustness.strict_radii(X, y, c), rtol=1e-7)
    assert torch.allclose(radii.certified_radius(*network, X, y), zero, rtol=1e-9)


def test_special_values_of_the_pair_formula():
    for c in (0.0, 0.1, 0.3, 0.6, 0.9):
        assert robustness.strict_flip_radius(c, c) == pytest.approx(math.sqrt((1 - c) / 2))
        if c < 1 / 3:
            assert robustness.strict_flip_radius(0.0, c) == pytest.approx(math.sqrt((1 + c * c) / 2))
            values = [robustness.strict_flip_radius(r, c) for r in np.linspace(-c, c, 21)]
            assert all(a >= b - 1e-12 for a, b in itertools.pairwise(values))
    assert robustness.strict_flip_radius(-0.6, 0.7) == pytest.approx(0.85 + 0.6)


@pytest.mark.parametrize(("r", "c"), [(-0.6, 0.7), (-0.35, 0.6), (0.5, 0.6), (0.1, 0.2), (-0.2, 0.3)])
def test_the_pair_formula_for_two_points_alone(r, c):
    X = math.sqrt(2) * torch.tensor([[1.0, 0.0], [r, math.sqrt(1 - r * r)]], dtype=torch.float64)
    y = labels(2)
    strict, _ = radii.exact_radius_l2(*robustness.robust_network(X, y, c), X, y)
    assert torch.allclose(strict, math.sqrt(2) * torch.full_like(strict, robustness.strict_flip_radius(r, c)), rtol=1e-7)


def test_many_correlated_opposite_points_flip_together_above_one_third():
    y = torch.cat([torch.ones(1), -torch.ones(7)]).double()
    for c in (0.2, 0.3, 0.42, 0.5):
        X = data.equicorrelated(8, 9, c, seeded(0))
        W, b, a = robustness.robust_network(X, y, c)
        exact = radii.exact_radius_l2(W, b, a, X[:1], y[:1])[0].item()
        z, together = (W @ X[0] + b).numpy(), []
        for q in range(1, 8):  # the first q opposite neurons are on, and outweigh the first neuron
            G = np.vstack([W[1 : q + 1], W[1 : q + 1].sum(0) - W[0]])
            delta = least_distance(G, np.append(-z[1 : q + 1], z[0] - z[1 : q + 1].sum()))
            together.append(np.linalg.norm(delta))
        assert exact == pytest.approx(min(together), rel=1e-7)
        assert (np.argmin(together) == 0) == (c < 1 / 3)
        assert together[0] == pytest.approx(3 * robustness.strict_flip_radius(c, c), rel=1e-7)
    with pytest.raises(ValueError, match="at most 1/3"):
        robustness.strict_radii(X, y, 0.5)


def test_the_construction_equals_nearest_neighbour_where_the_coherence_is_attained_by_opposite_points():
    X, y = data.equicorrelated(6, 9, 0.25, seeded(0)), labels(6)
    strict = robustness.strict_radii(X, y, 0.25)
    assert torch.allclose(strict, torch.full_like(strict, robustness.nearest_neighbour_radius(X, y)), rtol=1e-9)


@pytest.mark.slow
def test_opposite_radii_add_up_to_at_most_the_distance(built, trained):
    for X, y, network in ((*built[:2], built[3]), trained):
        strict, _ = radii.exact_radius_l2(*network, X, y)
        zero, _ = radii.exact_radius_l2(*network, X, y, strict=False)
        for i, j in itertools.permutations(range(len(X)), 2):
            if y[i] != y[j]:  # a point where f = 0 is wrong for one of the two, if 0 counts as wrong for one
                assert strict[i] + zero[j] <= (X[i] - X[j]).norm() + 1e-6
        assert zero.min() <= robustness.nearest_neighbour_radius(X, y) + 1e-9


def test_one_label_alone_never_flips():
    X, y = data.sphere(4, 20, seeded(0)), torch.ones(4, dtype=torch.float64)
    network = robustness.robust_network(X, y, robustness.coherence(X))
    assert radii.exact_radius_l2(*network, X, y)[0].isinf().all()
    assert radii.exact_radius_l2(*network, X, y)[1].isnan().all()
    assert radii.exact_radius_linf(*network, X, y)[0].isinf().all()
    assert radii.exact_radius_l2(*network, X, y, strict=False)[0].isfinite().all()
    if robustness.coherence(X) <= 1 / 3:
        assert robustness.strict_radii(X, y, robustness.coherence(X)).isinf().all()
    with pytest.raises(ValueError, match="both labels"):
        robustness.nearest_neighbour_radius(X, y)


@pytest.mark.parametrize("size", [2.0**-600, 2.0**600])
def test_the_nearest_neighbour_has_no_scale(size):
    X, y = data.sphere(6, 20, seeded(0)), torch.tensor([1.0, -1.0] * 3).double()
    assert robustness.nearest_neighbour_radius(X * size, y) == robustness.nearest_neighbour_radius(X, y) * size > 0


def test_a_coherence_is_never_above_one():
    for seed in range(30):
        X = data.sphere(3, 20, seeded(seed))
        assert robustness.coherence(torch.cat([X, X])) <= 1


# ---- exact against brute force -----------------------------------------------------------------------


def brute_force(W, b, a, x, y, strict):
    """Try every pattern of neurons: on each the network is linear, and the nearest flip is one program."""
    z, best = W @ x + b, math.inf
    level = 1e-11 * np.abs(a * z).max() if strict else 0.0
    for pattern in itertools.product((0.0, 1.0), repeat=len(a)):
        side, on = 2 * np.array(pattern) - 1, np.array(pattern) * a
        G = np.vstack([side[:, None] * W, -(y * on @ W)])
        delta = least_distance(G, np.append(-side * z, y * on @ z + level), 1e5)
        if delta is not None and y * (a @ np.maximum(W @ (x + delta) + b, 0)) <= 1e-12 - level / 2:
            best = min(best, float(np.linalg.norm(delta)))
    return best


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("seed", [*range(12), 67, 74, 158])  # the last three need a valid chord
def test_the_exact_distance_is_that_of_all_patterns(seed, strict):
    network, X, y = random_network(seed, most=10 if seed < 2 else 7)
    exact, _ = radii.exact_radius_l2(*network, X[:2], y[:2], strict=strict)
    for i, radius in enumerate(exact.tolist()):
        assert radius == pytest.approx(brute_force(*map(np.asarray, network), X[i].numpy(), y[i].item(), strict), rel=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_bounds_stand_in_order(seed):
    network, X, y = random_network(seed)
    certified, crown = radii.certified_radius(*network, X, y), radii.crown_radius(*network, X, y)
    zero, _ = radii.exact_radius_l2(*network, X, y, strict=False)
    strict, delta = radii.exact_radius_l2(*network, X, y)
    upper, flip = radii.convex_concave_radius(*network, X, y)
    assert (certified <= zero + 1e-9).all() and (crown <= zero + 1e-9).all()
    assert (zero <= strict + 1e-9).all() and (strict <= upper + 1e-9).all()
    for radius, found in ((strict, delta), (upper, flip)):
        reached = radius.isfinite()
        assert (y * networks.two_layer(X + found, *network) < 0)[reached].all()
        assert torch.allclose(found.norm(dim=1)[reached], radius[reached])
    for u in torch.randn(20, X.shape[1], generator=seeded(seed), dtype=torch.float64):
        u = u / u.norm()  # attack along random rays
        rays = [robustness.first_flip_along_ray(*network, x, s, u) for x, s in zip(X, y.tolist(), strict=True)]
        assert (strict <= torch.tensor(rays).double() + 1e-7).all()


@pytest.mark.parametrize("seed", range(4))
def test_no_radius_changes_when_neurons_are_rescaled_or_the_network_is_multiplied(seed):
    (W, b, a), X, y = random_network(seed)
    s = torch.rand(len(a), generator=seeded(seed), dtype=torch.float64) * 5 + 0.1
    other = s[:, None] * W, s * b, 7 * a / s
    for radius in (radii.certified_radius, radii.crown_radius):
        assert torch.allclose(radius(W, b, a, X, y), radius(*other, X, y), rtol=1e-9)
    for radius in (radii.exact_radius_l2, radii.convex_concave_radius):
        assert torch.allclose(radius(W, b, a, X, y)[0], radius(*other, X, y)[0], rtol=1e-9)
    rays = [robustness.first_flip_along_ray(*net, X[0], y[0].item(), -X[0]) for net in ((W, b, a), other)]
    assert rays[0] == pytest.approx(rays[1], rel=1e-9)


def test_the_bounds_are_close_on_trained_networks(trained):
    X, y, network = trained
    exact, _ = radii.exact_radius_l2(*network, X, y)
    upper, _ = radii.convex_concave_radius(*network, X, y)
    crown = radii.crown_radius(*network, X, y)
    assert (upper <= 1.01 * exact).all() and (crown >= 0.7 * exact).all()


def test_a_wrong_label_has_radius_zero():
    network, X, y = random_network(3)
    for radius in (radii.exact_radius_l2, radii.exact_radius_linf, radii.convex_concave_radius):
        found, delta = radius(*network, X, -y)
        assert (found == 0).all() and (delta == 0).all()
    assert (radii.certified_radius(*network, X, -y) == 0).all() and (radii.crown_radius(*network, X, -y) == 0).all()


def test_the_largest_entry_against_the_closed_form_of_the_construction(built):
    X, y, c, network = built
    radius, delta = radii.exact_radius_linf(*network, X[:4], y[:4], strict=False)
    assert torch.allclose(radius, (1 - c) * 60 / (2 * X[:4].abs().sum(1)), rtol=1e-5)
    assert torch.allclose(delta.abs().amax(1), radius)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [117, 219, 669])
def test_a_zero_is_found_where_no_opposite_neuron_helps(seed):
    network, X, y = random_network(seed, most=6)
    exact, _ = radii.exact_radius_l2(*network, X, y, strict=False)
    for radius in (radii.convex_concave_radius, radii.exact_radius_linf):
        assert (radius(*network, X, y, strict=False)[0].isfinite() == exact.isfinite()).all()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_the_largest_entry_against_all_patterns(seed):
    from scipy.optimize import linprog

    network, X, y = random_network(seed, most=6)
    W, b, a = map(np.asarray, network)
    radius, delta = radii.exact_radius_linf(*network, X[:2], y[:2])
    assert (y[:2] * networks.two_layer(X[:2] + delta, *network) < 1e-6)[radius.isfinite()].all()
    for i in range(len(radius)):
        z, best = W @ X[i].numpy() + b, math.inf
        for pattern in itertools.product((0.0, 1.0), repeat=len(a)):
            side, on = 2 * np.array(pattern) - 1, np.array(pattern) * a
            eye, one, d = np.eye(len(W.T)), np.ones((len(W.T), 1)), len(W.T)
            rows = [
                [-side[:, None] * W, np.zeros((len(a), 1))],
                [y[i].item() * (on @ W)[None], [[0.0]]],
                [eye, -one],
                [-eye, -one],
            ]
            sides = np.concatenate([side * z, [-y[i].item() * (on @ z) - 1e-6 * np.abs(a * z).max()], np.zeros(2 * d)])
            done = linprog(np.append(np.zeros(d), 1.0), np.vstack([np.hstack(r) for r in rows]), sides, bounds=(None, None))
            best = min(best, done.x[-1] if done.status == 0 else math.inf)
        assert radius[i].item() == pytest.approx(best, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"W": torch.ones(3)}, TypeError, "W must be a tensor of floats with 2 dimensions"),
        ({"b": 0.0}, TypeError, "b must be a tensor of floats with 1 dimension, got float"),
        ({"a": torch.ones(2).double()}, ValueError, r"W, b, a, X must have shapes \(k, d\), \(k,\), \(k,\), \(n, d\)"),
        ({"X": torch.ones(2, 5).double()}, ValueError, "must have shapes"),
        ({"y": torch.tensor([0.0, 1.0])}, ValueError, r"y must be a tensor of shape \(2,\) that holds -1 and \+1"),
        ({"b": torch.tensor([0.0, math.nan, 0.0])}, ValueError, "b must be finite"),
        ({"y": torch.ones(2).bool()}, ValueError, r"y must be .* got torch.bool \(2,\)"),
        ({"y": torch.ones(2).byte()}, ValueError, r"y must be .* got torch.uint8 \(2,\)"),
        ({"y": torch.tensor([1, 1j])}, ValueError, r"y must be .* got torch.complex64 \(2,\)"),
        ({"X": torch.ones(0, 4).double(), "y": torch.ones(0)}, ValueError, r"X must not be empty, got shape \(0, 4\)"),
        ({"W": torch.ones(0, 4), "b": torch.ones(0), "a": torch.ones(0)}, ValueError, "W must not be empty"),
    ],
)
def test_wrong_arguments_are_named(change, error, message):
    parts = {"W": torch.ones(3, 4), "b": torch.zeros(3), "a": torch.ones(3), "X": torch.ones(2, 4), "y": torch.ones(2)}
    parts = {name: part.double() for name, part in parts.items()} | change
    for radius in (radii.certified_radius, radii.crown_radius, radii.exact_radius_l2, radii.exact_radius_linf):
        with pytest.raises(error, match=message):
            radius(**parts)


@pytest.mark.parametrize("halvings", [-1, 2.5])
def test_bisection_takes_whole_steps(halvings):
    with pytest.raises(ValueError, match="halvings must be an integer >= 0, got"):
        radii.crown_radius(*(torch.ones(*shape).double() for shape in ((3, 4), (3,), (3,), (2, 4), (2,))), halvings=halvings)


# ---- rays --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_the_first_flip_on_a_ray_against_a_fine_grid(seed):
    (W, b, a), X, y = random_network(seed)
    u = torch.randn(X.shape[1], generator=seeded(seed), dtype=torch.float64)
    for x, label in zip(X, y.tolist(), strict=True):
        found = robustness.first_flip_along_ray(W, b, a, x, label, u)
        t = torch.linspace(0, 50, 200_001, dtype=torch.float64)
        wrong = (label * networks.two_layer(x + t[:, None] * u, W, b, a) < -1e-9).nonzero()
        if len(wrong):
            assert found == pytest.approx(t[wrong[0]].item(), abs=1e-3)
        else:
            assert found > 49.9


def test_a_ray_through_the_dead_zone_flips_where_it_ends():
    W, b, a = torch.eye(2).double(), torch.tensor([-0.5, -0.5]).double(), torch.tensor([1.0, -1.0]).double()
    x = torch.tensor([1.0, 0.0]).double()
    ray = lambda *u: robustness.first_flip_along_ray(W, b, a, x, 1.0, torch.tensor(u).double())  # noqa: E731
    assert ray(-1.0, 0.5) == 1.0 and ray(-1.0, 0.0) == math.inf
    assert ray(0.0, 1.0) == 1.0  # the line through 0 between two breakpoints, and beyond the last
    assert robustness.first_flip_along_ray(W, b, a, x, -1.0, x) == 0.0


# ---- what training finds -----------------------------------------------------------------------------


def test_training_ends_with_margin_one_and_is_seeded(trained):
    X, y, network = trained
    margins = y * networks.two_layer(X, *network)
    assert margins.min().item() == pytest.approx(1) and margins.max() < 2
    again = robustness.trained_network(X, y, generator=seeded(1))
    assert all(torch.equal(one, other) for one, other in zip(network, again, strict=True))
    assert not torch.equal(network[0], robustness.trained_network(X, y, generator=seeded(2))[0])


def test_the_loss_reached_is_the_one_asked_for():
    X, y = data.sphere(6, 20, seeded(0)), labels(6)
    coarse, fine = (robustness.trained_network(X, y, loss=loss, generator=seeded(1)) for loss in (0.1, 1e-8))
    spread = [(y * networks.two_layer(X, *network)).max() for network in (coarse, fine)]
    assert spread[1] < spread[0]


def test_training_that_dies_or_is_cut_short_is_an_error():
    X, y = data.sphere(20, 30, seeded(0)), labels(20)
    with pytest.raises(FloatingPointError, match="larger width or another seed"):
        robustness.trained_network(X, y, width=1)
    with pytest.raises(FloatingPointError, match="loss below"):
        robustness.trained_network(X, y, max_steps=3)


def test_trained_networks_give_way_along_one_direction():
    X, y = data.sphere(32, 128, seeded(0)), labels(32)
    network = robustness.trained_network(X, y)
    u = (y @ X) / (y @ X).norm()
    flips = [robustness.first_flip_along_ray(*network, x, s, -s * u) for x, s in zip(X, y.tolist(), strict=True)]
    assert 1.5 * math.sqrt(128 / 32) > np.median(flips) and max(flips) < 3 * math.sqrt(128 / 32)
    upper, _ = radii.convex_concave_radius(*network, X, y)
    assert upper.median() < robustness.zero_radius(128, robustness.coherence(X))
    assert upper.max() <= max(flips) + 1e-9


@pytest.mark.parametrize(("d", "plus", "minus"), [(64, 8, 8), (30, 3, 6)])
def test_the_kkt_networks_have_the_radii_of_the_closed_form(d, plus, minus):
    X = data.equicorrelated(plus + minus, d, 0, seeded(0))
    y = torch.cat([torch.ones(plus), -torch.ones(minus)]).double()
    found, classes = [], torch.tensor([1.0, -1.0]).double()
    sums = torch.stack([X[y == label].sum(0) for label in classes])
    for W, a in ((sums, classes), (X, y)):
        network = W / d, torch.zeros_like(a), a
        assert torch.allclose(y * networks.two_layer(X, *network), torch.ones(plus + minus, dtype=torch.float64))
        found.append(radii.exact_radius_l2(*network, X[:1], y[:1])[0].item())
    assert found == pytest.approx(robustness.kkt_radius_orthogonal(d, plus, minus), rel=1e-6)


def test_the_distance_to_a_flip_keeps_its_digits_where_points_are_nearly_equal():
    near = 1e-12  # 1 - r and 1 - c: then it is sqrt((1 - c) / 2), up to a share of 1 - c
    gap = 1 - (1 - near)
    assert robustness.strict_flip_radius(1 - near, 1 - near) == pytest.approx(math.sqrt(gap / 2), rel=1e-9)


@pytest.mark.parametrize("loss", [0.1, 0.3, 0.6, 10.0])
def test_a_network_trained_little_is_right_at_every_sample_all_the_same(loss):
    X, y = data.sphere(16, 8, torch.Generator().manual_seed(1)), torch.tensor([1.0, -1.0] * 8, dtype=torch.float64)
    W, b, a = robustness.trained_network(X, y, loss=loss)
    assert (y * (torch.relu(X @ W.T + b) @ a)).min().item() == pytest.approx(1.0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_points_of_any_type_have_the_radii_of_theorem_1_and_no_others_pass(dtype):
    X, y = data.equicorrelated(4, 8, 0.1), labels(4)
    found = robustness.strict_radii(X.to(dtype), y, 0.1)  # rounded, their coherence is above 0.1
    assert torch.allclose(found, robustness.strict_radii(X, y, 0.1), rtol=torch.finfo(dtype).eps)
    for points, c in ((1.5 * X, 0.1), (X, 0.05)):
        with pytest.raises(ValueError, match="must"):
            robustness.robust_network(points.to(dtype), y, c)


def test_a_radius_that_is_no_float_and_points_without_coordinates_are_refused():
    with pytest.raises(ValueError, match="the radius must be a number"):
        robustness.nearest_neighbour_radius(torch.tensor([[1.7e308] * 2, [-1.7e308] * 2], dtype=torch.float64), labels(2))
    with pytest.raises(ValueError, match="must be a tensor of floats"):
        robustness.coherence(torch.zeros(2, 0))
