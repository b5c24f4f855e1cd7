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

import torch
from scipy import optimize
from tqdm.auto import tqdm

from . import losses
from .ball import bounds, eta_threshold, fresh, lengths, project_linf, projected_ascent, radius_of, random_point, shrink  # noqa: F401
from .checks import check_choice, check_count, check_labels, check_pixels, check_square_images, checked_logits, evaluation_mode
from .losses import cross_entropy, log_odds, margin  # noqa: F401

LOSSES = {"cross_entropy": (losses.cross_entropy_and_gradient, 1), "margin": (losses.margin_and_gradient, -1)}  # up, or down
PASS = 500  # samples in one forward and backward pass: more take longer a sample, since they fall out of the cache
STRONGEST_RUNS = (None, 4), (0, 10), (1, 10), (2, 8), (None, 12)  # which wrong class (None: the log-odds), how many steps
NEAR, NEAREST = 1 / 3, 0.03  # the shares of all samples, nearest to a wrong class, tried after the second run and by ``square``
QUERIES = 2000  # of ``square``, if nothing was fooled
MEAN_MARGIN = 6.0  # of the clean samples, to which ``strongest`` scales all logits: a trained network's
SQUARE_FALLS = 0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8  # shares of the queries after which squares have half the area


# ---- gradient attacks in a ball ----------------------------------------------------------------------


def fgsm(model, x, y, epsilon, *, targeted=False, low=0.0, high=1.0):
    """Return delta = epsilon * sign(gradient of the loss at x), cut to the pixel box (Goodfellow et al. 2015).

    targeted: y holds the classes to be reached, and the step descends. One forward and one backward pass.
    """
    return pgd(model, x, y, epsilon, eta=epsilon, steps=1, targeted=targeted, keep_best=False, low=low, high=high)


def pgd(
    model, x, y, epsilon, *, eta=None, steps=40, direction="sign", norm="linf", loss="cross_entropy", random_start=False,
    restarts=1, targeted=False, keep_best=True, until_fooled=False, low=0.0, high=1.0, generator=None, progress=False,
):  # fmt: skip
    """Return delta found by projected gradient ascent on the loss in a ball (Madry et al. 2018).

    eta: step size, a float or (n,); None decreases from 2 epsilon to 0 along a cosine, which reaches the edge of
        the ball from anywhere (direction "gradient" is then scaled to largest entry 1, in "l2" to length 1).
    direction: "sign" moves by eta * sign(gradient), in "l2" by eta * gradient / |gradient|; "gradient" by
        eta * gradient.
    norm: "linf" or "l2", of the ball. loss: "cross_entropy" or "margin", which is climbed as minus the margin.
    random_start: start at random in the ball. restarts: number of runs; all but the first start at random.
    targeted: y holds the classes to be reached, and the loss is descended.
    keep_best: per sample, return the best iterate of all: one that fools is better than one that does not, then the
        higher loss counts (targeted: the lower). False takes the last iterate of each run.
    until_fooled: a sample leaves with its first iterate that fools: as many are fooled, in less time (needs keep_best).
    low, high: the pixel box, rounded as x is; -math.inf and math.inf for data that has none.
    (Slides "Finding adversarial examples" and "FGSM: adversarial example".)
    """
    check_choice("direction", direction, ("sign", "gradient"))
    check_choice("norm", norm, ("linf", "l2"))
    check_choice("loss", loss, tuple(LOSSES))
    for name, flag in {"random_start": random_start, "targeted": targeted, "keep_best": keep_best}.items():
        check_choice(name, flag, (False, True))
    check_count("steps", steps)
    check_count("restarts", restarts)
    if until_fooled and not keep_best:
        raise ValueError("until_fooled needs keep_best: a sample leaves with the iterate that fools")
    x, y, highest, low, high = _taken(x, y, low, high)
    radius = radius_of(epsilon, x, most=2 * (high - low) * (x[0].numel() ** 0.5 if norm == "l2" else 1))
    radius = radius.expand(len(x), *[1] * (x.dim() - 1))
    size = radius if eta is None or eta is epsilon else radius_of(eta, x, "eta").expand(radius.shape)
    lower, upper = bounds(x, radius, low, high)
    generator = fresh(generator, x) if random_start or restarts > 1 else None
    left = torch.arange(len(x), device=x.device) if until_fooled else slice(None)
    (compute, sign), compared = LOSSES[loss], keep_best or restarts > 1

    def objective(logits, y):
        value, gradient = compute(logits, y)
        return (value, gradient) if (sign > 0) != targeted else (value.neg_(), gradient.neg_())

    with evaluation_mode(model, x):
        found = _nothing(x) if compared else [None]
        for run in range(restarts):
            delta = random_point(radius, lower, upper, norm, generator) if random_start or run else torch.zeros_like(x)
            if until_fooled and not len(left):
                continue  # the starts are drawn all the same: what comes after this call sees the same random numbers
            parts = x, delta, lower, upper, radius, size, y
            parts = [part[left] for part in parts] if until_fooled else parts
            left = _climb(
                model, found, left, parts, objective, highest, steps, direction=direction, norm=norm, decreasing=eta is None,
                targeted=targeted, keep_best=keep_best, compared=compared, until_fooled=until_fooled,
                warn=not run, progress=progress,
            )  # fmt: skip
    return found[0]


def _nothing(x):
    """Return for each sample the best delta of no iterates: its delta, the objective there, and whether it fools."""
    value = torch.full((len(x),), -torch.inf, dtype=torch.promote_types(x.dtype, torch.float32), device=x.device)
    return [torch.zeros_like(x), value, torch.zeros(len(x), dtype=torch.bool, device=x.device)]


def _climb(
    model, found, left, parts, objective, highest, steps, *, direction="sign", norm="linf", decreasing=True, targeted=False,
    keep_best=True, compared=True, until_fooled=True, warn=False, progress=False,
):  # fmt: skip
    """Climb the objective from delta, and put into found, in place, what is better: one that fools, then the higher value.

    parts: x, delta, lower, upper, radius, step size and labels of the samples left. objective: see _look.
    compared: whether the last iterate is looked at, too. Returns who is left: those that no iterate fools.
    """
    x, delta, lower, upper, radius, size, *labels = parts
    for step in tqdm(range(steps + 1)) if progress else range(steps + 1):
        last = step == steps
        if last and not compared:
            found[0] = delta
            return left
        value, logits, gradient = _look(model, x, delta, objective, labels, highest, slope=not last)
        first = warn and not step
        fools = _fools(logits, labels[0], targeted) if last or keep_best or first else None
        if first:
            _warn_of(gradient, fools)
        leave = until_fooled and fools.any()
        if last or leave or keep_best and not until_fooled:
            old = [part[left] for part in found] if until_fooled else found
            better = torch.where(fools == old[2], value > old[1], fools)
            for before, now in zip(old, (delta, value.to(old[1].dtype), fools), strict=True):
                torch.where(better.view(-1, *[1] * (now.dim() - 1)), now, before, out=before)
            if until_fooled:
                for whole, part in zip(found, old, strict=True):
                    whole[left] = part
        if last:
            return left[~fools] if until_fooled else left
        if leave:
            left, x, delta, lower, upper, radius, size, gradient, *labels = (
                part[~fools] for part in (left, x, delta, lower, upper, radius, size, gradient, *labels)
            )
            if not len(left):
                return left
        share = size * (1 + math.cos(math.pi * step / steps)) if decreasing else size
        delta.addcmul_(_scaled(gradient, direction, norm, decreasing), share)
        if norm == "l2":
            shrink(delta, radius)
        delta.clamp_(lower, upper)


def _warn_of(gradient, fools, level=4):
    """Warn of samples whose gradient is zero at the start, unless they fool already."""
    if (steep := gradient.flatten(1).abs().sum(1)).min().item() == 0 and (blind := int(((steep == 0) & ~fools).sum())):
        where = f"zero for {blind} of {len(steep)} samples at the start: a failure there is not robustness"
        warnings.warn(f"the gradient of the loss is {where} (for pgd: loss='margin' or random_start=True)", RuntimeWarning, level)


def _fools(logits, y, targeted=False):
    """Return for each sample whether its prediction is what the attack wants: another class than y, or, targeted, y."""
    return logits.argmax(1) == y if targeted else logits.argmax(1) != y


def _scaled(gradient, direction, norm, unit):
    """Return the direction of ascent for a gradient, in place where it can be."""
    if direction == "sign" and norm == "linf":
        return gradient.sign_()
    if direction == "sign" or unit:
        length = lengths(gradient) if norm == "l2" else gradient.flatten(1).abs().amax(1).view_as(lengths(gradient))
        return gradient.div_(torch.where(length > 0, length, torch.ones_like(length)))
    return gradient


def _taken(x, y, low=0.0, high=1.0, name="y"):
    """Return x and labels, checked and detached (copied where autograd keeps no such tensor), the highest, and the box."""
    low, high = check_pixels(x, low, high)
    highest = check_labels(name, y, x)
    if not (x.is_inference() or y.is_inference()):
        return x.detach(), y.detach(), highest, low, high
    with torch.inference_mode(False):
        return x.clone(), y.clone(), highest, low, high


def _look(model, x, delta, objective, labels, highest, *, slope):
    """Return the objective of each sample at x + delta, its logits, and the gradient (None without slope).

    objective: (logits, *labels) -> one value a sample, and its gradient in the logits. labels: tensors (n,). highest: of them.
    """
    if len(x) > PASS:
        size = math.ceil(len(x) / math.ceil(len(x) / PASS))  # of one size: a small rest costs more a sample
        batches = zip(*(part.split(size) for part in (x, delta, *labels)), strict=True)
        looks = [_look(model, some, there, objective, rest, highest, slope=slope) for some, there, *rest in batches]
        return [None if part[0] is None else torch.cat(part) for part in zip(*looks, strict=True)]
    here, gradient = delta.detach().requires_grad_(slope), None
    with torch.set_grad_enabled(slope):
        logits = checked_logits(model, x + here, highest)
    value, back = objective(logits.detach(), *labels)
    if slope:
        small = x.dtype == torch.float16  # in which small slopes vanish on the way back: they travel with size 1
        size = back.abs().amax(1, keepdim=True).clamp_min(1e-30) if small else None
        (gradient,) = torch.autograd.grad(logits, here, back / size if small else back, materialize_grads=True)
        gradient = gradient * size.view(-1, *[1] * (x.dim() - 1)) if small else gradient
        gradient = gradient.contiguous() if 0 in gradient.stride() else gradient  # of a mean or a sum: it is changed in place
    if slope and not math.isfinite(gradient.sum()) and not gradient.isfinite().all():
        raise FloatingPointError("the gradient of the loss is NaN or infinite: the attack cannot see the loss")
    return value, logits.detach(), gradient


def strongest(model, x, y, epsilon, *, generator=None):
    """Return delta for an honest report: as strong as AutoAttack (Croce and Hein 2020), in a twentieth of its time.

    L-infinity, untargeted. Short runs that see different things: the log-odds from 0; the margins towards the three most
    likely wrong classes; the log-odds from elsewhere. Logits are brought to one scale first: saturated ones hide nothing.
    From the third run on only the samples nearest to a wrong class are tried. Last, for the very nearest images, ``square``,
    which no flat or misleading gradient stops.
    A sample leaves with the first delta that fools, so delta is no maximiser of the loss, and 0 where nothing was found.
    """
    x, y, highest, *_ = _taken(x, y)
    generator, radius = fresh(generator, x), radius_of(epsilon, x, most=2).expand(len(x), *[1] * (x.dim() - 1))
    lower, upper = bounds(x, radius, 0.0, 1.0)
    left = torch.arange(len(x), device=x.device)

    def away(logits, y, _):
        value, gradient = losses.log_odds_and_gradient(scale * logits, y)
        return value.neg_(), gradient.mul_(-scale)  # rises with the cross-entropy, but never saturates

    def towards(logits, y, other):
        gradient = torch.zeros_like(logits).scatter_(1, other[:, None], 1.0).scatter_(1, y[:, None], -1.0)
        return (logits.gather(1, other[:, None]) - logits.gather(1, y[:, None]))[:, 0], gradient

    def nearest(share):
        """Return who is left and came nearest to a wrong class in the last run, at most this share of all."""
        return left[found[1][left].argsort(descending=True)[: math.ceil(share * len(x))]]

    with evaluation_mode(model, x):
        found = _nothing(x)
        margins, _, _ = _look(model, x, found[0], losses.margin_and_gradient, [y], highest, slope=False)
        sizes = margins.abs()[margins.isfinite() & (margins != 0)]  # a class may have probability 0, or two the same
        scale = MEAN_MARGIN / sizes.mean().clamp_min(1e-20) if len(sizes) else 1.0
        for run, (rank, steps) in enumerate(STRONGEST_RUNS):
            left = nearest(NEAR) if run == 2 else left
            here, truth, *box = (part[left] for part in (x, y, lower, upper, radius))
            start = random_point(box[2], *box[:2], "linf", generator) if run else torch.zeros_like(here)
            other = truth
            if rank is not None:
                _, f, _ = _look(model, here, start, losses.margin_and_gradient, [truth], highest, slope=False)
                other = f.scatter(1, truth[:, None], -torch.inf).argsort(1, descending=True)[:, min(rank, f.shape[1] - 2)]
            parts = [here, start, *box, box[2], truth, other]
            found[1].fill_(-torch.inf)  # the runs climb different things
            left = _climb(model, found, left, parts, away if rank is None else towards, highest, steps, warn=rank == 0)
            found[0][left] = 0.0
            if not len(left):
                return found[0]
        if x.dim() == 4:
            near, share = nearest(NEAREST), 1 - found[2].double().mean().item()
            queries = math.ceil(QUERIES * share * min(1.0, 2 * share))  # AutoAttack, too, takes longer where more is left
            delta = square(model, x[near], y[near], radius[near].flatten(), queries=queries, generator=generator)
            _, f, _ = _look(model, x[near], delta, losses.margin_and_gradient, [y[near]], highest, slope=False)
            fools = _fools(f, y[near])
            found[0][near[fools]] = delta[fools]
    return found[0]


# ---- the smallest perturbation -----------------------------------------------------------------------


def lbfgs(model, x, target, *, c_steps=2, max_iter=10, walk=100):
    """Return a small delta with model(x + delta) = target, by box-constrained L-BFGS (Szegedy et al. 2013).

    Minimises c |delta|_2 + cross_entropy(f(x + delta), target) over 0 <= x + delta <= 1, and searches for the
    largest c whose minimiser still reaches the target: a small c ignores the length, a large one the target. The search
    starts where ``walk`` steps along the boundary of the target's region end; minimisers are scaled to that boundary.
    target: (n,) int64. c_steps: values of c tried. max_iter: iterations of SciPy's L-BFGS-B for each.
    Where x has the target already, delta is 0; where nothing reached it, the last that was tried: check the prediction.
    (Slide "Adversarial examples (Szegedy et al.)".)
    """
    for name, value in {"c_steps": c_steps, "max_iter": max_iter, "walk": walk}.items():
        check_count(name, value)
    x, target, highest, *_ = _taken(x, target, name="target")
    box = [bound.flatten(1).double() for bound in bounds(x, torch.inf, 0.0, 1.0)]

    def look(delta, loss, *heat):
        """Return the loss, its gradient and whether the target is reached, at the delta that x's dtype can hold."""
        value, logits, gradient = _look(model, x, delta.view_as(x).to(x.dtype), loss, [target, *heat], highest, slope=True)
        return value.double(), gradient.flatten(1).double(), logits.argmax(1) == target

    def minimisers(start, c):
        """Return the minimiser of c |delta| + cross-entropy for each sample: together they minimise the sum.

        Outside the box it is that of the nearest point of the box: to SciPy's own bounds a photograph takes a second more.
        """
        unit = start.norm(dim=1) / c  # of a sample: with it the length's curvature is 1, what L-BFGS starts from

        def objective(r):
            r = torch.from_numpy(r).to(start).view_as(start)
            delta = r.clamp(*box)
            loss, gradient, _ = look(delta, losses.cross_entropy_and_gradient)
            length = delta.norm(dim=1)
            slope = (gradient + delta * (c / length.clamp_min(1e-30))[:, None]) * (delta == r)
            return (unit @ (c * length + loss)).item(), (unit[:, None] * slope).flatten().cpu().numpy()

        options = {"maxiter": max_iter, "maxcor": min(10, max_iter), "gtol": 1e-9}
        found = optimize.minimize(objective, start.flatten().cpu(), jac=True, method="L-BFGS-B", options=options)
        return torch.from_numpy(found.x).to(start).view_as(start).clamp(*box)

    with evaluation_mode(model, x), torch.no_grad():
        value, gradient, there = look(torch.zeros_like(box[0]), losses.margin_and_gradient)
        _warn_of(gradient, there, level=3)
        value, size = value.clamp(-1e30, 1e30), gradient.norm(dim=1).clamp_min(1e-30)
        start = gradient * ((2 * (-value).clamp_min(0) / size + 1e-6) / size)[:, None]  # twice as far as a linear model asks for
        shares = [0.8 * math.cos(math.pi / 2 * step / walk) for step in range(walk)] + [0.0]
        best, shortest = _walk(look, start.clamp(*box), *box, shares, (0.04 * value.abs()).clamp_min(1e-30))
        # best is a minimiser for this c, if for any
        c = look(best, losses.cross_entropy_and_gradient)[1].norm(dim=1).clamp_min(1e-30)
        low, high = torch.zeros_like(c), torch.full_like(c, torch.inf)
        for _ in range(c_steps):
            found = minimisers(best, c)
            delta, length = _walk(look, found, *box, [0.0] * 3, 0 * c)
            shorter = (length < shortest) | shortest.isinf()
            best, shortest = torch.where(shorter[:, None], delta, best), torch.where(shorter, length, shortest)
            hit = length <= found.norm(dim=1)
            low, high = torch.where(hit, c, low), torch.where(hit, high, c)
            c = torch.where(high.isinf(), 2 * low, (low + high) / 2)
    return best.masked_fill(there[:, None], 0.0).view_as(x).to(x.dtype)


def _walk(look, delta, lower, upper, shares, heat):
    """Follow the boundary of the target's region from delta: for each share turn towards the gradient, and return.

    A turn is a step of that share of the length; the length then changes by a step of Newton's method, or stays where it leads
    nowhere. What is to be zero is the margin, smoothed (log-odds at temperature share * heat): that of many classes has kinks.
    look: (delta, loss, *labels) -> loss, gradient, hit. Returns for each sample the shortest delta that reaches the target
    (else the last), and its length (else infinite).
    """

    def smooth(logits, y, heat):
        value, gradient = losses.log_odds_and_gradient(logits / heat[:, None], y)
        return heat * value, gradient

    best, shortest = delta, torch.full_like(delta[:, 0], torch.inf)
    for share in shares:
        value, gradient, hit = look(delta, smooth, share * heat) if share else look(delta, losses.margin_and_gradient)
        gradient = gradient * torch.where(gradient > 0, delta < upper, delta > lower)  # the rest leads out of the box
        length = delta.norm(dim=1)
        shorter = (hit & (length < shortest)) | shortest.isinf()
        best, shortest = torch.where(shorter[:, None], delta, best), torch.where(hit & shorter, length, shortest)
        change = (max(0.05 * share, 1e-6) - value / (gradient * delta).sum(1).clamp_min(0)).nan_to_num(0.0, 0.0, 0.0)
        delta = delta + gradient * (share * length / gradient.norm(dim=1).clamp_min(1e-30))[:, None]
        scale = length * (1 + change.clamp(-0.3, 0.3)) / delta.norm(dim=1).clamp_min(1e-30)
        delta = (delta * scale[:, None]).clamp(lower, upper)
    return best, shortest


# ---- attacks that see only the scores ----------------------------------------------------------------


def one_pixel(model, x, y, *, target=None, pixels=1, population=400, generations=100, generator=None):
    """Return a delta that changes at most so many pixels, by differential evolution (Su et al. 2019).

    x: images (n, c, h, w). target: (n,) classes to be reached; None leads away from y. An image is done when its
    target's probability exceeds 90 % (no target: the true class falls below 5 %), or a tenth of the population has gathered
    at the best candidate. delta is 0 where no candidate is better than the image itself. Needs scores only, no gradient.
    (Slide "One-pixel attack".)
    """
    check_count("generations", generations)
    x, y, *_ = _taken(x, y)
    check_square_images(x)
    check_labels("target", y if target is None else target, x)
    options = {"pixels": pixels, "population": population, "generator": fresh(generator, x)}
    result, enough = torch.zeros_like(x), math.log(0.95 / 0.05 if target is None else 0.9 / 0.1)
    for index, (image, label) in enumerate(zip(x.split(1), y.split(1), strict=True)):
        wanted = None if target is None else target[index : index + 1]
        evolution = one_pixel_candidates(model, image, label, target=wanted, **options)
        odds, fools = _away(model, image.clone(), label, wanted)  # a model may work in place
        best, near = (fools.item(), odds.item()), None
        for _, (candidates, scores, fools) in zip(range(generations + 1), evolution, strict=False):
            near = 1e-4 * min(1.0, (scores.max() - scores.min()).item()) if near is None else near  # logits may be of any size
            winner = int(scores.masked_fill(fools != fools.any(), -torch.inf).argmax())  # of those that fool, if one does
            if (key := (bool(fools[winner]), scores[winner].item())) > best:
                best, result[index] = key, (_painted(image, _rounded(candidates[winner : winner + 1])) - image)[0]
            if scores.max() > enough or (scores >= scores.max() - near).double().mean() > 0.1:
                break
    return result


def one_pixel_candidates(model, x, y, *, target=None, pixels=1, population=400, generator=None):
    """Yield, generation after generation, what differential evolution tries on one image (1, c, h, w).

    Each time: candidates (population, pixels, 2 + c), each a row, a column and a colour; their scores (population,),
    the log-odds of the target (no target: of not y); and whether each fools the model. A child is r1 + 0.5 (r2 - r3)
    of three different candidates, without crossover, and replaces the candidate of its own index if it is as good.
    Our own loop and not SciPy's: one forward pass scores what is new in a generation (candidates that round to the same
    pixel and the same of 256 levels count as one, and are never tried again), and the random numbers are torch's.
    """
    x, y, *_ = _taken(x, y)
    check_square_images(x, n=1)
    check_count("pixels", pixels)
    check_count("population", population, least=4)
    generator, (_, c, h, w) = fresh(generator, x), x.shape
    fine = torch.promote_types(x.dtype, torch.float32)  # bfloat16 holds no odd row above 256
    size, home = torch.tensor([h, w, *[1.0] * c], dtype=fine, device=x.device), generator.device
    known, seen = {}, []  # where the score of each candidate stands, and the scores

    def score(candidates):
        cells = _rounded(candidates)
        names = [tuple(one) for one in cells.flatten(1).tolist()]
        new = {name: i for i, name in enumerate(names) if name not in known}
        if new:
            seen.append(_away(model, _painted(x, cells[list(new.values())]), y, target))
            known.update(zip(new, range(len(known), len(known) + len(new)), strict=True))
        places = torch.tensor([known[name] for name in names], device=x.device)
        return [torch.cat(part)[places] for part in zip(*seen, strict=True)]

    inside = size.nextafter(torch.zeros_like(size))  # so that int() of a row or a column is one of the image
    candidates = torch.rand(population, pixels, 2 + c, generator=generator, dtype=fine, device=home).to(x.device) * size
    candidates = candidates.minimum(inside)
    colours = torch.randn(population, pixels, c, generator=generator, dtype=fine, device=home).to(x.device)
    candidates[..., 2:] = ((128 + 127 * colours) / 255).clamp(0, 1)
    scores, fools = score(candidates)
    while True:
        yield candidates, scores, fools
        order = torch.randperm(population, generator=generator, device=home).to(x.device)
        r1, r2, r3 = candidates[order], candidates[order.roll(1)], candidates[order.roll(2)]
        children = (r1 + 0.5 * (r2 - r3)).clamp(min=torch.zeros_like(size), max=inside)
        new_scores, new_fools = score(children)
        better = new_scores >= scores
        candidates = torch.where(better[:, None, None], children, candidates)
        scores, fools = torch.where(better, new_scores, scores), torch.where(better, new_fools, fools)


def _away(model, images, y, target):
    """Return for each image the log-odds of the target (None: of not y), both given as (1,), and whether it fools the model."""
    aim = y if target is None else target
    with evaluation_mode(model, images), torch.no_grad():
        logits = checked_logits(model, images, int(aim.max()))
    odds, reached = log_odds(logits, aim.expand(len(logits))), _fools(logits, aim, targeted=True)
    return (-odds, ~reached) if target is None else (odds, reached)


def _rounded(candidates):
    """Return candidates as integers: a row, a column, and a colour of 256 levels."""
    levels = candidates.new_tensor([1, 1, *[255] * (candidates.shape[-1] - 2)])
    return (candidates * levels + 0.5 * (levels > 1).to(levels.dtype)).long()


def _painted(x, cells):
    """Return one copy of the image x (1, c, h, w) a row of ``_rounded`` candidates, with its pixels set to its colours."""
    images = x.repeat(len(cells), 1, 1, 1)
    for pixel in range(cells.shape[1]):  # one after the other: two at the same place do not add up
        row, column, colour = cells[:, pixel, 0], cells[:, pixel, 1], cells[:, pixel, 2:].to(x.dtype)
        images[torch.arange(len(images), device=x.device), :, row, column] = colour / 255
    return images


def square(model, x, y, epsilon, *, queries=1000, generator=None):
    """Return delta found by random search over squares of +-epsilon (Andriushchenko et al. 2020, L-infinity).

    x: images (n, c, h, w). queries: forward passes a sample, at most. The first is of x itself: a sample that is wrong already
    has delta = 0, and who is fooled asks no more. Starts from vertical stripes; a square is kept where it lowers the margin.
    Needs scores only, no gradient.
    """
    check_count("queries", queries)
    x, y, highest, *_ = _taken(x, y)
    check_square_images(x)
    n, c, h, w = x.shape
    radius, generator = radius_of(epsilon, x, most=2).expand(n, 1, 1, 1), fresh(generator, x)
    lower, upper = bounds(x, radius, 0.0, 1.0)
    rows, columns = torch.arange(h, device=x.device)[:, None], torch.arange(w, device=x.device)

    def draw(high, *shape):
        return torch.randint(high, shape, generator=generator, device=generator.device).to(x.device)

    with evaluation_mode(model, x), torch.no_grad():
        stripes = (radius * (2 * draw(2, n, c, 1, w) - 1)).clamp(lower, upper)
        left, delta = (~_fools(checked_logits(model, x.clone(), highest), y)).nonzero()[:, 0], torch.zeros_like(x)
        parts = [part[left] for part in (x, y, radius, lower, upper, stripes)]
        best = torch.full((len(left),), -torch.inf, dtype=torch.float64, device=x.device)
        for query in range(1, queries):
            if not len(left):
                break
            here, truth, size, low, high, now = parts
            trial = now
            if query > 1:
                share = 0.8 / 2 ** sum(query / queries > fall for fall in SQUARE_FALLS)
                side = min(h, w, max(1, round(math.sqrt(share * h * w))))
                top, start = draw(h - side + 1, len(left), 1, 1, 1), draw(w - side + 1, len(left), 1, 1, 1)
                window = (rows >= top) & (rows < top + side) & (columns >= start) & (columns < start + side)
                trial = torch.where(window, size * (2 * draw(2, len(left), c, 1, 1) - 1), now).clamp(low, high)
            value = -margin(checked_logits(model, here + trial, highest), truth)
            better = value > best
            parts[-1], best = torch.where(better[:, None, None, None], trial, now), torch.where(better, value, best)
            delta[left] = parts[-1]
            if (fooled := best > 0).any():
                left, best, *parts = (part[~fooled] for part in (left, best, *parts))
    return delta
