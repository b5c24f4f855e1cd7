"""L-BFGS over boxes, for a batch of functions at once: each has its own step, and leaves when it is done.

SciPy's L-BFGS-B does one function a call: on the same images it takes four times as long (attacks.lbfgs).
"""

import torch


def minimize(objective, start, c, lower, upper, names, max_iter, memory=8):
    """Minimise a batch of functions over boxes by projected L-BFGS; each sample has its own step, and leaves when done.

    names: the samples' indices for ``objective``. Returns for each sample the shortest point seen that reaches the
    target (the minimiser where none does), whether the minimiser reaches it, and that point's length (else infinite).
    """
    delta, left = start.clone(), torch.arange(len(start), device=start.device)
    value, gradient, hit = objective(delta.clone(), c, names)
    shortest, shortest_length = delta.clone(), torch.where(hit, delta.norm(dim=1), torch.inf)
    moves, turns, curvatures = [], [], []
    for _ in range(max_iter):
        pressed = ((delta <= lower) & (gradient > 0)) | ((delta >= upper) & (gradient < 0))
        slope = gradient.masked_fill(pressed, 0.0)
        direction = -_inverse_hessian(slope, moves, turns, curvatures).masked_fill(pressed, 0.0)
        direction = torch.where((direction * slope).sum(1, keepdim=True) >= 0, -slope, direction)
        if not moves:
            direction /= slope.norm(dim=1, keepdim=True).clamp_min(1)
        old_delta, old_value, old_gradient = delta.clone(), value.clone(), gradient.clone()
        fall = -(direction * slope).sum(1)  # what a whole step promises; below rounding there is nothing left to find
        left = left[(fall > torch.finfo(c.dtype).eps * value.abs())[left]]
        if not len(left):
            break
        searching, step = left, 1.0
        for _ in range(8):  # Armijo's rule, halving: 2^-8 of a step is no step
            start = old_delta[searching]
            trial = (start + step * direction[searching]).clamp(lower[searching], upper[searching])
            now, slopes, hits = objective(trial, c[searching], names[searching])
            length = trial.norm(dim=1)
            nearer = hits & (length < shortest_length[searching])
            shortest[searching[nearer]], shortest_length[searching[nearer]] = trial[nearer], length[nearer]
            good = now <= old_value[searching] + 1e-4 * (old_gradient[searching] * (trial - start)).sum(1)
            accepted = searching[good]
            delta[accepted], value[accepted], gradient[accepted], hit[accepted] = trial[good], now[good], slopes[good], hits[good]
            searching, step = searching[~good], step / 2
            if not len(searching):
                break
        moves, turns = [*moves, delta - old_delta][-memory:], [*turns, gradient - old_gradient][-memory:]
        curvature = (moves[-1] * turns[-1]).sum(1)
        sound = curvature > 1e-12 * turns[-1].square().sum(1)
        curvatures = [*curvatures, torch.where(sound, 1 / curvature, 0.0)][-memory:]
        left = left[((old_value > value) & (slope.norm(dim=1) > torch.finfo(c.dtype).eps ** 0.5 * c))[left]]
        if not len(left):
            break
    unreached = shortest_length.isinf()
    return torch.where(unreached[:, None], delta, shortest), hit, shortest_length


def _inverse_hessian(slope, moves, turns, curvatures):
    """Return the L-BFGS approximation of the inverse Hessian times slope, sample by sample (two-loop recursion)."""
    weights = []
    for move, turn, curvature in zip(reversed(moves), reversed(turns), reversed(curvatures), strict=True):
        weights.append(curvature * (move * slope).sum(1))
        slope = slope - weights[-1][:, None] * turn
    if moves:
        size = curvatures[-1] * turns[-1].square().sum(1)
        slope = slope / torch.where(size > 0, size, 1.0)[:, None]
    for move, turn, curvature in zip(moves, turns, curvatures, strict=True):
        slope = slope + (weights.pop() - curvature * (turn * slope).sum(1))[:, None] * move
    return slope
