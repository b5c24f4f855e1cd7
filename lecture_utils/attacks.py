"""Attacks: given a classifier, images and labels, each returns the perturbation delta.

    delta = pgd(model, x, y, epsilon)

x: float tensor (n, ...) of pixels in [0, 1]; y: int64 (n,), counted from 0; epsilon: a float, or a tensor
(n,) with one radius a sample, in units of pixels. delta has the shape, dtype and device of x, and

* ``delta.abs().max() <= epsilon`` and ``0 <= x + delta <= 1`` hold exactly in floating point;
* epsilon = 0 gives zeros;
* the call leaves no trace: the mode of every layer, parameters and their ``.grad``, buffers, inputs and the
  global random state are as before. Random numbers come from ``generator`` (None: a fresh one, seed 0).

A model is any function (n, ...) -> logits (n, K). Wrong arguments raise TypeError or ValueError, logits or
gradients that are NaN raise FloatingPointError, and gradients that are all zero warn: an attack that cannot
see the loss must not read as robustness.
"""

import math
import warnings
from contextlib import contextmanager

import torch
from torch import nn
from tqdm.auto import tqdm

from .minimize import minimize

# ---- losses, one value a sample ----------------------------------------------------------------------


def cross_entropy(logits, y):
    """Return log(sum_j exp(f_j)) - f_y for logits f (n, K) and labels y (n,); shape (n,) (slide "Classification setting")."""
    return logits.logsumexp(1) - logits.gather(1, y[:, None])[:, 0]


def margin(logits, y):
    """Return max over j != y of f_j - f_y for logits f (n, K) and labels y (n,); positive where misclassified."""
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.amax(1) - logits.gather(1, y[:, None])[:, 0]


def log_odds(logits, y):
    """Return log(p_y / (1 - p_y)) for logits (n, K) and labels y (n,): ordered as the probability p_y, but never saturated."""
    others = logits.scatter(1, y[:, None], -torch.inf)
    return logits.gather(1, y[:, None])[:, 0] - others.logsumexp(1)


LOSSES = {"cross_entropy": cross_entropy, "margin": margin}
SQUARE_FALLS = 0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8  # shares of the queries after which squares have half the area


# ---- the ball and the box ----------------------------------------------------------------------------


def project_linf(delta, x, epsilon, low=0.0, high=1.0):
    """Return the point nearest to delta with |delta|_inf <= epsilon and low <= x + delta <= high.

    delta, x: float tensors of one shape, x inside [low, high]. epsilon: float, or (n,) for x of shape (n, ...).
    """
    _check_pixels(x, low, high)
    if delta.shape != x.shape or delta.dtype != x.dtype:
        raise ValueError(f"delta must be like x, {x.dtype} {tuple(x.shape)}, got {delta.dtype} {tuple(delta.shape)}")
    if delta.isnan().any():
        raise ValueError("delta must hold numbers, got NaN")
    return delta.clamp(*_bounds(x, _radius(epsilon, x), low, high))


def eta_threshold(delta, gradient, epsilon):
    """Return the smallest eta from which on only the sign of the gradient matters, as a float.

    Clipping delta + eta * gradient to [-epsilon, epsilon] gives epsilon * sign(gradient) wherever the gradient
    is not zero if and only if eta >= max_i (epsilon - s_i delta_i) / |g_i|, s = sign(g). delta, gradient: same
    shape, |delta|_inf <= epsilon. A gradient of zeros gives 0. (Slide "FGSM: adversarial example".)
    """
    moved = gradient != 0
    if not moved.any():
        return 0.0
    slope, start = gradient[moved], delta[moved]
    return ((epsilon - slope.sign() * start) / slope.abs()).max().item()


def projected_ascent(gradient, delta, epsilon, eta, steps, *, direction="sign"):
    """Return the last iterate of projected gradient ascent in the ball |delta|_inf <= epsilon.

    gradient: a function delta -> tensor like delta. eta: step size. direction: "sign" moves by eta * sign(gradient),
    "gradient" by eta * gradient. The slides' iteration, with the gradient taken at the current iterate and the
    projection inside the loop. (Slides "Finding adversarial examples" and "FGSM: adversarial example".)
    """
    _check_choice("direction", direction, ("sign", "gradient"))
    for _ in range(steps):
        slope = gradient(delta)
        delta = (delta + eta * (slope.sign() if direction == "sign" else slope)).clamp(-epsilon, epsilon)
    return delta


def _bounds(x, radius, low, high):
    """Return lower <= delta <= upper: ball and box together, rounded inward so that x + delta stays in the box."""
    lower, upper = low - x, high - x
    lower = torch.where(x + lower < low, lower.nextafter(torch.full_like(x, torch.inf)), lower)
    upper = torch.where(x + upper > high, upper.nextafter(torch.full_like(x, -torch.inf)), upper)
    return lower.clamp_(min=-radius), upper.clamp_(max=radius)


def _radius(epsilon, x, name="epsilon"):
    """Return epsilon as a tensor of x's dtype that broadcasts against x, rounded down: never above the one asked for."""
    exact = torch.as_tensor(epsilon, dtype=torch.float64, device="cpu")
    if exact.dim() and exact.shape != x.shape[:1]:
        raise ValueError(f"{name} must be a number or have shape ({len(x)},), one a sample; got shape {tuple(exact.shape)}")
    if not ((exact >= 0) & (exact < torch.inf)).all():
        raise ValueError(f"{name} must be finite and >= 0, in units of pixels; got {epsilon}")
    rounded = exact.to(x.dtype)
    rounded = torch.where(rounded.double() > exact, rounded.nextafter(torch.zeros_like(rounded)), rounded).to(x.device)
    return rounded.view(-1, *[1] * (x.dim() - 1)) if exact.dim() else rounded


def _norms(v):
    """Return the Euclidean length of each sample, shaped to broadcast against v (n, ...).

    In float64: in float32 the squares of a confident network's gradient vanish, and a million squares add up wrongly.
    """
    return torch.linalg.vector_norm(v.flatten(1), dim=1, dtype=torch.float64).view(-1, *[1] * (v.dim() - 1))


# ---- checks ------------------------------------------------------------------------------------------


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(f"{name} must be one of {choices}, got {value!r}")


def _check_count(name, value, least=1):
    if not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be an integer >= {least}, got {value!r}")


def _check_pixels(x, low=0.0, high=1.0):
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        kind = str(x.dtype) if isinstance(x, torch.Tensor) else type(x).__name__
        raise TypeError(f"x must be a tensor of floats in [{low:g}, {high:g}], got {kind} (pixels 0..255: divide by 255)")
    if x.numel() == 0:
        raise ValueError(f"x must hold at least one sample, got shape {tuple(x.shape)}")
    least, most = x.aminmax()
    if not (least >= low and most <= high):
        raise ValueError(f"x must lie in [{low:g}, {high:g}], got values from {least.item():g} to {most.item():g}")


def check_labels(name, y, x):
    if not isinstance(y, torch.Tensor) or y.dtype != torch.int64:
        kind = str(y.dtype) if isinstance(y, torch.Tensor) else type(y).__name__
        raise TypeError(f"{name} must be a tensor of int64 labels, got {kind}")
    if x.dim() < 2 or y.shape != x.shape[:1] or len(y) == 0:
        raise ValueError(
            f"x must have shape (n, ...), n >= 1, and {name} shape (n,); got {tuple(x.shape)} and {tuple(y.shape)}"
            + (" (one image: x[None])" if x.dim() in (1, 3) else "")
        )
    if y.min() < 0:
        raise ValueError(f"{name} must lie in 0..K-1, got {y.min().item()}")


def _check_square_images(x):
    if x.dim() != 4:
        raise ValueError(f"x must be images (n, c, h, w), got shape {tuple(x.shape)}")


def checked_logits(model, x, highest):
    """Return model(x), checked: shape (n, K) with K > highest label, K >= 2, numbers whose softmax exists, a gradient."""
    logits = model(x)
    if not isinstance(logits, torch.Tensor) or logits.dim() != 2 or len(logits) != len(x) or logits.shape[1] < 2:
        got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ValueError(f"the model must return logits of shape ({len(x)}, K) with K >= 2, got {got}")
    if highest >= logits.shape[1]:
        raise ValueError(f"labels must lie in 0..{logits.shape[1] - 1} (the model has {logits.shape[1]} classes), got {highest}")
    if not logits.detach().amax(1).isfinite().all():  # -inf is a class with probability 0, unless all classes are
        raise FloatingPointError("the model returned NaN or infinite logits")
    if torch.is_grad_enabled() and not logits.requires_grad:
        raise ValueError("the model's logits must have a gradient in x, got detached ones (scores only: square, one_pixel)")
    return logits


@contextmanager
def evaluation_mode(model, x):
    """Run a block with every layer in evaluation mode, then put each layer's mode and the random state back.

    Flags are set one by one: a layer that was frozen, or a model whose train() is its own, comes out as it went in.
    Gradients can be taken inside, whatever torch.no_grad() or torch.inference_mode() is around it.
    """
    layers = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [layer.training for layer in layers]
    with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []), torch.inference_mode(False):
        try:
            for layer in layers:
                layer.training = False
            yield
        finally:
            for layer, mode in zip(layers, modes, strict=True):
                layer.training = mode


def _generator(generator, x):
    return generator if generator is not None else torch.Generator(x.device).manual_seed(0)


# ---- gradient attacks in a ball ----------------------------------------------------------------------


def fgsm(model, x, y, epsilon, *, targeted=False, low=0.0, high=1.0):
    """Return delta = epsilon * sign(gradient of the loss at x), cut to the pixel box (Goodfellow et al. 2015).

    targeted: y holds the classes to be reached, and the step descends. One forward and one backward pass.
    """
    return pgd(model, x, y, epsilon, eta=epsilon, steps=1, targeted=targeted, keep_best=False, low=low, high=high)


def pgd(
    model, x, y, epsilon, *, eta=None, steps=40, direction="sign", norm="linf", loss="cross_entropy", random_start=False,
    restarts=1, targeted=False, keep_best=True, low=0.0, high=1.0, generator=None, progress=False,
):  # fmt: skip
    """Return delta found by projected gradient ascent on the loss in a ball (Madry et al. 2018).

    eta: step size, a float or (n,); None decreases from 2 epsilon to 0 along a cosine, which reaches the edge of
        the ball from anywhere (direction "gradient" is then scaled to largest entry 1, in "l2" to length 1).
    direction: "sign" moves by eta * sign(gradient), in "l2" by eta * gradient / |gradient|; "gradient" by
        eta * gradient.
    norm: "linf" or "l2", of the ball. loss: "cross_entropy" or "margin".
    random_start: start at random in the ball. restarts: number of runs; all but the first start at random.
    targeted: y holds the classes to be reached, and the loss is descended.
    keep_best: per sample, return the best iterate of all: one that fools is better than one that does not, then the
        higher loss counts (targeted: the lower). False takes the last iterate of each run.
    low, high: the pixel box; -math.inf and math.inf for data that has none.
    (Slides "Finding adversarial examples" and "FGSM: adversarial example".)
    """
    _check_choice("direction", direction, ("sign", "gradient"))
    _check_choice("norm", norm, ("linf", "l2"))
    _check_choice("loss", loss, tuple(LOSSES))
    _check_count("steps", steps)
    _check_count("restarts", restarts)
    _check_pixels(x, low, high)
    check_labels("y", y, x)
    x, radius = x.detach(), _radius(epsilon, x)
    rate = None if eta is None else _radius(eta, x, "eta")
    lower, upper = _bounds(x, radius, low, high)
    generator, highest = _generator(generator, x), int(y.max())
    best = best_value = best_fools = None
    with evaluation_mode(model, x), tqdm(total=restarts * steps, disable=not progress) as bar:
        x, y = x.clone(), y.clone()  # autograd keeps no tensor that was made in inference mode
        for run in range(restarts):
            delta = _start(radius, lower, upper, norm, generator) if random_start or run else torch.zeros_like(x)
            for step in range(steps + 1):
                last = step == steps
                if last and not keep_best and restarts == 1:
                    return delta  # nothing to compare it with
                with torch.set_grad_enabled(not last):
                    logits = checked_logits(model, x + delta.requires_grad_(not last), highest)
                    value = LOSSES[loss](logits, y) * (-1 if targeted else 1)
                if not last:
                    (gradient,) = torch.autograd.grad(value.sum(), delta, materialize_grads=True)
                delta, value = delta.detach(), value.detach()
                fools = (logits.argmax(1) == y) == targeted
                if keep_best or last:
                    if best is None:
                        best, best_value, best_fools = delta.clone(), value, fools
                    better = torch.where(fools == best_fools, value > best_value, fools)
                    torch.where(better.view(-1, *[1] * (x.dim() - 1)), delta, best, out=best)
                    best_value = torch.where(better, value, best_value)
                    best_fools = fools | best_fools
                if last:
                    break
                _check_gradient(gradient, fools, warn=step == run == 0)
                size = radius * (1 + math.cos(math.pi * step / steps)) if rate is None else rate
                delta.add_(_scaled(gradient, direction, norm, rate is None).mul_(size))
                if norm == "l2":
                    _shrink(delta, radius)
                delta.clamp_(lower, upper)
                bar.update()
    return best


def _scaled(gradient, direction, norm, unit):
    """Return the direction of ascent for a gradient, in place where it can be."""
    if direction == "sign" and norm == "linf":
        return gradient.sign_()
    if direction == "sign" or unit:
        length = _norms(gradient) if norm == "l2" else gradient.flatten(1).abs().amax(1).view_as(_norms(gradient))
        return gradient.div_(torch.where(length > 0, length, torch.ones_like(length)))
    return gradient


def _shrink(delta, radius):
    """Scale the samples of delta that are longer than radius to that length, in place; leave the others alone."""
    length = _norms(delta)
    factor = radius / length * (1 - 8 * torch.finfo(delta.dtype).eps)
    return delta.mul_(torch.where(length > radius, factor, torch.ones_like(factor)))


def _start(radius, lower, upper, norm, generator):
    """Return a random point of the feasible set: uniform for "linf"; uniform in the ball, then cut, for "l2"."""

    def uniform(shape):
        return torch.rand(shape, generator=generator, dtype=lower.dtype, device=generator.device).to(lower.device)

    if norm == "linf":
        return (lower + (upper - lower) * uniform(lower.shape)).clamp_(lower, upper)
    normal = torch.randn(lower.shape, generator=generator, dtype=lower.dtype, device=generator.device).to(lower.device)
    share = uniform((len(lower), *[1] * (lower.dim() - 1))) ** (1 / lower[0].numel())
    return _shrink(normal.mul_(radius * share / _norms(normal)), radius).clamp_(lower, upper)


def _check_gradient(gradient, fools, *, warn):
    if not gradient.sum().isfinite() and not gradient.isfinite().all():
        raise FloatingPointError("the gradient of the loss is NaN or infinite: the attack cannot see the loss")
    if warn:
        blind = (gradient.flatten(1).abs().amax(1) == 0) & ~fools
        if blind.any():
            warnings.warn(
                f"the gradient of the loss is zero for {int(blind.sum())} of {len(blind)} samples at the start: "
                'a failure there is not robustness (try loss="margin" or random_start=True)',
                RuntimeWarning,
                stacklevel=3,
            )


# ---- the smallest perturbation -----------------------------------------------------------------------


def lbfgs(model, x, target, *, c_steps=40, max_iter=60):
    """Return a small delta with model(x + delta) = target, by box-constrained L-BFGS (Szegedy et al. 2013).

    Minimises c |delta|_2 + cross_entropy(f(x + delta), target) over 0 <= x + delta <= 1, and searches for the
    largest c whose minimiser still reaches the target: a small c ignores the length, a large one the target.
    target: (n,) int64. c_steps: values of c tried a sample, at most; the search ends when c is known to half of
    the digits of x's dtype. max_iter: L-BFGS iterations for each.
    Where no c reaches the target, delta is the minimiser for the smallest c tried: check the prediction.
    (Slide "Adversarial examples (Szegedy et al.)".)
    """
    _check_count("c_steps", c_steps)
    _check_count("max_iter", max_iter)
    _check_pixels(x)
    check_labels("target", target, x)
    highest, shape = int(target.max()), x.shape
    lower, upper = (bound.flatten(1) for bound in _bounds(x, torch.full_like(x[:1], torch.inf), 0.0, 1.0))

    def objective(delta, c, kept):
        """Return value, gradient and whether the target is reached, for the samples kept."""
        with torch.enable_grad():
            delta.requires_grad_()
            logits = checked_logits(model, x[kept] + delta.view(-1, *shape[1:]), highest)
            loss = cross_entropy(logits, target[kept])
            (gradient,) = torch.autograd.grad(loss.sum(), delta)
        delta.detach_()
        _check_gradient(gradient, None, warn=False)
        length = delta.norm(dim=1)
        gradient.add_(delta * (c / length.clamp_min(1e-30))[:, None])
        return c * length + loss.detach(), gradient, logits.argmax(1) == target[kept]

    with evaluation_mode(model, x), torch.no_grad():
        searched = torch.arange(len(x), device=x.device)
        best, best_length = torch.zeros_like(lower), lower.new_full((len(x),), torch.inf)
        # at c = |gradient| the start is a minimiser
        c = 0.1 * objective(best.clone(), torch.zeros_like(best_length), searched)[1].norm(dim=1)
        c_low, c_high = torch.zeros_like(c), torch.full_like(c, torch.inf)
        for _ in range(c_steps):
            delta, hit, length = minimize(
                objective, best[searched], c[searched], lower[searched], upper[searched], searched, max_iter
            )
            shorter = (length < best_length[searched]) | best_length[searched].isinf()
            best[searched[shorter]], best_length[searched[shorter]] = delta[shorter], length[shorter]
            c_low[searched[hit]], c_high[searched[~hit]] = c[searched[hit]], c[searched[~hit]]
            c = torch.where(c_high.isinf(), 4 * c_low, torch.where(c_low > 0, (c_low + c_high) / 2, c_high / 10))
            searched = searched[(c_high - c_low > torch.finfo(c.dtype).eps ** 0.5 * c_low)[searched]]
            if not len(searched):
                break
    return best.view(shape)


# ---- attacks that see only the scores ----------------------------------------------------------------


def one_pixel(model, x, y, *, target=None, pixels=1, population=400, generations=100, generator=None):
    """Return a delta that changes at most so many pixels, by differential evolution (Su et al. 2019).

    x: images (n, c, h, w). target: (n,) classes to be reached; None leads away from y. An image is done when its
    target's probability exceeds 90 % (no target: the true class falls below 5 %). Needs scores only, no gradient.
    (Slide "One-pixel attack".)
    """
    _check_count("generations", generations)
    _check_pixels(x)
    check_labels("y", y, x)
    check_labels("target", y if target is None else target, x)
    options = {"pixels": pixels, "population": population, "generator": _generator(generator, x)}
    result, enough = torch.zeros_like(x), math.log(0.95 / 0.05 if target is None else 0.9 / 0.1)
    for index, (image, label) in enumerate(zip(x.detach().split(1), y.split(1), strict=True)):
        wanted = None if target is None else target[index : index + 1]
        evolution = one_pixel_candidates(model, image, label, target=wanted, **options)
        best = (False, -math.inf)
        for _, (candidates, scores, fools) in zip(range(generations + 1), evolution, strict=False):
            key, winner = max(((bool(fools[i]), scores[i].item()), i) for i in _contenders(scores, fools))
            if key > best:
                best, result[index] = key, (_painted(image, candidates[winner : winner + 1]) - image)[0]
            if scores.max() > enough or scores.max() - scores.min() < 1e-4:
                break
    return result


def _contenders(scores, fools):
    """Return the indices of the best candidate and of the best one that fools, if there is one."""
    best = [int(scores.argmax())]
    return best + [int(scores.masked_fill(~fools, -torch.inf).argmax())] if fools.any() else best


def one_pixel_candidates(model, x, y, *, target=None, pixels=1, population=400, generator=None):
    """Yield, generation after generation, what differential evolution tries on one image (1, c, h, w).

    Each time: candidates (population, pixels, 2 + c), each a row, a column and a colour; their scores (population,),
    the log-odds of the target (no target: of not y); and whether each fools the model. A child is r1 + 0.5 (r2 - r3)
    of three different candidates, without crossover, and replaces the candidate of its own index if it is as good.
    Our own loop and not SciPy's: one forward pass scores a whole generation, and the random numbers are torch's.
    """
    _check_square_images(x)
    _check_count("pixels", pixels)
    _check_count("population", population, least=4)
    generator, (_, c, h, w) = _generator(generator, x), x.shape
    aim = y if target is None else target
    size, home = torch.tensor([h, w, *[1.0] * c], dtype=x.dtype, device=x.device), generator.device

    def score(candidates):
        with evaluation_mode(model, x), torch.no_grad():
            logits = checked_logits(model, _painted(x, candidates), int(aim.max()))
        odds = log_odds(logits, aim.expand(len(logits)))
        reached = logits.argmax(1) == aim
        return (-odds, ~reached) if target is None else (odds, reached)

    candidates = torch.rand(population, pixels, 2 + c, generator=generator, dtype=x.dtype, device=home).to(x.device) * size
    colours = torch.randn(population, pixels, c, generator=generator, dtype=x.dtype, device=home).to(x.device)
    candidates[..., 2:] = ((128 + 127 * colours) / 255).clamp(0, 1)
    scores, fools = score(candidates)
    while True:
        yield candidates, scores, fools
        order = torch.randperm(population, generator=generator, device=home).to(x.device)
        r1, r2, r3 = candidates[order], candidates[order.roll(1)], candidates[order.roll(2)]
        children = (r1 + 0.5 * (r2 - r3)).clamp(min=torch.zeros_like(size), max=size)
        new_scores, new_fools = score(children)
        better = new_scores >= scores
        candidates = torch.where(better[:, None, None], children, candidates)
        scores, fools = torch.where(better, new_scores, scores), torch.where(better, new_fools, fools)


def _painted(x, candidates):
    """Return one copy of the image x (1, c, h, w) a candidate, with the candidate's pixels set to its colours."""
    images = x.repeat(len(candidates), 1, 1, 1)
    rows = candidates[..., 0].long().clamp(max=x.shape[2] - 1)
    columns = candidates[..., 1].long().clamp(max=x.shape[3] - 1)
    for pixel in range(candidates.shape[1]):  # one after the other: two at the same place do not add up
        images[torch.arange(len(images)), :, rows[:, pixel], columns[:, pixel]] = candidates[:, pixel, 2:]
    return images


def square(model, x, y, epsilon, *, queries=1000, generator=None):
    """Return delta found by random search over squares of +-epsilon (Andriushchenko et al. 2020, L-infinity).

    x: images (n, c, h, w). queries: forward passes a sample, at most; a sample that is fooled asks no more. Starts from
    vertical stripes; a square is kept where it raises the margin. Needs scores only, no gradient.
    """
    _check_count("queries", queries)
    _check_pixels(x)
    check_labels("y", y, x)
    _check_square_images(x)
    n, c, h, w = x.shape
    radius, generator = _radius(epsilon, x).expand(n, 1, 1, 1), _generator(generator, x)
    lower, upper = _bounds(x, radius, 0.0, 1.0)

    def draw(high, shape):
        return torch.randint(high, shape, generator=generator, device=generator.device).to(x.device)

    def scored(delta, kept):
        return margin(checked_logits(model, x[kept] + delta, int(y.max())), y[kept])

    with evaluation_mode(model, x), torch.no_grad():
        everyone = torch.arange(n, device=x.device)
        delta = (radius * (2 * draw(2, (n, c, 1, w)) - 1)).clamp(lower, upper)
        best = scored(delta, everyone)
        for query in range(1, queries):
            kept = everyone[best <= 0]
            if not len(kept):
                break
            share = 0.8 / 2 ** sum(query / queries > fall for fall in SQUARE_FALLS)
            side = min(h, w, max(1, round(math.sqrt(share * h * w))))
            rows = draw(h - side + 1, (len(kept), 1)) + torch.arange(side, device=x.device)
            columns = draw(w - side + 1, (len(kept), 1)) + torch.arange(side, device=x.device)
            window = torch.zeros(len(kept), 1, h, w, dtype=torch.bool, device=x.device)
            window[torch.arange(len(kept))[:, None, None], 0, rows[:, :, None], columns[:, None, :]] = True
            signs = 2 * draw(2, (len(kept), c, 1, 1)) - 1
            trial = torch.where(window, radius[kept] * signs, delta[kept]).clamp(lower[kept], upper[kept])
            value = scored(trial, kept)
            better = value > best[kept]
            delta[kept[better]], best[kept[better]] = trial[better], value[better]
    return delta
