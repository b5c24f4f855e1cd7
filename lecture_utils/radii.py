"""How far a point is from where a two-layer ReLU network changes its sign: exactly, from below and from above.

The network is f(x) = sum_j a_j relu(w_j . x + b_j), given as W (k, d), b (k,), a (k,); see ``networks.two_layer``. Points are
X (n, d), labels y (n,) of -1 and +1; all is computed in float64. Around a point, y f(x + delta) = P(delta) - Q(delta): P sums
the neurons whose a_j has the sign of y, Q the opposite ones, and both are convex and piecewise linear. Two radii are told apart:

    r_zero     the distance to {y f <= 0}         (strict=False)
    r_strict   the distance to {y f < 0}          (strict=True)

They differ where f = 0 on a region: no neuron of Theorem 1's network fires there. A radius is 0 where the label is
already wrong. Nothing depends on units: x, f or a neuron may be multiplied by any factor.

Floating point proposes, and two proofs dispose. That a delta flips is computed in integers, which numbers in floating point
are, up to a power of two. That no shorter one does is weak duality: any lambda >= 0 gives |delta| >= lambda . h / |G' lambda|
where G delta >= h, less what rounding can have done. Where the two are further than 1e-9 apart, ArithmeticError is raised.
"""

import heapq
import itertools
from fractions import Fraction

import numpy as np
import torch
from scipy.optimize import linprog, nnls

from .checks import check_choice, check_count, check_network

ROUND = 16 * np.finfo(float).eps  # of a sum, relative to the sizes of its terms
CLOSE = 4e-10  # relative: how near the two proofs have to come, each to the radius that is returned
FAR = 1e9  # times the distance of the furthest edge of a neuron: beyond, no flip is looked for


def in_units(*network):
    """Return the checked network and points, scaled by powers of two to sizes near 1, and the exponent of the points' unit."""
    W, b, a, X, y = check_network(*network)
    unit = X.abs().max().frexp().exponent
    own = torch.cat([W, doubled(b, -unit)[:, None]], 1).abs().amax(1).frexp().exponent  # of each neuron, which its a takes
    idle = (a == 0) | ((W == 0).all(1) & (b == 0))
    whole = torch.where(idle, -(10**6), a.frexp().exponent + own)
    w, z, a, x = doubled(W, -own[:, None]), doubled(doubled(b, -unit), -own), a.frexp().mantissa, doubled(X, -unit)
    back = doubled(w, own[:, None]), doubled(doubled(z, own), unit), doubled(x, unit)
    if not all(map(torch.equal, back, (W, b, X))) or (whole[~idle] < whole.max() - 1000).any():
        raise ArithmeticError("the sizes of W, b, a and X are too far apart: in one unit they are no numbers of float64")
    return w, z, a.ldexp(whole - whole.max()), x, y, unit


def doubled(v, times):
    """Return v 2^times, where 2^times may be no float."""
    half = times // 2
    return v.ldexp(half).ldexp(times - half)


# ---- lower bounds ------------------------------------------------------------------------------------


def certified_radius(W, b, a, X, y):
    """Return a lower bound on r_zero for each point: the distance within which no neuron that matters changes its state.

    While one neuron of the label's sign stays on and every opposite one stays off, y f is positive. With z_j = w_j . x + b_j
    the first lasts for z_j / |w_j|, the second for -z_j / |w_j|. (Slide "Proof of Theorem 1", for any network.)
    """
    W, b, a, X, y, unit = in_units(W, b, a, X, y)
    z, weight = X @ W.T + b, y[:, None] * a
    last = ((z.abs() - ROUND * (X.abs() @ W.abs().T + b.abs())).clamp(min=0) / W.norm(dim=1)).nan_to_num(0.0, posinf=torch.inf)
    on = torch.where((weight > 0) & (z > 0), last, 0.0)
    off = torch.where((weight < 0) & ((W != 0).any(1) | (z > 0)), torch.where(z < 0, last, 0.0), torch.inf)
    return doubled(torch.minimum(on.amax(1), off.amin(1)), unit)


def crown_radius(W, b, a, X, y, *, halvings=40):
    """Return a lower bound on r_zero for each point, by one linear bound of y f over the ball (CROWN, Zhang et al. 2018).

    Neurons of the label's sign are bounded from below by their tangent at x, opposite ones from above by their chord over
    the ball; the minimum of a linear function over a ball is known. Bisection on the radius. O(n k d) for each halving.
    """
    check_count("halvings", halvings, 0)
    W, b, a, X, y, unit = in_units(W, b, a, X, y)
    z, weight = X @ W.T + b, y[:, None] * a
    length, rounding = W.norm(dim=1), ROUND * (X.abs() @ W.abs().T + b.abs())

    def least(radius):
        lowest, highest = z - radius[:, None] * length, z + radius[:, None] * length
        chord = torch.where(lowest >= 0, 1.0, torch.where(highest <= 0, 0.0, highest / (highest - lowest)))
        shift = torch.where((lowest < 0) & (highest > 0), -chord * lowest, 0.0)
        slope = weight * torch.where(weight > 0, (z > 0).to(z.dtype), chord)
        value = (slope * z - slope.abs() * rounding + torch.where(weight > 0, 0.0, weight * shift)).sum(1)
        return value - radius * (slope @ W).norm(dim=1)

    edges = torch.where((length > 0) & (z != 0), z.abs() / length, 0.0)
    low, high = torch.zeros_like(z[:, 0]), FAR * edges.amax(1)
    positive = least(low) > 0
    while (narrow := positive & (high > 0) & (least(high / 4) <= 0)).any():
        high = torch.where(narrow, high / 4, high)
    for _ in range(halvings):
        radius = (low + high) / 2
        certain = positive & (least(radius) > 0)
        low, high = torch.where(certain, radius, low), torch.where(certain, high, radius)
    return doubled(low, unit)


# ---- the programs that the rest is made of -----------------------------------------------------------


def _integers(array):
    """Return Python's integers and a common denominator, such that array = integers / denominator exactly."""
    ratios = [value.as_integer_ratio() for value in array.ravel().tolist()]
    unit = max((below for _, below in ratios), default=1)  # they are powers of two
    return np.array([above * (unit // below) for above, below in ratios], dtype=object).reshape(array.shape), unit


class _Exact:
    """The network in integers."""

    def __init__(self, W, b, a):
        (self.W, self.W_unit), (self.b, self.b_unit), (self.a, _) = map(_integers, (W, b, a))

    def preactivations(self, *parts):
        """Return W (sum of the parts) + b as integers, and their denominator."""
        point, unit = _integers(np.stack(parts))
        unit *= self.W_unit
        return (self.W @ point.sum(0)) * self.b_unit + self.b * unit, unit * self.b_unit

    def output(self, *parts):
        """Return f at the sum of the parts, times a positive number."""
        return (self.a * np.maximum(self.preactivations(*parts)[0], 0)).sum()


class _Point:
    """P and Q around one point; for the Euclidean length in a basis of the weights' span, which no shortest delta leaves."""

    def __init__(self, exact, W, a, x, y, strict, largest):
        self.z, unit = exact.preactivations(x)
        self.exact, self.x, self.y, self.strict, self.largest = exact, x, y, strict, largest
        weights, z = np.abs(a)[:, None] * W, np.abs(a) * [v / unit for v in self.z]
        self.basis = np.linalg.qr(W.T)[0] if len(W) < W.shape[1] and not largest else np.eye(W.shape[1])
        weights, same, opposite = weights @ self.basis, y * a > 0, y * a < 0
        self.names = np.flatnonzero(same), np.flatnonzero(opposite)
        self.P, self.p, self.Q, self.q = weights[same], z[same], weights[opposite], z[opposite]
        self.P_norms, self.Q_norms = self.dual(self.P), self.dual(self.Q)
        moves = (self.dual(weights) > 0) & (z != 0)
        self.edges = np.append(np.abs(z)[moves] / self.dual(weights)[moves], [] if moves.any() else 1.0)

    def dual(self, v):
        return np.abs(v).sum(-1) if self.largest else _euclidean(v)

    def length(self, delta):
        return np.abs(delta).max(initial=0.0) if self.largest else _euclidean(delta)

    def flips(self, delta):
        """Whether y f(x + delta) < 0 (or <= 0), in integers."""
        value = self.y * self.exact.output(self.x, self.basis @ delta)
        return value < 0 or (value == 0 and not self.strict)

    def active(self, delta):
        return self.Q @ delta + self.q > 0

    def shortest(self, share, shift=0.0, fixed=None, *, push=0.0, reach=np.inf):
        """Return the shortest delta with P(delta) <= share . Q(delta) + shift, and a lower bound on its length.

        fixed: opposite neurons that must be on (True) or off (False). push: so far from every edge of these conditions.
        None and the bound where there is none within reach; the bound is inf where none can flip, exactly. P is the largest of
        finitely many linear functions, one a set of neurons: we add the one that is violated.
        """
        kept, sides = list(fixed or {}), np.array([1.0 if state else -1.0 for state in (fixed or {}).values()])
        slope, constant = share @ self.Q, share @ self.q + shift
        steep, size = share @ self.Q_norms, share @ np.abs(self.q) + shift  # what rounding is relative to
        rows = [np.column_stack([sides[:, None] * self.Q[kept], -sides * self.q[kept], self.Q_norms[kept], np.abs(self.q[kept])])]
        delta, bound, seen, tied = np.zeros(self.Q.shape[1]), 0.0, [], not shift and not (share % 1).any()
        if tied and self.dual(slope) <= ROUND * steep and self._none_flips([np.zeros(len(self.P), dtype=bool)], share):
            return None, np.inf  # P is at least 0
        while True:
            on = self.P @ delta + self.p > ROUND * (self.P_norms * self.length(delta) + np.abs(self.p))
            row = slope - self.P[on].sum(0)
            terms = steep + self.P_norms[on].sum(), size + np.abs(self.p[on]).sum()
            violated = self.p[on].sum() - constant - row @ delta + push * self.dual(row)
            rounding = ROUND * (terms[0] * self.length(delta) + terms[1])
            flat = self.dual(row) <= ROUND * terms[0]
            if flat and tied and self._none_flips([on], share):
                return None, np.inf
            if any((on == old).all() for old in seen) or (seen and violated <= rounding):
                return delta, bound
            if not flat:
                rows.append(np.array([[*row, self.p[on].sum() - constant, *terms]]))
                seen.append(on)
            delta, weights, bound = self._nearest(np.vstack(rows), push, reach)
            if delta is None:
                used = np.flatnonzero(weights > 0)
                states = [(kept[i], sides[i]) for i in used if i < len(kept)]
                sets = [seen[i - len(kept)] for i in used if i >= len(kept)]
                return None, np.inf if tied and push and self._none_flips(sets, share, states) else bound
            if flat:
                return delta, bound

    def _none_flips(self, sets, share, states=()):
        """Whether these linear parts of P and states of opposite neurons exclude that P is less than share . Q, in integers.

        They do where weights >= 0 add them up to a condition on no delta that does not hold (Motzkin's theorem).
        """
        signs = np.zeros((len(sets) + len(states), len(self.exact.a)), dtype=object)
        for row, on in zip(signs, sets, strict=False):
            row[self.names[0][on]], row[self.names[1][share > 0]] = -1, 1
        for row, (j, side) in zip(signs[len(sets) :], states, strict=True):
            row[self.names[1][j]] = int(side)
        signs *= np.abs(self.exact.a)
        slopes, values = signs @ self.exact.W, signs @ self.z
        table = [[Fraction(int(v)) for v in row] for row in np.hstack([slopes, np.eye(len(signs), dtype=int)])]
        for column in range(slopes.shape[1]):
            pivot = next((row for row in table if row[column]), None)
            if pivot:
                rest = [row for row in table if row is not pivot]
                table = [[v - row[column] / pivot[column] * p for v, p in zip(row, pivot, strict=True)] for row in rest]
        for row in table:
            weights = np.array(row[slopes.shape[1] :])
            weights *= 1 if weights.sum() > 0 else -1
            strictly = self.strict and (weights[: len(sets)] > 0).any()
            if (weights >= 0).all() and (weights @ values < 0 or (weights @ values == 0 and strictly)):
                return True
        return False

    def _nearest(self, rows, push, reach):
        """Return the shortest delta with G delta >= h + push |G| (None: none within reach), weights that show it, a bound."""
        rows = rows / self.dual(rows[:, :-3])[:, None]
        G, h, steep, size = rows[:, :-3], rows[:, -3] + push, rows[:, -2], rows[:, -1] + push
        unit = h.max(initial=0.0)  # of length: the answer is at least as long
        if unit <= 0:
            return np.zeros(G.shape[1]), np.zeros(len(h)), 0.0
        near, weights, bound = False, np.zeros(len(h)), unit - ROUND * size[h.argmax()]
        while not near and bound < reach and unit <= min(1e4 * reach, 1e250):
            delta, weights, near = (_largest_cone if self.largest else _euclidean_cone)(G, h / unit)
            delta, unit = delta * unit, unit * 1e4
            least = self.dual(weights @ G) + ROUND * weights @ steep
            proved = (weights @ h - ROUND * weights @ size) / least if least > 0 else 0.0
            near, bound = near and (G @ delta - h >= -1e-9 * (np.abs(h) + self.length(delta))).all(), max(bound, proved)
        return (delta if near else None), weights, bound

    def flip(self, on, radius):
        """Return length and delta of the shortest flip with Q replaced by the sum of these neurons, None without one.

        The convex set of these flips is closed, up to its edge; delta lies inside, by a share of its length that is below CLOSE.
        """
        share = on.astype(float)
        start, _ = self.shortest(share, reach=radius)
        if start is None or (length := self.length(start)) >= radius:
            return None
        if not self.strict and self.flips(start):
            return length, start
        unit = length or self.edges.min()
        for push in (1e-2, 1e-4, 1e-6):
            deep, _ = self.shortest(share, push=push * unit, reach=1e3 * unit)
            if deep is not None and (deep != start).any():
                inside = start + (deep - start) * min(1.0, CLOSE * unit / self.length(deep - start))
                if self.flips(inside):
                    return length, inside
        return None

    def descend(self, on, radius):
        """Return the flip below radius that convex-concave steps lead to, from a set of opposite neurons; None without one."""
        best = None
        while (found := self.flip(on, radius)) is not None:
            best, on, radius = found, self.active(found[1]), found[0] * (1 - 1e-12)
        return best


def _euclidean(v):
    """Return the lengths of vectors, whose squares may be no numbers."""
    with np.errstate(over="ignore"):
        found = np.linalg.norm(v, axis=-1)
    if ((found > 1e-140) & (found < 1e140)).all():
        return found
    power = np.frexp(np.abs(v).max(-1, initial=0.0))[1]
    return np.ldexp(np.linalg.norm(np.ldexp(v, -power[..., None]), axis=-1), power)


def _euclidean_cone(G, h):
    """Return the shortest delta with G delta >= h, weights of the rows that show it, and whether it is shorter than 1e3.

    Non-negative least squares of E u = (0, 1) with E = (G'; h'): its residual is the direction of (-delta, 1). Then the rows
    that press are solved once more. (Lawson and Hanson 1974, chapter 23.)
    """
    columns = np.maximum(1.0, np.abs(h))
    E = np.vstack([G.T, h]) / columns
    target = np.append(np.zeros(G.shape[1]), 1.0)
    weights, _ = nnls(E, target)
    near = target[-1] - E[-1] @ weights > 1e-6
    weights = weights / columns
    if not near:
        return np.zeros(G.shape[1]), weights, False
    pressing = weights > 0
    delta = np.linalg.lstsq(G[pressing], h[pressing], rcond=None)[0]
    weights[pressing] = np.linalg.lstsq(G[pressing].T, delta, rcond=None)[0].clip(0)
    return delta, weights, True


def _largest_cone(G, h):
    """Return the same for the largest entry: the largest s with G v >= s h, |v| <= 1 is 1 / |delta|, a linear program (HiGHS)."""
    cost = np.append(np.zeros(G.shape[1]), -1.0)
    columns = np.maximum(1.0, np.abs(h))
    rows = np.column_stack([-G, h]) / columns[:, None]
    done = linprog(cost, rows, np.zeros(len(G)), bounds=[(-1, 1)] * G.shape[1] + [(0, 2)], method="highs-ds")
    if done.status:
        raise ArithmeticError(f"HiGHS found no solution: {done.message}")
    weights, near = -done.ineqlin.marginals.clip(max=0) / columns, done.x[-1] > 1e-4
    return (done.x[:-1] / done.x[-1] if near else done.x[:-1]), weights, near


# ---- upper bound and exact distance ------------------------------------------------------------------


def convex_concave_radius(W, b, a, X, y, *, strict=True):
    """Return an upper bound on r_strict (or r_zero) for each point, and the perturbations: (n,) and (n, d).

    Convex-concave procedure: Q is replaced by the sum of its neurons that are on, the shortest flip of that convex problem
    is found exactly, and so on until the length stops falling. Starts with all opposite neurons on, with none, and
    then with those that are on at the shortest delta for Q's chord. inf where these find no flip.
    """
    return _each(_upper, W, b, a, X, y, strict)


def exact_radius_l2(W, b, a, X, y, *, strict=True):
    """Return exactly r_strict (or r_zero) for each point, and the perturbations that reach it: (n,) and (n, d).

    Exactly is to a relative 1e-9; by less than that delta is longer than the radius, so that it flips (where that is 0, it is
    tiny). inf where no flip is within FAR.
    Raises ArithmeticError where the arithmetic does not allow a proof (neurons all but parallel).
    Branch and bound over the opposite neurons only, each on or off: inside the ball of the shortest flip known, Q is at
    most its chord, which leaves a convex problem. Milliseconds for trained networks of 24 hidden
    neurons, often possible up to 60; hundreds of neurons for Theorem 1's.
    """
    return _each(_exact, W, b, a, X, y, strict)


def exact_radius_linf(W, b, a, X, y, *, strict=True):
    """Return the exact distance in the largest entry for each point, and the perturbations: (n,) and (n, d).

    As ``exact_radius_l2``, with a linear program (``scipy.optimize.linprog``) in place of least squares: ten times slower.
    """
    return _each(_exact, W, b, a, X, y, strict, largest=True)


def _each(solve, W, b, a, X, y, strict, largest=False):
    """Run a solver on every point; return radii and perturbations."""
    check_choice("strict", strict, (False, True))
    W, b, a, X, y, unit = (part.detach().cpu().numpy() for part in in_units(W, b, a, X, y))
    radii, deltas, exact = np.full(len(X), np.inf), np.full(X.shape, np.nan), _Exact(W, b, a)
    for i, (x, label) in enumerate(zip(X, y, strict=True)):
        point = _Point(exact, W, a, x, int(label), strict, largest)
        nothing = np.zeros(len(point.basis.T))
        try:
            found = (0.0, nothing) if point.flips(nothing) else solve(point)
        except ArithmeticError as error:
            raise ArithmeticError(f"the radius of sample {i} cannot be proved in float64: {error}") from error
        if found is not None:
            radii[i], deltas[i] = found[0], point.basis @ found[1]
    with np.errstate(over="ignore"):
        told = np.ldexp(radii, unit)
    if not np.isclose(np.ldexp(told, -unit), radii, rtol=CLOSE, atol=0).all():
        raise ArithmeticError("a radius is no number of float64: multiply W and divide X by one factor")
    return torch.from_numpy(told), torch.from_numpy(np.ldexp(deltas, unit))


def _upper(point):
    furthest = FAR * point.edges.max() * (1 + 1e-9)
    best, radius = None, furthest
    for step in range(7):
        if step < 2:
            on = np.full(len(point.q), step == 0)
        else:
            relaxed = _relaxed(point, radius if best else radius / 1e5, {})[0]
            if relaxed is None:
                break
            on = point.active(relaxed)
        better = point.descend(on, radius)
        if step > 1 and better is None:
            break
        if better is not None:
            best, radius = better, better[0] * (1 - 1e-9)
    return best


def _relaxed(point, radius, fixed):
    """Return the shortest delta that flips when Q may be as large as its chord over the ball, and what the chord adds.

    fixed: opposite neurons that must be on (True) or off (False). Then for each neuron chord minus neuron (-1 where it has
    no chord), the states of those that have none, and a lower bound on the length.
    """
    lowest, highest = point.q - radius * point.Q_norms, point.q + radius * point.Q_norms
    kept = list(fixed)
    free = (lowest < 0) & (highest > 0)
    free[kept] = False
    share = (lowest >= 0).astype(float)
    share[kept] = list(fixed.values())
    share[free] = highest[free] / (highest - lowest)[free]
    shift = np.where(free, -share * lowest, 0.0)
    delta, bound = point.shortest(share, shift.sum(), fixed, reach=radius)
    if delta is None:
        return None, None, None, bound
    value = point.Q @ delta + point.q
    return delta, np.where(free, share * value + shift - np.maximum(value, 0), -1.0), np.where(free, value > 0, share > 0), bound


def _exact(point):
    best = _upper(point)
    furthest = FAR * point.edges.max()
    radius = point.edges.min() * 100 if best is None else best[0]
    while True:
        best = _branch(point, best, radius)
        if best is not None or radius >= furthest:
            return best
        radius = min(radius * 1e4, furthest)


def _branch(point, best, radius):
    """Return the shortest flip below radius, or else best."""
    tried, order = set(), itertools.count()
    open_ = [(0.0, next(order), {})]
    while open_ and open_[0][0] < radius * (1 - CLOSE):
        least, _, fixed = heapq.heappop(open_)
        delta, gap, on, bound = _relaxed(point, radius, fixed)
        if bound >= radius * (1 - CLOSE):
            continue
        if delta is not None and on.tobytes() not in tried:
            tried.add(on.tobytes())
            found = point.descend(on, radius)
            if found is not None:
                best, radius = found, found[0]
                if bound >= radius * (1 - CLOSE):
                    continue
        if delta is not None and gap.max(initial=-1.0) < 0:  # Q is what it is there: this is a flip, or nothing flips
            unit = point.length(delta) or point.edges.min()
            if np.isinf(point.shortest(on.astype(float), fixed=fixed, push=1e-4 * unit, reach=radius)[1]):
                continue
        if delta is None or gap.max(initial=-1.0) < 0:
            raise ArithmeticError("neurons are all but parallel, or tie")
        j = int(gap.argmax())
        for state in (True, False):
            heapq.heappush(open_, (max(least, bound), next(order), fixed | {j: state}))
    return best
