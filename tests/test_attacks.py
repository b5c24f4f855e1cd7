"""Every delta is feasible, leaves no trace, and equals the closed form where there is one."""

import copy
import functools
import itertools
import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lecture_utils import attacks, data, losses, networks, training

# The same examples in every run, and no time limit: a shared machine is slow at times.
few = settings(max_examples=30, deadline=None, derandomize=True, database=None)

EPSILONS = [0.0, 1e-45, 1e-3, 1 / 255, 8 / 255, 0.1, 0.3, 1 / 3, 0.7, 1.0, 1.9]
UNBOUNDED = {"low": -math.inf, "high": math.inf}


@pytest.fixture(scope="module")
def digits():
    """The shipped network, with 100 test images that it classifies correctly."""
    model, (x, y) = networks.load("digits-standard"), data.load("digits", "test")
    right = model(x).argmax(1) == y
    return model, x[right][:100], y[right][:100]


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def normal(seed, *shape):
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


def uniform(seed, *shape):
    return torch.rand(shape, generator=seeded(seed), dtype=torch.float64)


def mlp(inputs, classes, seed=0, hidden=12, dtype=torch.float32):
    """Return a random two-layer network, steep enough for small perturbations to change its class."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, classes)).to(dtype)
    for weight in model.parameters():
        weight.data = torch.randn(weight.shape, generator=seeded(seed + weight.numel()), dtype=dtype)
    return model


def linear(W, b=0.0):
    return lambda x: x.flatten(1) @ W.T + b


def binary(w, b=0.0):
    """Return the two-class model with logits 0 and w.x + b."""
    return linear(torch.stack([torch.zeros_like(w), w]), torch.tensor([0.0, b], dtype=w.dtype))


def counting(model):
    """Return the model, and a list into which it writes how many samples each call holds."""
    asked = []

    def counted(x):
        asked.append(len(x))
        return model(x)

    return counted, asked


def images(n, c=1, size=4, seed=0, dtype=torch.float32):
    """Return images that hold pixels at both ends of the box, and beside them."""
    x = torch.rand(n, c, size, size, generator=seeded(seed), dtype=dtype)
    edge = torch.tensor([0.0, 1.0, 1e-9, 1 - 1e-7], dtype=dtype)
    x.flatten()[: len(edge)] = edge
    return x


def assert_feasible(delta, x, epsilon=math.inf, norm="linf"):
    """Assert the promise of every attack, without any tolerance."""
    assert delta.shape == x.shape and delta.dtype == x.dtype and not delta.requires_grad
    assert (x + delta).min() >= 0 and (x + delta).max() <= 1
    flat = delta.double().flatten(1)
    length = flat.abs().amax(1) if norm == "linf" else flat.norm(dim=1)
    assert (length <= torch.as_tensor(epsilon, dtype=torch.float64)).all()


# ---- the ball and the box ----------------------------------------------------------------------------

dtypes = st.sampled_from([torch.float32, torch.float64])
radii = st.one_of(
    st.sampled_from(EPSILONS), st.floats(0, 1.5),
    st.lists(st.floats(0, 1.5), min_size=2, max_size=2).map(lambda one_each: torch.tensor(one_each, dtype=torch.float64)),
)  # fmt: skip
seeds = st.integers(0, 10_000)


@given(epsilon=radii, seed=seeds, dtype=dtypes)
@few
def test_a_projection_is_feasible_idempotent_and_leaves_feasible_points_alone(epsilon, seed, dtype):
    x = images(2, seed=seed, dtype=dtype)
    delta = attacks.project_linf(torch.randn(x.shape, generator=seeded(seed), dtype=dtype), x, epsilon)
    assert_feasible(delta, x, epsilon)
    assert torch.equal(attacks.project_linf(delta, x, epsilon), delta)


@given(box=st.sampled_from([(-0.4242, 2.8215), (-0.3, 0.7), (0.1, 0.2), (-1.0, 1.0)]), seed=seeds, dtype=dtypes)
@few
def test_a_projection_ends_in_any_box(box, seed, dtype):
    # Between 0 and 1 the sum of x and 1 - x is never rounded above 1; in other boxes the bound has to be rounded inward.
    low, high = torch.tensor(box, dtype=dtype).tolist()
    x = (low + (high - low) * torch.rand(500, 2, generator=seeded(seed), dtype=dtype)).clamp(low, high)
    for sign in (-1, 1):
        moved = x + attacks.project_linf(torch.full_like(x, 9.0 * sign), x, 9, low, high)
        assert moved.min() >= low and moved.max() <= high
        assert (moved - (high if sign > 0 else low)).abs().max() <= 4 * torch.finfo(dtype).eps


@given(delta=st.floats(-2, 2), x=st.floats(0, 1), epsilon=st.floats(0, 1.5))
@few
def test_the_projection_is_the_nearest_point(delta, x, epsilon):
    nearest = min(max(delta, -epsilon, -x), epsilon, 1 - x)
    delta, x = torch.tensor([[[delta]], [[x]]], dtype=torch.float64)
    got = attacks.project_linf(delta, x, epsilon)
    assert got.item() == pytest.approx(nearest, abs=1e-15)


@given(
    epsilon=radii, seed=seeds, dtype=dtypes, direction=st.sampled_from(["sign", "gradient"]),
    norm=st.sampled_from(["linf", "l2"]), loss=st.sampled_from(["cross_entropy", "margin"]), random_start=st.booleans(),
    restarts=st.integers(1, 2), targeted=st.booleans(), keep_best=st.booleans(), eta=st.sampled_from([None, 0.0, 0.05, 30.0]),
)  # fmt: skip
@settings(few, max_examples=150)
def test_every_delta_of_pgd_stays_inside_the_ball_and_the_box(epsilon, seed, dtype, norm, **options):
    x, y = images(2, seed=seed, dtype=dtype), torch.tensor([0, 2])
    model = mlp(16, 3, seed, dtype=dtype)
    delta = attacks.pgd(model, x, y, epsilon, norm=norm, steps=3, generator=seeded(seed), **options)
    assert_feasible(delta, x, epsilon, norm)


@given(epsilon=radii, seed=seeds, dtype=dtypes, targeted=st.booleans())
@few
def test_every_delta_of_fgsm_stays_inside_the_ball_and_the_box(epsilon, seed, dtype, targeted):
    x, y = images(2, seed=seed, dtype=dtype), torch.tensor([0, 2])
    assert_feasible(attacks.fgsm(mlp(16, 3, seed, dtype=dtype), x, y, epsilon, targeted=targeted), x, epsilon)


@given(epsilon=radii, seed=seeds, dtype=dtypes)
@few
def test_every_delta_of_square_stays_inside_the_ball_and_the_box(epsilon, seed, dtype):
    x, y = images(2, seed=seed, dtype=dtype), torch.tensor([0, 2])
    assert_feasible(attacks.square(mlp(16, 3, seed, dtype=dtype), x, y, epsilon, queries=8, generator=seeded(seed)), x, epsilon)


@pytest.mark.slow
@given(epsilon=radii, seed=seeds, dtype=dtypes)
@few
def test_every_delta_of_strongest_stays_inside_the_ball_and_the_box_and_fools_or_is_zero(epsilon, seed, dtype):
    model, x, y = mlp(16, 3, seed, dtype=dtype), images(2, seed=seed, dtype=dtype), torch.tensor([0, 2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attacks, "QUERIES", 30)
        delta = attacks.strongest(model, x, y, epsilon, generator=seeded(seed))
    assert_feasible(delta, x, epsilon)
    assert ((delta == 0).flatten(1).all(1) | (model(x + delta).argmax(1) != y)).all()


@given(pixels=st.integers(1, 3), seed=seeds, dtype=dtypes, targeted=st.booleans())
@few
def test_one_pixel_changes_at_most_so_many_pixels_and_stays_in_the_box(pixels, seed, dtype, targeted):
    x, y = images(2, c=3, seed=seed, dtype=dtype), torch.tensor([0, 2])
    delta = attacks.one_pixel(
        mlp(48, 3, seed, dtype=dtype), x, y, target=(y + 1) % 3 if targeted else None,
        pixels=pixels, population=12, generations=3, generator=seeded(seed),
    )  # fmt: skip
    assert_feasible(delta, x)
    assert ((delta != 0).any(1).flatten(1).sum(1) <= pixels).all()


@given(seed=seeds, dtype=dtypes)
@settings(few, max_examples=8)
def test_lbfgs_stays_in_the_box(seed, dtype):
    x = images(2, seed=seed, dtype=dtype)
    assert_feasible(attacks.lbfgs(mlp(16, 3, seed, dtype=dtype), x, torch.tensor([0, 2]), walk=10, max_iter=10), x)


@pytest.mark.parametrize("epsilon", [one for one in EPSILONS if one > 1e-30])
def test_no_rounding_carries_delta_beyond_epsilon(epsilon):
    # 0.1 and 8/255 are no floats: their nearest float32 lies above, where a comparison in float32 sees nothing.
    x, y = torch.full((1, 16), 0.5), torch.tensor([0])
    free = attacks.pgd(mlp(16, 3), x, y, epsilon, random_start=True, **UNBOUNDED)
    for delta in (attacks.fgsm(mlp(16, 3), x, y, epsilon), free):
        assert delta.double().abs().max().item() <= epsilon
        assert delta.double().abs().max().item() >= min(epsilon, 0.5) * (1 - 1e-6)


def test_no_rounding_carries_delta_out_of_a_euclidean_ball_of_a_photograph():
    # In float32 the sum of 150,528 squares is off by more than the last digit.
    x, w = torch.full((1, 3, 224, 224), 0.5), torch.rand(3 * 224 * 224, generator=seeded(0))
    for epsilon in (0.5, 3.0):
        delta = attacks.pgd(binary(w, -w.sum().item() / 2), x, torch.tensor([0]), epsilon, norm="l2", steps=2)
        assert epsilon * (1 - 1e-5) <= delta.double().norm().item() <= epsilon


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_each_sample_keeps_to_its_own_epsilon(digits, norm):
    model, x, y = digits
    epsilon = torch.tensor([0.0, 0.05, 0.3])
    together = attacks.pgd(model, x[:3], y[:3], epsilon, norm=norm, steps=5)
    for i in range(3):
        alone = attacks.pgd(model, x[i : i + 1], y[i : i + 1], epsilon[i].item(), norm=norm, steps=5)
        assert torch.allclose(together[i : i + 1], alone, atol=1e-5)
    assert not together[0].any()


# ---- a call leaves no trace --------------------------------------------------------------------------

ATTACKS = {
    "fgsm": lambda model, x, y: attacks.fgsm(model, x, y, 0.1),
    "pgd": lambda model, x, y: attacks.pgd(model, x, y, 0.1, steps=3),
    "pgd from random starts": lambda model, x, y: attacks.pgd(model, x, y, 0.1, steps=3, random_start=True, restarts=2),
    "pgd in l2": lambda model, x, y: attacks.pgd(model, x, y, 0.5, steps=3, norm="l2", random_start=True),
    "lbfgs": lambda model, x, y: attacks.lbfgs(model, x, (y + 1) % 3, c_steps=3, max_iter=5),
    "strongest": lambda model, x, y: attacks.strongest(model, x, y, 0.1),
    "one_pixel": lambda model, x, y: attacks.one_pixel(model, x, y, population=8, generations=2),
    "square": lambda model, x, y: attacks.square(model, x, y, 0.1, queries=5),
    "accuracy": lambda model, x, y: training.accuracy(model, x, y, lambda *given: attacks.fgsm(*given, 0.1)),
}
BALLS = ["fgsm", "pgd", "pgd from random starts", "pgd in l2"]
with_every_attack = pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())


def layered(mode):
    """Return a network with dropout and batch normalisation, in the mode named."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5),
            nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3),
        )  # fmt: skip
    model.train(mode != "evaluating")
    if mode == "training, with one frozen batch normalisation":
        model[1].eval()
    for weight in list(model.parameters())[::2]:
        weight.grad = torch.ones_like(weight)
    return model


MODES = ["evaluating", "training", "training, with one frozen batch normalisation"]


def trace(model, x, y):
    """Return all that a call must leave as it was, in comparable form."""
    tensors = [x, y, torch.get_rng_state(), *model.state_dict().values(), *(weight.grad for weight in model.parameters())]
    return (
        [None if one is None else one.numpy(force=True).tobytes() for one in tensors],
        [layer.training for layer in model.modules()],
        [weight.requires_grad for weight in model.parameters()], (x.requires_grad, x.grad, torch.is_grad_enabled()),
    )  # fmt: skip


@with_every_attack
@pytest.mark.parametrize("mode", MODES)
def test_a_call_leaves_no_trace(attack, mode):
    model, x, y = layered(mode), images(4), torch.tensor([0, 1, 2, 0])
    before = trace(model, x, y)
    attack(model, x, y)
    assert trace(model, x, y) == before


class Counting(nn.Module):
    """A layer that counts its calls, in a buffer that it changes and in one that it replaces."""

    def __init__(self):
        super().__init__()
        self.register_buffer("changed", torch.zeros(1))
        self.register_buffer("replaced", torch.zeros(1))

    def forward(self, x):
        self.changed += 1
        self.replaced = self.replaced + 1
        return x


@with_every_attack
def test_layers_that_count_their_calls_have_counted_none(attack):
    model, x, y = nn.Sequential(Counting(), layered("evaluating")), images(4), torch.tensor([0, 1, 2, 0])
    before = trace(model, x, y)
    attack(model, x, y)
    assert trace(model, x, y) == before


@with_every_attack
@pytest.mark.parametrize("mode", MODES)
def test_a_call_that_ends_in_an_exception_leaves_no_trace(attack, mode):
    class Interrupted(Exception):
        pass

    class Broken(nn.Module):
        calls = 0

        def forward(self, logits):
            self.calls += 1
            torch.rand(1)
            if self.calls == 2:
                raise Interrupted
            return logits

    model, x, y = layered(mode).append(Broken()), images(4), torch.tensor([0, 1, 2, 0])
    model[-1].calls = 0 if attack is not ATTACKS["fgsm"] else 1  # fgsm asks only once
    before = trace(model, x, y)
    with pytest.raises(Interrupted):
        attack(model, x, y)
    assert trace(model, x, y) == before


@with_every_attack
def test_the_mode_of_the_model_changes_no_result(attack):
    x, y = images(4), torch.tensor([0, 1, 2, 0])
    expected = attack(layered("evaluating"), x, y)
    assert torch.equal(torch.as_tensor(attack(layered("training"), x, y)), torch.as_tensor(expected))


@with_every_attack
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_attacks_work_where_gradients_are_switched_off(attack, context):
    model, x, y = layered("evaluating"), images(4), torch.tensor([0, 1, 2, 0])
    expected = torch.as_tensor(attack(model, x, y))
    with context():
        assert torch.equal(torch.as_tensor(attack(model, x, y)), expected)
        assert torch.equal(torch.as_tensor(attack(model, x.clone(), y.clone())), expected)  # tensors made in here
        assert not torch.is_grad_enabled()


@with_every_attack
def test_attacks_take_images_that_require_a_gradient(attack):
    model, x, y = layered("evaluating"), images(4), torch.tensor([0, 1, 2, 0])
    expected = torch.as_tensor(attack(model, x, y))
    x.requires_grad_()
    result = torch.as_tensor(attack(model, x, y))
    assert torch.equal(result, expected) and not result.requires_grad
    assert x.requires_grad and x.grad is None


@with_every_attack
def test_two_calls_give_the_same_delta(attack):
    model, x, y = layered("evaluating"), images(4), torch.tensor([0, 1, 2, 0])
    first = torch.as_tensor(attack(model, x, y))
    torch.rand(3)  # the global random state has no say
    assert torch.equal(torch.as_tensor(attack(model, x, y)), first)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*BALLS, "square", "strongest"])
def test_epsilon_zero_gives_zeros(name):
    model, x, y = layered("evaluating"), images(4), torch.tensor([0, 1, 2, 0])
    options = {"norm": "l2"} if "l2" in name else {}
    options |= {"random_start": True, "restarts": 2} if "random" in name else {"queries": 20} if name == "square" else {}
    attack = getattr(attacks, name.split()[0])
    for epsilon in (0, 0.0, torch.zeros(4)):
        assert torch.count_nonzero(attack(model, x, y, epsilon, **options)) == 0


# ---- mistakes that other libraries make --------------------------------------------------------------


def test_one_step_without_a_random_start_moves(digits):
    # An attack that scores iterates before the step, and not after the last one, returns its start.
    model, x, y = digits
    one = attacks.pgd(model, x, y, 0.1, steps=1)
    assert torch.equal(one, attacks.fgsm(model, x, y, 0.1))
    assert training.accuracy(model, x, y, lambda *given: attacks.pgd(*given, 0.1, steps=1)) < 0.9


def test_the_last_iterate_is_scored_on_every_sample():
    # On a linear model every step is better than the one before, so that the best iterate is the last.
    w, x = torch.randn(16, generator=seeded(0)), torch.rand(5, 16, generator=seeded(1))
    for steps in (1, 2, 5):
        options = {"eta": 0.01, "steps": steps, "loss": "margin"} | UNBOUNDED
        delta = attacks.pgd(binary(w, 100.0), x, torch.ones(5, dtype=torch.int64), 0.3, **options)
        assert torch.allclose(delta, -0.01 * steps * w.sign().expand(5, 16), atol=1e-7)


def test_the_best_iterate_is_kept():
    # The maximum is at delta = 0.1; steps of 0.07 pass it by 0.04 and come back, for ever.
    def model(x):
        return torch.stack([(x[:, 0] - 0.6) ** 2, torch.zeros(len(x)) - 1], 1)

    x, y = torch.full((1, 1), 0.5), torch.tensor([0])
    options = {"eta": 0.07, "loss": "margin"}
    for steps in range(1, 6):
        assert attacks.pgd(model, x, y, 0.3, steps=steps, **options).item() == pytest.approx(0.07, abs=1e-6)
    assert attacks.pgd(model, x, y, 0.3, steps=2, keep_best=False, **options).item() == pytest.approx(0.14, abs=1e-6)


@pytest.mark.parametrize("direction", ["sign", "gradient"])
def test_the_euclidean_projection_leaves_points_inside_the_ball_alone(direction):
    w, x = normal(0, 16), uniform(1, 3, 16)
    model = (lambda x: binary(w)(x) / w.norm()) if direction == "gradient" else binary(w)
    options = {"norm": "l2", "eta": 0.02, "steps": 5, "direction": direction, "loss": "margin", "keep_best": False} | UNBOUNDED
    delta = attacks.pgd(model, x, torch.zeros(3, dtype=torch.int64), 1.0, **options)
    assert torch.allclose(delta, (5 * 0.02 * w / w.norm()).expand(3, 16), atol=1e-12)


def test_a_confident_network_does_not_stop_the_euclidean_attack():
    # The gradient has entries of 1e-26: not zero, but their squares are, in float32.
    w = torch.full((16,), 3.75)
    model = linear(torch.stack([-w, w]))
    delta = attacks.pgd(model, torch.full((1, 16), 0.5), torch.tensor([1]), 0.3, norm="l2", steps=3, keep_best=False)
    assert delta.norm().item() == pytest.approx(0.3, rel=1e-5)


def test_restarts_never_lose_what_an_earlier_run_found():
    x, y = images(40, seed=3), torch.randint(5, (40,), generator=seeded(4))
    for seed, loss in itertools.product(range(3), ("cross_entropy", "margin")):
        model, keys, (compute, sign) = mlp(16, 5, seed, hidden=30), [], attacks.LOSSES[loss]
        for restarts in (1, 2, 6):
            delta = attacks.pgd(model, x, y, 0.1, steps=4, loss=loss, restarts=restarts, generator=seeded(seed))
            logits = model(x + delta).detach()
            keys.append(list(zip((logits.argmax(1) != y).tolist(), (sign * compute(logits, y)[0]).tolist(), strict=True)))
        for fewer, more in itertools.pairwise(keys):
            assert all(a <= b for a, b in zip(fewer, more, strict=True))
        assert keys[0] != keys[-1]


@pytest.mark.parametrize(
    "options",
    [{}, {"loss": "margin"}, {"norm": "l2", "epsilon": 0.6}, {"targeted": True, "epsilon": 0.15}, {"restarts": 3}, {"eta": 0.02}],
    ids=str,
)
def test_a_sample_that_leaves_once_it_is_fooled_is_one_that_would_be_fooled(digits, options):
    model, x, y = digits
    options = {"epsilon": 0.1, "steps": 6} | options
    y = (y + 1) % 10 if options.get("targeted") else y
    dice = seeded(0), seeded(0)
    long, short = (attacks.pgd(model, x, y, until_fooled=i > 0, generator=dice[i], **options) for i in (0, 1))
    assert_feasible(short, x, *([options["epsilon"]] if "norm" not in options else []))
    assert torch.equal(model(x + long).argmax(1) == y, model(x + short).argmax(1) == y) and not torch.equal(long, short)
    assert torch.equal(dice[0].get_state(), dice[1].get_state())


def test_the_last_iterate_is_no_reason_to_leave(digits):
    model, x, y = digits
    options = {"epsilon": 0.1, "eta": 0.06, "steps": 3}
    last = functools.partial(attacks.pgd, **options, keep_best=False)
    stays = (model(x + last(model, x, y)).argmax(1) == y).double().mean().item()
    assert training.accuracy(model, x, y, last) == stays
    assert training.accuracy(model, x, y, functools.partial(attacks.pgd, **options)) <= stays


def test_the_first_restart_is_the_run_without_restarts(digits):
    model, x, y = digits
    alone = attacks.pgd(model, x, y, 0.02, steps=3)
    kept = attacks.pgd(model, x, y, 0.02, steps=3, restarts=3)
    gain = attacks.cross_entropy(model(x + kept), y) - attacks.cross_entropy(model(x + alone), y)
    assert ((gain >= 0) | (model(x + kept).argmax(1) != y)).all()


@pytest.mark.parametrize("steps", [1, 2, 10, 40])
@pytest.mark.parametrize("epsilon", [1e-3, 8 / 255, 0.1, 10.0])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_default_step_reaches_the_edge_of_the_ball(epsilon, steps, norm):
    # From any start: a fixed step of 2/255 takes 13 steps to cross a ball of 8/255 and never one of 10.
    w, x = normal(0, 16), uniform(1, 4, 16)
    y = torch.zeros(4, dtype=torch.int64)
    options = {"random_start": True, "generator": seeded(2), "norm": norm, "steps": steps, "loss": "margin"} | UNBOUNDED
    delta = attacks.pgd(binary(w, -100.0), x, y, epsilon, **options)
    if norm == "linf":
        assert torch.allclose(delta, (epsilon * w.sign()).expand(4, 16), rtol=1e-12, atol=0)
    else:
        assert torch.allclose(delta.norm(dim=1), torch.tensor(epsilon).double(), rtol=1e-9 if steps > 1 else 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1e2, 1e4])
def test_lbfgs_finds_as_short_a_delta_whatever_the_size_of_the_logits(digits, scale):
    model, x, y = digits
    x, target = x[:4], (y[:4] + 1) % 10
    delta = attacks.lbfgs(lambda x: scale * model(x), x, target)
    assert (model(x + delta).argmax(1) == target).all()
    plain = attacks.lbfgs(model, x, target)
    assert (delta.flatten(1).norm(dim=1) <= 1.05 * plain.flatten(1).norm(dim=1)).all()


@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_class_that_is_ruled_out_changes_nothing(loss, norm):
    # A margin written with one-hot vectors reads inf * 0 here.
    model, x, y = mlp(16, 3), images(6), torch.tensor([0, 1, 2, 0, 1, 2])

    def with_a_fourth_class(x):
        return torch.cat([model(x), torch.full((len(x), 1), -torch.inf)], 1)

    delta = attacks.pgd(with_a_fourth_class, x, y, 0.1, loss=loss, norm=norm, steps=5)
    assert torch.allclose(delta, attacks.pgd(model, x, y, 0.1, loss=loss, norm=norm, steps=5), atol=1e-6)
    square = attacks.square(with_a_fourth_class, x, y, 0.1, queries=20)
    assert torch.equal(square, attacks.square(model, x, y, 0.1, queries=20))


def test_losses_are_right_for_huge_and_for_infinite_logits():
    inf = torch.inf
    logits, y = torch.tensor([[1e3, -1e3, 0.0], [-inf, 2.0, 1.0], [5.0, -inf, -inf]]), torch.tensor([1, 2, 0])
    assert attacks.margin(logits, y).tolist() == [-2e3, -1.0, inf]
    assert attacks.cross_entropy(logits, y).tolist() == pytest.approx([2e3, math.log(1 + math.e), 0.0], abs=1e-6)
    assert attacks.log_odds(torch.tensor([[0.0, 80.0]]), torch.tensor([1])).item() == 80.0


@given(seed=seeds, shift=st.floats(-50, 50))
@few
def test_the_cross_entropy_is_positive_shift_invariant_and_has_gradient_softmax_minus_one_hot(seed, shift):
    logits = (5 * normal(seed, 4, 3)).requires_grad_()
    y = torch.tensor([0, 1, 2, 0])
    value = attacks.cross_entropy(logits, y)
    assert torch.allclose(value, nn.functional.cross_entropy(logits, y, reduction="none"), atol=1e-12)
    assert (value >= 0).all() and torch.allclose(attacks.cross_entropy(logits + shift, y), value, atol=1e-12)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert torch.allclose(gradient, logits.softmax(1) - nn.functional.one_hot(y, 3), atol=1e-12)


@pytest.mark.parametrize("name", ["log_odds", "cross_entropy", "margin"])
def test_the_gradient_in_closed_form_is_that_of_autograd(name):
    logits, y = (10 * normal(0, 40, 5)).requires_grad_(), torch.arange(40) % 5
    value = getattr(attacks, name)(logits, y)
    found, gradient = getattr(losses, f"{name}_and_gradient")(logits.detach(), y)
    (wanted,) = torch.autograd.grad(value.sum(), logits)
    assert torch.allclose(found, value.detach(), rtol=1e-12, atol=1e-14) and torch.allclose(gradient, wanted, atol=1e-14)
    ruled_out = torch.tensor([[2.0, -torch.inf, -torch.inf]], dtype=torch.float64)  # all other classes have probability 0
    assert not getattr(losses, f"{name}_and_gradient")(ruled_out, torch.tensor([0]))[1].isnan().any()


def test_the_gradient_of_a_confident_network_has_the_signs_of_the_exact_one(digits):
    # log(sum exp f) - f_y, computed as it stands, has 4 % of them wrong in float32: p_y - 1 is all rounding there.
    model, x, y = digits
    single, double = attacks.fgsm(model, x, y, 0.1), attacks.fgsm(copy.deepcopy(model).double(), x.double(), y, 0.1)
    assert (single.sign() != double.sign()).double().mean() < 1e-3


def sqrt_of_zero(x):
    """A model whose logits are numbers and whose gradient is not: the derivative of a square root at 0, times 0."""
    return mlp(16, 3)(x) + (0 * x.flatten(1)).sum(1, keepdim=True).sqrt()


@pytest.mark.parametrize("name", [*BALLS, "strongest", "lbfgs"])
def test_a_gradient_of_nan_raises(name):
    # Its sign is 0: an attack that goes on returns 0 and reads as robustness.
    with pytest.raises(FloatingPointError, match="gradient"):
        ATTACKS[name](sqrt_of_zero, images(2), torch.tensor([0, 1]))


def test_an_infinite_gradient_raises():
    def model(x):
        return mlp(16, 3)(x) + x.flatten(1)[:, :3].sqrt()

    with pytest.raises(FloatingPointError, match="gradient"):
        attacks.fgsm(model, torch.zeros(1, 16), torch.tensor([0]), 0.1)


@pytest.mark.parametrize("name", BALLS)
def test_gradients_that_are_all_zero_warn(digits, name):
    model, x, y = digits
    options = {"norm": "l2"} if "l2" in name else {}
    attack = getattr(attacks, name.split()[0])
    with pytest.warns(RuntimeWarning, match="zero for 100 of 100 samples"):
        attack(lambda x: 1e4 * model(x), x, y, 0.01, **options)


@pytest.mark.parametrize("attack", [attacks.fgsm, attacks.pgd, attacks.strongest])
def test_a_model_that_does_not_depend_on_x_warns(attack):
    model, x = mlp(16, 3), images(2)
    with pytest.warns(RuntimeWarning, match="zero for 2 of 2"):
        attack(lambda z: model(x[: len(z)] + 0 * z), x, model(x).argmax(1), 0.1)


def test_nothing_warns_where_the_attack_sees_the_loss(digits):
    model, x, y = digits
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attacks.pgd(model, x, y, 0.05, steps=3)
        attacks.pgd(lambda x: 1e4 * model(x), x, y, 0.05, steps=3, loss="margin")
        attacks.pgd(lambda x: 1e4 * model(x), x, y, 0.05, steps=3, targeted=True)  # reached already: zero is no bad sign


# ---- closed forms ------------------------------------------------------------------------------------


@given(seed=seeds, epsilon=st.floats(1e-3, 2), true=st.sampled_from([0, 1]), norm=st.sampled_from(["linf", "l2"]))
@few
def test_pgd_on_a_linear_model_is_the_dual_norm(seed, epsilon, true, norm):
    w, x = normal(seed, 2, 12)
    model, y = binary(w, 0.3), torch.tensor([true])
    delta = attacks.pgd(model, x[None], y, epsilon, norm=norm, steps=20, loss="margin", **UNBOUNDED)
    lost = epsilon * (w.abs().sum() if norm == "linf" else w.norm())
    assert attacks.margin(model(x[None] + delta), y).item() == pytest.approx(
        (attacks.margin(model(x[None]), y) - lost).item(), abs=1e-12
    )
    if norm == "linf":
        assert torch.equal(attacks.fgsm(model, x[None], y, epsilon, **UNBOUNDED), delta)


@given(seed=seeds, epsilon=st.floats(1e-3, 1))
@few
def test_pgd_on_a_linear_model_in_the_box_takes_the_better_end_of_every_pixel(seed, epsilon):
    w, x = normal(seed, 12), uniform(seed, 12)
    ends = torch.stack([torch.clamp(-x, min=-epsilon), torch.clamp(1 - x, max=epsilon)])
    delta = attacks.pgd(binary(w), x[None], torch.tensor([0]), epsilon, steps=5)
    assert torch.allclose(delta[0], torch.where(w > 0, ends[1], ends[0]), rtol=0, atol=1e-12)


def test_sign_steps_are_exact_after_two_epsilon_over_alpha_of_them_from_any_start():
    w, epsilon, alpha = normal(0, 50), 0.2, 0.05
    worst = epsilon * w.sign()
    for start in (-worst, torch.zeros(50).double(), worst, (2 * uniform(1, 50) - 1) * epsilon):
        assert torch.allclose(attacks.projected_ascent(lambda _: w, start, epsilon, alpha, 8), worst, rtol=0, atol=1e-12)
    short = attacks.projected_ascent(lambda _: w, -worst, epsilon, alpha, 7)
    assert torch.allclose(short, 0.15 * w.sign(), atol=1e-12)
    delta = attacks.pgd(
        binary(w), uniform(2, 3, 50), torch.zeros(3, dtype=torch.int64), epsilon, eta=alpha, steps=8,
        random_start=True, keep_best=False, **UNBOUNDED,
    )  # fmt: skip
    assert torch.allclose(delta, worst.expand(3, 50), rtol=0, atol=1e-12)


@pytest.mark.parametrize("direction", ["sign", "gradient"])
def test_projected_ascent_and_pgd_are_the_same_iteration(direction):
    model, x, y = mlp(12, 4, dtype=torch.float64), uniform(0, 3, 12), torch.tensor([0, 1, 3])

    def gradient(delta):
        delta = delta.clone().requires_grad_()
        return torch.autograd.grad(attacks.cross_entropy(model(x + delta), y).sum(), delta)[0]

    for steps in (1, 2, 7):
        slides = attacks.projected_ascent(gradient, torch.zeros_like(x), 0.2, 0.03, steps, direction=direction)
        options = {"eta": 0.03, "steps": steps, "direction": direction, "keep_best": False} | UNBOUNDED
        assert torch.allclose(slides, attacks.pgd(model, x, y, 0.2, **options), atol=1e-12)
    assert (slides != 0.2 * slides.sign()).any()


@pytest.mark.slow
@given(
    epsilon=st.integers(1, 64), start=st.lists(st.floats(-1, 1), min_size=1, max_size=5),
    slope=st.lists(st.sampled_from([-4.0, -1.0, -0.25, 0.0, 0.5, 1.0, 8.0]), min_size=5, max_size=5),
)  # fmt: skip
@settings(few, max_examples=300)
def test_only_the_sign_matters_if_and_only_if_eta_is_at_least_the_threshold(epsilon, start, slope):
    # Sixty-fourths and powers of two: floating point is exact here, so that "if and only if" can be tested.
    epsilon = epsilon / 64
    delta = (torch.tensor(start, dtype=torch.float64) * epsilon * 64).trunc() / 64
    gradient = torch.tensor(slope[: len(start)], dtype=torch.float64)
    threshold = attacks.eta_threshold(delta, gradient, epsilon)

    def is_the_sign(eta):
        moved = attacks.projected_ascent(lambda _: gradient, delta, epsilon, eta, 1, direction="gradient")
        assert torch.equal(moved[gradient == 0], delta[gradient == 0])  # these stay, they do not go to 0
        return torch.equal(moved[gradient != 0], epsilon * gradient[gradient != 0].sign())

    assert is_the_sign(threshold) and is_the_sign(2 * threshold + 1)
    assert threshold == 0 or not is_the_sign(threshold * (1 - 2**-20))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_threshold_of_any_type_has_the_digits_of_its_numbers(dtype):
    delta, gradient = torch.tensor([0.1, -0.05, 0.1], dtype=dtype), torch.tensor([3.0, -1e-3, -1e-3], dtype=dtype)
    exact = max((0.11 - (1 if g > 0 else -1) * s) / abs(g) for s, g in zip(delta.tolist(), gradient.tolist(), strict=True))
    assert attacks.eta_threshold(delta, gradient, 0.11) == pytest.approx(exact, rel=1e-14)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("epsilon", [0.01, 0.05, 1.0])
def test_a_difference_of_pixels_is_a_start_and_no_threshold_is_negative(dtype, epsilon):
    x = (0.8 * torch.rand(1000, generator=seeded(0), dtype=torch.float64) + 0.1).to(dtype)
    delta = (x + epsilon) - x  # longer than epsilon by rounding
    for start in (delta, torch.full_like(x, epsilon)):
        assert attacks.eta_threshold(start, torch.ones_like(x), epsilon) >= 0
    attacks.projected_ascent(torch.cos, delta, epsilon, 0.1, 1)


@pytest.mark.parametrize("gradient", [None, torch.ones(3), torch.full((4,), math.nan), torch.ones(4).long(), torch.ones(0)])
def test_a_threshold_of_no_gradient_is_refused(gradient):
    with pytest.raises((TypeError, ValueError), match="gradient must .*, got"):
        attacks.eta_threshold(torch.zeros(4), gradient, 0.1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("epsilon", [0.1, 8 / 255, 1e300])
def test_an_ascent_ends_in_the_ball_in_deltas_type_and_leaves_the_start_alone(dtype, epsilon):
    start = torch.zeros(4, dtype=dtype)
    delta = attacks.projected_ascent(lambda delta: delta.fill_(1.0).double(), start, epsilon, 1e300, 2)
    assert delta.dtype == dtype and delta.double().max() <= epsilon and (delta > 0).all() and not start.any()
    assert attacks.projected_ascent(torch.cos, start, epsilon, 1.0, 0) is not start


@pytest.mark.parametrize(
    ("name", "value"),
    [("low", "a"), ("low", None), ("high", True), ("high", torch.ones(2)), ("low", -(10**400)), ("low", math.nan),
     ("delta", None), ("x", torch.ones(3, device="meta")), ("epsilon", 10**400)],
)  # fmt: skip
def test_a_projection_names_the_argument_that_is_wrong(name, value):
    good = {"delta": torch.ones(3), "x": torch.ones(3), "epsilon": 0.1, "low": 0.0, "high": 1.0}
    with pytest.raises((TypeError, ValueError), match=f"{name} must be .*got"):
        attacks.project_linf(**good | {name: value})


def test_candidates_are_of_one_image():
    x, y = images(2), torch.tensor([0, 1])
    for wrong in ({"x": x}, {"x": 9 * x[:1] + 1}, {"y": y}):
        with pytest.raises(ValueError, match="x must .*got"):
            next(attacks.one_pixel_candidates(linear(torch.ones(2, 16)), **{"x": x[:1], "y": y[:1]} | wrong))


@pytest.mark.parametrize(
    "given",
    [{"gradient": None}, {"delta": None}, {"delta": torch.ones(4), "steps": 0}, {"gradient": lambda delta: None},
     {"gradient": lambda delta: torch.ones(3, 4)}, {"gradient": lambda delta: delta / 0}],
)  # fmt: skip
def test_an_ascent_from_nowhere_is_refused(given):
    good = {"gradient": torch.cos, "delta": torch.zeros(4), "epsilon": 0.1, "eta": 0.1, "steps": 1}
    attacks.projected_ascent(**good)
    with pytest.raises((TypeError, ValueError), match="must (be|have) .*, got"):
        attacks.projected_ascent(**good | given)


def vertices(d):
    return torch.tensor(list(itertools.product([-1.0, 1.0], repeat=d)), dtype=torch.float64)


@given(seed=seeds, epsilon=st.floats(0, 2))
@few
def test_the_exact_binary_margin_is_the_minimum_over_all_vertices(seed, epsilon):
    X, w = normal(seed, 3, 8), normal(seed + 1, 8)
    y = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    brute = (y[:, None] * ((X[:, None] + epsilon * vertices(8)) @ w + 0.7)).amin(1)
    assert torch.allclose(training.worst_margin_linear(w, 0.7, X, y, epsilon), brute, atol=1e-12)


@given(seed=seeds, epsilon=st.floats(0, 1), classes=st.integers(2, 5))
@few
def test_the_exact_wrong_margin_is_the_maximum_over_all_vertices(seed, epsilon, classes):
    W, b = normal(seed, classes, 8), normal(seed, classes)
    x = normal(seed + 1, 8)
    logits = (x + epsilon * vertices(8)) @ W.T + b
    y = (W @ x + b).argmax()
    brute = -attacks.margin(logits, y.expand(len(logits))).min().item()
    assert training.best_wrong_margin_linear(W, b, x, epsilon) == pytest.approx(brute, abs=1e-12)


def test_for_two_classes_the_maximiser_is_adversarial_if_anything_is():
    W, X = normal(0, 2, 8), normal(1, 200, 8)
    y = (X @ W.T).argmax(1)
    delta = attacks.pgd(linear(W), X, y, 0.25, **UNBOUNDED)
    exact = torch.tensor([training.best_wrong_margin_linear(W, torch.zeros(2).double(), x, 0.25) > 0 for x in X])
    fooled = ((X + delta) @ W.T).argmax(1) != y
    assert torch.equal(fooled, exact) and 0 < exact.sum() < 200


def three_classes(x):
    """The lecture's remark: logits 0, and two more that are affine in delta, x = 0.5 + delta / 4 in [0.25, 0.75]."""
    share = 2 * (x[:, 0] - 0.25)
    left, right = math.log(0.55 / 0.45), math.log(0.3 / 0.4)
    return torch.stack([torch.zeros_like(share), left + share * (right - left), -10 + share * (right + 10)], 1)


def test_the_maximiser_of_the_loss_need_not_be_adversarial():
    x, y = torch.tensor([[0.5]], dtype=torch.float64), torch.tensor([0])
    grid = torch.linspace(-0.25, 0.25, 201, dtype=torch.float64)[:, None]
    logits = three_classes(x + grid)
    loss = attacks.cross_entropy(logits, y.expand(201))
    assert loss.argmax() == 200 and loss[-1].item() == pytest.approx(0.9163, abs=1e-4) and logits[-1].argmax() == 0
    assert loss[0].item() == pytest.approx(0.7985, abs=1e-4) and logits[0].argmax() == 1


@pytest.mark.slow
def test_pgd_does_not_trade_a_misclassification_for_a_higher_loss():
    x, y = torch.tensor([[0.5]], dtype=torch.float64), torch.tensor([0])
    ends = {
        round(attacks.pgd(three_classes, x, y, 0.25, random_start=True, keep_best=False, generator=seeded(seed)).item(), 6)
        for seed in range(20)
    }
    assert ends == {-0.25, 0.25}  # single runs end at either side
    for seed in range(6):
        delta = attacks.pgd(three_classes, x, y, 0.25, restarts=10, steps=10, random_start=True, generator=seeded(seed))
        assert three_classes(x + delta).argmax(1) != y


@given(seed=seeds, targeted=st.booleans())
@few
def test_pgd_is_never_worse_than_no_attack(seed, targeted):
    model, x, y = mlp(16, 4, seed), images(8, seed=seed), torch.arange(8) % 4
    delta = attacks.pgd(model, x, y, 0.05, eta=0.2, steps=3, targeted=targeted)

    def keys(logits):
        value = attacks.cross_entropy(logits, y) * (-1 if targeted else 1)
        return zip(((logits.argmax(1) == y) == targeted).tolist(), value.tolist(), strict=True)

    assert all(after >= before for before, after in zip(keys(model(x)), keys(model(x + delta)), strict=True))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_targeted_attack_reaches_its_target(digits, norm):
    model, x, y = digits
    target = (y + 1) % 10
    delta = attacks.pgd(model, x, target, 0.3 if norm == "linf" else 2.5, targeted=True, norm=norm)
    assert (model(x + delta).argmax(1) == target).double().mean() > 0.9


def test_random_starts_fill_the_ball():
    x, y = torch.full((2000, 2), 0.5), torch.zeros(2000, dtype=torch.int64)
    options = {"random_start": True, "keep_best": False, "eta": 0.0, "steps": 1, "generator": seeded(0)}
    square = attacks.pgd(mlp(2, 3), x, y, 0.1, **options)
    assert square.mean(0).abs().max() < 0.005 and square.std(0).sub(0.2 / math.sqrt(12)).abs().max() < 0.003
    radius = attacks.pgd(mlp(2, 3), x, y, 0.1, norm="l2", **options).norm(dim=1)
    assert (radius < 0.1 / math.sqrt(2)).double().mean().item() == pytest.approx(0.5, abs=0.05)  # half of the disk's area


# ---- one pixel ---------------------------------------------------------------------------------------


def test_one_pixel_reaches_the_exhaustive_optimum_of_a_small_network():
    values = torch.linspace(0, 1, 21)
    model = mlp(64, 2, seed=1, hidden=16)
    x = 0.3 + 0.4 * torch.rand(6, 1, 8, 8, generator=seeded(2))
    y = model(x).argmax(1)
    delta = attacks.one_pixel(model, x, y, generator=seeded(0))
    reached = -attacks.margin(model(x + delta), y)
    for i in range(len(x)):
        every = x[i].flatten().repeat(64 * 21, 1)
        every[torch.arange(64 * 21), torch.arange(64).repeat_interleave(21)] = values.repeat(64)
        optimum = -attacks.margin(model(every), y[i].expand(len(every))).min()
        assert reached[i] >= min(optimum.item(), math.log(19)) - 1e-3  # it stops early at 95 %, that is log 19
    assert (reached < math.log(19)).any()


def test_one_pixel_asks_no_more_once_the_candidates_have_gathered(digits):
    model, x, y = digits
    counted, asked = counting(model)
    delta = attacks.one_pixel(counted, x[1:2], y[1:2])  # an image that one pixel does not turn
    evolution = attacks.one_pixel_candidates(model, x[1:2], y[1:2])
    best = max(scores.max().item() for _, (_, scores, _) in zip(range(40), evolution, strict=False))
    assert -attacks.log_odds(model(x[1:2] + delta), y[1:2]).item() == pytest.approx(best, abs=1e-3) and len(asked) < 20


def test_one_pixel_reaches_the_optimum_of_a_linear_model():
    w, x = torch.randn(64, generator=seeded(0)), torch.rand(4, 1, 8, 8, generator=seeded(1))
    delta = attacks.one_pixel(binary(w, -100.0), x, torch.zeros(4, dtype=torch.int64))
    flat = x.flatten(1)
    optimum = torch.maximum(w * (1 - flat), -w * flat).amax(1)
    assert torch.allclose(delta.flatten(1) @ w, optimum, atol=1e-3)


def test_every_candidate_names_a_row_and_a_column_of_the_image():
    # The worth grows towards the last row and column, so that the children press against the edge.
    model, x = binary(torch.arange(16, dtype=torch.float64), -100.0), torch.full((1, 1, 4, 4), 0.5, dtype=torch.float64)
    evolution = attacks.one_pixel_candidates(model, x, torch.tensor([0]), population=20)
    for _ in range(30):
        places = next(evolution)[0][..., :2].long()
        assert (places >= 0).all() and (places <= 3).all()


def test_more_pixels_reach_further_on_a_linear_model():
    w, x = normal(0, 16), uniform(1, 2, 1, 4, 4)
    worth = torch.maximum(w * (1 - x.flatten(1)), -w * x.flatten(1)).sort(1, descending=True).values
    for pixels in (2, 3):
        delta = attacks.one_pixel(binary(w, -100.0), x, torch.zeros(2, dtype=torch.int64), pixels=pixels)
        assert ((delta.flatten(1) @ w) > worth[:, : pixels - 1].sum(1)).all()


def test_one_pixel_towards_a_target_prefers_to_reach_it():
    model, x = mlp(16, 4, seed=3), images(10, seed=5)
    y = model(x).argmax(1)
    possible = 0
    for target in ((y + 1) % 4, (y + 2) % 4):
        delta = attacks.one_pixel(model, x, y, target=target, population=100, generations=30)
        hit = model(x + delta).argmax(1) == target
        odds, before = (attacks.log_odds(model(x + change), target) for change in (delta, torch.zeros_like(x)))
        assert (hit | (odds > before)).all()
        possible += hit.sum().item()
    assert possible > 0


def test_candidates_only_get_better_from_generation_to_generation(digits):
    model, x, y = digits
    evolution = attacks.one_pixel_candidates(model, x[:1], y[:1], population=50)
    scores = [scores.clone() for _, (_, scores, _) in zip(range(20), evolution, strict=False)]
    assert all((later >= earlier).all() for earlier, later in itertools.pairwise(scores))
    assert scores[-1].max() > scores[0].max()


# ---- scores only -------------------------------------------------------------------------------------


def test_square_lowers_the_accuracy_without_gradients(digits):
    model, x, y = digits

    def scores_only(x):
        assert not torch.is_grad_enabled()
        return model(x).detach()

    def robust(queries):
        return training.accuracy(scores_only, x, y, lambda *given: attacks.square(*given, 0.15, queries=queries))

    few_queries, many_queries = robust(5), robust(300)
    assert many_queries < few_queries < 1 and many_queries < 0.5


def test_the_squares_of_square_shrink_as_its_queries_go_on():
    tried = []

    def never_fooled(x):
        tried.append(x[0, 0])
        return torch.tensor([[1.0, 0.0]]).expand(len(x), 2)

    attacks.square(never_fooled, torch.full((1, 1, 20, 20), 0.5), torch.tensor([0]), 0.1, queries=100)
    assert (tried[0] == 0.5).all()
    start, *trials = tried[1:]  # nothing is ever better than the stripes at the start: a trial differs from them in its square
    sides = [max((one != start).any(axis).sum().item() for axis in (0, 1)) for one in trials]
    early, late = max(sides[:9]), max(sides[80:])
    assert 5 <= early <= 9 and late <= 1, (early, late)


def test_square_asks_no_more_than_its_queries_and_nothing_once_fooled(digits):
    model, x, y = digits
    counted, asked = counting(model)
    attacks.square(counted, x, y, 0.1, queries=20)
    assert len(asked) <= 20 and asked == sorted(asked, reverse=True)
    asked.clear()
    attacks.square(counted, x, (y + 1) % 10, 0.0, queries=20)
    assert asked == [100]


@pytest.mark.parametrize("attack", ["pgd", "strongest", "square", "one_pixel", "lbfgs"])
def test_what_is_wrong_already_is_left_as_it_is_or_stays_wrong(attack):
    """Of a linear model at its boundary, where any step may turn wrong into right."""
    weights = torch.randn(64, generator=seeded(1))

    def model(x):
        score = (x - 0.5).flatten(1) @ weights
        return torch.stack([score, -score], 1)

    x = 0.5 + 1e-3 * torch.randn(50, 1, 8, 8, generator=seeded(0))
    y, options = model(x).argmax(1), {"queries": 2} if attack == "square" else {}
    y = y if attack == "lbfgs" else 1 - y  # its labels are targets
    given = (0.3,) if attack in ("pgd", "strongest", "square") else ()
    options |= {"population": 4, "generations": 1} if attack == "one_pixel" else {}
    delta = getattr(attacks, attack)(model, x, y, *given, **options)
    assert ((model(x + delta).argmax(1) == y) == (attack == "lbfgs")).all()
    assert attack not in ("square", "strongest", "lbfgs") or not delta.any()


def test_random_signs_are_a_weaker_attack_than_pgd_and_square_lies_between(digits):
    model, x, y = digits
    signs = 0.1 * (2 * torch.randint(2, x.shape, generator=seeded(0)) - 1)
    noise = training.accuracy(model, x, y, lambda model, x, y: attacks.project_linf(signs, x, 0.1))
    square = training.accuracy(model, x, y, lambda *given: attacks.square(*given, 0.1, queries=200))
    assert training.accuracy(model, x, y, lambda *given: attacks.pgd(*given, 0.1)) <= square < noise


@pytest.mark.parametrize("wrong", [0, 1], ids=["all right", "all wrong already"])
@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_no_model_is_asked_about_no_images(wrong, epsilon):
    """One that reshapes cannot answer: where all samples have left, an attack ends."""
    weights = torch.randn(16, 3, generator=seeded(1))

    def model(x):
        assert len(x)
        return x.reshape(len(x), -1) @ weights

    x = torch.rand(5, 1, 4, 4, generator=seeded(0))
    y = (model(x).argmax(1) + wrong) % 3
    early = {"steps": 3, "until_fooled": True}
    for options in ({"restarts": 3}, {"random_start": True}, {"restarts": 3, "random_start": True}):
        attacks.pgd(model, x, y, epsilon, **options, **early, generator=seeded(0))
    attacks.strongest(model, x, y, epsilon, generator=seeded(0))
    attacks.square(model, x, y, epsilon, queries=30, generator=seeded(0))
    attacks.one_pixel(model, x, y, generations=2, generator=seeded(0))
    attacks.lbfgs(model, x, (y + 1) % 3)


def test_the_strongest_attack_is_at_least_as_strong_as_each_other(digits):
    model, x, y = digits
    names = ("fgsm", "pgd", "pgd from random starts", "square", "strongest")
    fooled = {name: (model(x + ATTACKS[name](model, x, y)).argmax(1) != y).sum().item() for name in names}
    assert fooled["strongest"] == max(fooled.values()) and 0 < fooled["fgsm"] < fooled["strongest"] < 100


@pytest.mark.slow
@pytest.mark.parametrize("size", [2.0**-20, 2.0**20])
def test_the_size_of_the_logits_changes_nothing_for_the_strongest_attack(digits, size):
    model, x, y = digits
    plain, scaled = (attacks.strongest(lambda x, s=s: s * model(x), x, y, 0.1) for s in (1.0, size))
    assert torch.equal(plain, scaled) and (model(x + plain).argmax(1) != y).sum() > 50


def test_a_steep_network_that_is_undecided_everywhere_is_attacked():
    """Every margin is 0 at first: nothing says how large its logits are. The gradient of a sum is one number many times."""

    def model(x):
        slope = 2e8 * (x - 0.5).flatten(1).sum(1)
        return torch.stack([0 * slope, slope], 1)

    x, y = torch.full((3, 1, 4, 4), 0.5), torch.zeros(3).long()
    for attack in (attacks.strongest, attacks.pgd, attacks.fgsm):
        assert (model(x + attack(model, x, y, 0.1)).argmax(1) == 1).all()


def test_small_logits_do_not_end_the_search_for_pixels(digits):
    model, x, y = digits
    options = {"pixels": 3, "population": 60, "generations": 20}
    found = [attacks.one_pixel(lambda x, s=s: s * model(x), x[:6], y[:6], **options) for s in (1.0, 1e-6)]
    plain, small = ((model(x[:6] + delta).argmax(1) != y[:6]).sum() for delta in found)
    assert small >= plain > 3


@pytest.mark.slow
@pytest.mark.parametrize("attack", ["pgd", "strongest", "lbfgs"])
def test_a_batch_that_takes_several_passes_gives_what_one_pass_gives(digits, monkeypatch, attack):
    model, x, y = digits
    counted, sizes = counting(model)
    whole = ATTACKS[attack](model, x[:50], y[:50])
    monkeypatch.setattr(attacks, "PASS", 16)
    parts = ATTACKS[attack](counted, x[:50], y[:50])
    assert sizes[:4] == [13, 13, 13, 11]
    away = (whole - parts).flatten(1).abs().amax(1)
    if attack != "lbfgs":
        assert away.max() < 1e-5
        return
    # rounding that differs sends a quasi-Newton method to other points, of the same length
    lengths = [delta.flatten(1).norm(dim=1) for delta in (whole, parts)]
    assert torch.equal(*(model(x[:50] + delta).argmax(1) for delta in (whole, parts)))
    assert torch.allclose(*lengths, rtol=0.02) and away.median() < 1e-3 and away.max() < 0.1 * lengths[0].mean()


def test_no_image_is_scored_twice_in_the_search_for_one_pixel():
    asked, tried, x = [], 0, 0.25 + 0.001 * torch.rand(1, 1, 8, 8, generator=seeded(0))  # no pixel has one of 256 levels

    def recorded(x):
        asked.extend(image.numpy().tobytes() for image in x)
        return torch.stack([x.flatten(1).sum(1), 0 * x.flatten(1).sum(1)], 1)

    for _, (candidates, *_) in zip(range(21), attacks.one_pixel_candidates(recorded, x, torch.tensor([0])), strict=False):
        tried += len(candidates)
    assert tried == 21 * 400 and 400 < len(asked) == len(set(asked)) < tried / 2


# ---- the smallest perturbation -----------------------------------------------------------------------


def test_lbfgs_reaches_the_minimal_distance_on_a_linear_model():
    w = normal(0, 30)
    x = 0.4 + 0.2 * uniform(1, 5, 30)
    model = binary(w)
    margin = x @ w
    delta = attacks.lbfgs(model, x, (margin < 0).long(), walk=100)
    assert torch.allclose(delta.norm(dim=1), margin.abs() / w.norm(), rtol=1e-5)
    assert torch.equal(model(x + delta).argmax(1), (margin < 0).long())


def test_lbfgs_reaches_the_minimal_distance_when_pixels_meet_the_box():
    # Minimal |delta| with w.delta = -m in the box: delta = -lambda w, cut to the box; bisection finds lambda.
    w, x = normal(0, 30), uniform(1, 4, 30) ** 3  # most pixels are nearly black
    score = x @ w
    box = attacks.project_linf(torch.full_like(x, -9.0), x, 9), attacks.project_linf(torch.full_like(x, 9.0), x, 9)
    goal = 0.7 * ((box[0] * w).clamp(max=0) + (box[1] * w).clamp(max=0)).sum(1)  # seven tenths of what is possible
    low, high = torch.zeros(4, 1).double(), torch.full((4, 1), 100.0).double()
    for _ in range(80):
        middle = (low + high) / 2
        enough = ((-middle * w).clamp(*box) @ w <= goal)[:, None]
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    exact = (-high * w).clamp(*box)
    assert ((exact == box[0]) | (exact == box[1])).sum() > 20
    for i in range(4):
        delta = attacks.lbfgs(binary(w, -(score + goal)[i].item()), x[i : i + 1], torch.tensor([0]), c_steps=20, max_iter=25)
        assert delta.norm().item() == pytest.approx(exact[i].norm().item(), rel=1e-3)


@pytest.mark.slow
def test_the_walk_does_not_run_away_where_its_own_direction_leads_down():
    """The target lies behind: all within 0.5 of a point. To be longer is to be further from it."""
    goal = torch.tensor([[-1.0, 0.2]], dtype=torch.float64)

    def look(delta, *_):
        away = delta - goal
        return 0.5 - away.norm(dim=1), -away / away.norm(dim=1, keepdim=True), away.norm(dim=1) < 0.5

    start, box = -goal.flip(1) + 0.8, torch.full((1, 2), 1e6, dtype=torch.float64)
    shares = [0.8 * math.cos(math.pi / 2 * step / 30) for step in range(30)] + [0.0]
    delta, _ = attacks._walk(look, start, -box, box, shares, torch.ones(1))
    assert (delta - goal).norm() < (start - goal).norm() and delta.norm() <= start.norm() + 1e-9


def test_lbfgs_reaches_its_target_where_a_robust_network_hides_its_gradient(digits):
    _, x, _ = digits
    robust = networks.load("mnist-robust")
    large = nn.functional.pad(nn.functional.interpolate(x[:20], size=20, mode="bilinear"), [4] * 4)
    target = (robust(large).argmax(1) + 1) % 10
    assert (robust(large + attacks.lbfgs(robust, large, target)).argmax(1) == target).all()


@pytest.mark.slow
def test_lbfgs_alone_is_as_short_as_from_the_end_of_a_walk(digits):
    model, x, y = digits
    x, target = x[:20], (y[:20] + 1) % 10
    alone, both = (attacks.lbfgs(model, x, target, walk=walk, c_steps=10) for walk in (1, 40))
    start = attacks.lbfgs(model, x, target, walk=1, c_steps=1, max_iter=1)
    alone, both, start = (delta.flatten(1).norm(dim=1).mean() for delta in (alone, both, start))
    assert both < 1.01 * alone < 0.9 * start


def test_lbfgs_needs_no_length_where_the_target_is_predicted(digits):
    model, x, y = digits
    assert not attacks.lbfgs(model, x[:3], y[:3], c_steps=5).any()


@pytest.mark.slow
def test_lbfgs_finds_shorter_perturbations_than_a_euclidean_ball_attack(digits):
    model, x, y = digits
    x, target = x[:5], (y[:5] + 1) % 10
    delta = attacks.lbfgs(model, x, target)
    length = delta.flatten(1).norm(dim=1)
    assert (model(x + delta).argmax(1) == target).all()
    ball = attacks.pgd(model, x, target, (0.9 * length).double(), targeted=True, norm="l2", steps=100)
    assert (model(x + ball).argmax(1) == target).double().mean() <= 0.2


@pytest.mark.slow
def test_lbfgs_is_as_short_as_its_peer_that_takes_as_many_passes(digits):
    foolbox = pytest.importorskip("foolbox")
    model, x, y = digits
    x, target = x[:50], (y[:50] + 1) % 10
    counted, sizes = counting(model)
    ours = attacks.lbfgs(counted, x, target)
    peer, goal = foolbox.attacks.DDNAttack(steps=len(sizes)), foolbox.criteria.TargetedMisclassification(target)
    theirs = peer(foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), x, goal, epsilons=None)[1] - x
    assert (model(x + ours).argmax(1) == target).all() and len(sizes) < 160
    assert ours.flatten(1).norm(dim=1).mean() < theirs.flatten(1).norm(dim=1).mean()


# ---- wrong arguments ---------------------------------------------------------------------------------

X, Y = torch.full((2, 1, 4, 4), 0.5), torch.tensor([0, 1])
NET = mlp(16, 3)
WITH_RADIUS = [attacks.fgsm, attacks.pgd, attacks.square, attacks.strongest]


def short(attack, model=NET, x=X, y=Y):
    """Call an attack of any kind with small settings."""
    if attack in WITH_RADIUS:
        return attack(model, x, y, 0.1)
    if attack is attacks.lbfgs:
        return attack(model, x, y, c_steps=2, max_iter=2)
    return attack(model, x, y, population=6, generations=1)


with_all = pytest.mark.parametrize("attack", [*WITH_RADIUS, attacks.lbfgs, attacks.one_pixel], ids=lambda one: one.__name__)


@pytest.mark.parametrize("attack", WITH_RADIUS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("epsilon", [-0.1, math.nan, math.inf, torch.tensor([0.1, -0.1]), torch.tensor([0.1, math.nan])])
def test_an_epsilon_that_is_no_radius_is_refused(attack, epsilon):
    with pytest.raises(ValueError, match="epsilon must be finite and >= 0, in units of pixels; got .*(-0.1|nan|inf)"):
        attack(NET, X, Y, epsilon)


@pytest.mark.parametrize("attack", WITH_RADIUS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("shape", [(1,), (3,), (2, 1), (2, 1, 1, 1)])
def test_an_epsilon_of_the_wrong_shape_is_refused(attack, shape):
    with pytest.raises(ValueError, match=r"epsilon must be a number or have shape \(2,\)"):
        attack(NET, X, Y, torch.full(shape, 0.1))


def test_a_projection_refuses_what_it_cannot_project():
    with pytest.raises(ValueError, match="delta must be like x"):
        attacks.project_linf(torch.zeros(1), X, 0.1)
    with pytest.raises(ValueError, match="delta must be like x"):
        attacks.project_linf(X.double(), X, 0.1)
    with pytest.raises(ValueError, match="delta must hold numbers, got NaN"):
        attacks.project_linf(X * math.nan, X, 0.1)
    with pytest.raises(ValueError, match="epsilon must be finite and >= 0"):
        attacks.project_linf(X, X, -1)


@with_all
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (X + 0.6, ValueError, r"x must lie in \[0, 1\], got values from 1.1 to 1.1"),
        (X - 0.6, ValueError, r"x must lie in \[0, 1\]"),
        (X * math.nan, ValueError, r"x must lie in \[0, 1\], got values from nan"),
        ((255 * X).to(torch.uint8), TypeError, "x must be a tensor of floats .* got torch.uint8 .*divide by 255"),
        ((0 * X).long(), TypeError, "x must be a tensor of floats"),
        (X.numpy(), TypeError, "x must be a tensor of floats .* got ndarray"),
        (X[:0], ValueError, r"x must hold at least one sample, got shape \(0, 1, 4, 4\)"),
        (X[0], ValueError, r"x must have shape \(n, ...\).*one image: x\[None\]"),
        (X[:1], ValueError, r"x must have shape \(n, ...\), n >= 1, and \w+ shape \(n,\); got \(1, 1, 4, 4\) and \(2,\)"),
    ],
)
def test_images_that_are_none_are_refused(attack, x, error, message):
    with pytest.raises(error, match=message):
        short(attack, x=x)


@with_all
@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (torch.tensor([0, 3]), ValueError, r"labels must lie in 0..2 \(the model has 3 classes\), got 3"),
        (torch.tensor([0, -1]), ValueError, "must lie in 0..K-1, got -1"),
        (torch.tensor([0.0, 1.0]), TypeError, "must be a tensor of int64 labels, got torch.float32"),
        (torch.tensor([0, 1], dtype=torch.int32), TypeError, "must be a tensor of int64 labels, got torch.int32"),
        ([0, 1], TypeError, "must be a tensor of int64 labels, got list"),
        (torch.tensor([[0], [1]]), ValueError, r"x must have shape \(n, ...\)"),
        (torch.tensor([0, 1, 2]), ValueError, r"got \(2, 1, 4, 4\) and \(3,\)"),
    ],
)
def test_labels_that_are_none_are_refused(attack, y, error, message):
    if attack is attacks.one_pixel and isinstance(y, torch.Tensor) and y.shape == (2,) and y.dtype == torch.int64:
        y = y.flip(0)  # it goes image by image
    with pytest.raises(error, match=message):
        short(attack, y=y)


@with_all
@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (lambda x: NET(x) * math.nan, FloatingPointError, "the model returned NaN"),
        (lambda x: NET(x) + torch.tensor([math.inf, 0, 0]), FloatingPointError, "the model returned NaN or infinite logits"),
        (lambda x: NET(x) - math.inf, FloatingPointError, "the model returned NaN or infinite logits"),
        (lambda x: NET(x)[:, 0], ValueError, r"must return logits of shape \(\d+, K\) with K >= 2, got torch.float32 \(\d+,\)"),
        (lambda x: NET(x)[:, :1], ValueError, "with K >= 2"),
        (lambda x: NET(x)[:1].expand(7, 3), ValueError, r"got torch.float32 \(7, 3\)"),
        (lambda x: [NET(x)], ValueError, "got list"),
        (lambda x: NET(x).detach().numpy(), ValueError, "got ndarray"),
        (lambda x: None, ValueError, "got NoneType"),
    ],
)
def test_models_that_return_no_logits_are_refused(attack, model, error, message):
    with pytest.raises(error, match=message):
        short(attack, model=model)


@pytest.mark.parametrize("attack", [attacks.fgsm, attacks.pgd, attacks.strongest, attacks.lbfgs], ids=lambda one: one.__name__)
def test_a_model_without_a_gradient_is_refused(attack):
    with pytest.raises(ValueError, match="logits must have a gradient in x, got detached ones"):
        short(attack, model=lambda x: NET(x).detach())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": "up"}, "direction must be one of .*'sign', 'gradient'.* got 'up'"),
        ({"norm": "l1"}, "norm must be one of .* got 'l1'"),
        ({"loss": "mse"}, "loss must be one of .* got 'mse'"),
        ({"steps": 0}, "steps must be an integer >= 1, got 0"),
        ({"targeted": "no"}, "targeted must be one of .* got 'no'"),
        ({"steps": 2.5}, "steps must be an integer >= 1, got 2.5"),
        ({"restarts": 0}, "restarts must be an integer >= 1, got 0"),
        ({"until_fooled": True, "keep_best": False}, "until_fooled needs keep_best"),
        ({"eta": -1.0}, "eta must be finite and >= 0"),
        ({"eta": math.nan}, "eta must be finite and >= 0"),
        ({"eta": torch.tensor([0.1])}, r"eta must be a number or have shape \(2,\)"),
    ],
)
def test_options_of_pgd_that_do_not_exist_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        attacks.pgd(NET, X, Y, 0.1, **options)


@pytest.mark.parametrize(
    "call",
    [
        lambda: attacks.square(NET, X, Y, 0.1, queries=0),
        lambda: attacks.one_pixel(NET, X, Y, pixels=0),
        lambda: attacks.one_pixel(NET, X, Y, population=3),
        lambda: attacks.one_pixel(NET, X, Y, generations=0),
        lambda: attacks.lbfgs(NET, X, Y, c_steps=0),
        lambda: attacks.lbfgs(NET, X, Y, max_iter=0),
    ],
)
def test_counts_below_one_are_refused(call):
    with pytest.raises(ValueError, match=r"must be an integer >= \d, got \d"):
        call()


@pytest.mark.parametrize("attack", [attacks.one_pixel, attacks.square], ids=lambda one: one.__name__)
def test_attacks_on_pixels_want_images(attack):
    with pytest.raises(ValueError, match=r"x must be images \(n, c, h, w\), got shape \(\d, 16\)"):
        short(attack, x=X.flatten(1))
    if attack is attacks.one_pixel:
        with pytest.raises(ValueError, match=r"x must be images"):  # before the model is asked, which may say something else
            attack(torch.nn.Conv2d(1, 1, 3), X.flatten(1), torch.tensor([0, 1]))


def test_a_direction_that_does_not_exist_is_refused_in_the_ball_too():
    with pytest.raises(ValueError, match="direction must be one of"):
        attacks.projected_ascent(lambda delta: delta, X, 0.1, 0.1, 1, direction="raw")


# ---- boxes, classes and gradients at their edges ------------------------------------------------------


@pytest.mark.parametrize(("mean", "std"), [(0.1307, 0.3081), (0.485, 0.229), (0.456, 0.224), (0.406, 0.225), (0.4914, 0.2023)])
def test_the_box_of_normalised_images_is_that_of_their_type(mean, std):
    low, high = (0 - mean) / std, (1 - mean) / std
    x = (torch.tensor([[0.0, 1.0]]) - mean) / std
    model = linear(torch.tensor([[1.0, 2.0], [-1.0, 1.0]]))
    delta = attacks.pgd(model, x, torch.tensor([0]), 0.5, low=low, high=high, steps=3)
    attacks.pgd(model, x + delta, torch.tensor([0]), 0.5, low=low, high=high, steps=3)  # is an image again
    for box in ({"low": low, "high": high}, {"low": -0.1, "high": 0.1}):
        z = torch.full((1, 2), 0.05)
        moved = z + attacks.project_linf(torch.ones_like(z), z, 9.0, **box)
        attacks.project_linf(moved, moved, 9.0, **box)


def test_a_class_of_probability_zero_hides_no_other_sample():
    def model(x):
        return torch.stack([x[:, 0], x[:, 1], torch.full_like(x[:, 0], -math.inf)], 1)

    x, y = torch.tensor([[0.6, 0.5], [0.9, 0.1]]), torch.tensor([0, 2])
    delta = attacks.strongest(model, x, y, 0.1)
    assert model(x + delta)[0].argmax() == 1 and (delta[1] == 0).all()
    found = attacks.lbfgs(model, x, torch.tensor([1, 2]))
    assert model(x + found)[0].argmax() == 1 and found.isfinite().all()


def test_lbfgs_warns_of_a_gradient_that_is_zero():
    with pytest.warns(RuntimeWarning, match="zero for 4 of 4 samples"):
        attacks.lbfgs(
            lambda x: 0 * x[:, :3] + torch.tensor([0.0, 1.0, 2.0]), uniform(0, 4, 16), torch.zeros(4, dtype=torch.int64)
        )


@pytest.mark.parametrize("epsilon", [1e-4, 3e-4, 1e-3, 1e-2, 1.0])
def test_no_rounding_of_small_entries_carries_delta_out_of_a_euclidean_ball_in_float16(epsilon):
    x = torch.zeros(1, 3, 64, 64, dtype=torch.float16)
    model = binary(1e-3 * torch.ones(3 * 64 * 64))
    delta = attacks.pgd(lambda v: model(v.flatten(1).float()), x, torch.tensor([0]), epsilon, norm="l2", steps=3, keep_best=False)
    assert 0.8 * epsilon < delta.double().norm() <= epsilon


@pytest.mark.parametrize("keep_best", [False, True])
def test_an_infinite_step_ends_on_the_sphere(keep_best):
    x, y, epsilon = torch.tensor([[0.5, 0.5]]), torch.tensor([0]), 0.1
    options = {"norm": "l2", "direction": "gradient", "eta": 1e34, "steps": 1, "loss": "margin", "keep_best": keep_best}
    delta = attacks.pgd(lambda x: x * 1e5, x, y, epsilon, **options)
    assert 0.99 * epsilon < delta.norm() <= epsilon
