"""Every attack, whatever the types, devices and modes around it: feasible, not blind, and as in the plain case."""

import contextlib
import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from lecture_utils import attacks, concentration, data, initialization, linear, robustness, training

pytestmark = pytest.mark.slow  # every attack in every type, 280 tests
HALF, BRAIN, SINGLE, DOUBLE = DTYPES = torch.float16, torch.bfloat16, torch.float32, torch.float64
RADIUS = {"fgsm": 0.25, "pgd": 0.25, "strongest": 0.25, "square": 0.25, "l2": 2.0}
OPTIONS = {
    "fgsm": {}, "strongest": {}, "pgd": {"steps": 3}, "l2": {"steps": 3, "norm": "l2"}, "square": {"queries": 100},
    "lbfgs": {"c_steps": 3, "max_iter": 4}, "one_pixel": {"pixels": 16, "population": 40, "generations": 6},
}  # fmt: skip
every_attack = pytest.mark.parametrize("name", OPTIONS)


class Brightness(nn.Module):
    """Two logits for images (n, 1, 8, 8): a convolution, a bend, and whether the result is above that of 0.47 everywhere."""

    def __init__(self, dtype=SINGLE):
        super().__init__()
        with torch.device("cpu"):
            self.conv, self.head = nn.Conv2d(1, 1, 3, padding=1, dtype=dtype), nn.Linear(64, 2, dtype=dtype)
        with torch.no_grad():
            self.conv.weight.fill_(0.125), self.conv.bias.zero_()
            self.head.weight.copy_(torch.tensor([[-0.5], [0.5]], device="cpu").expand(2, 64))
            self.head.bias.zero_()
            self.head.bias.copy_(
                -self.head(torch.tanh(self.conv(torch.full((1, 1, 8, 8), 0.47, dtype=dtype, device="cpu"))).flatten(1))[0]
            )

    def forward(self, x):
        return self.head(torch.tanh(self.conv(x)).flatten(1))


def problem(dtype=SINGLE):
    """Return four images, and the labels that ``Brightness`` gives them."""
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator("cpu").manual_seed(1), dtype=SINGLE, device="cpu")
    return x.to(dtype), torch.ones(4, dtype=torch.int64, device="cpu")


def solve(name, model, x, y, epsilon=None):
    """Return delta of an attack; a targeted one aims at the other class."""
    epsilon = RADIUS.get(name) if epsilon is None else epsilon
    attack = getattr(attacks, "pgd" if name == "l2" else name)
    if name == "lbfgs":
        return attack(model, x, 1 - y, **OPTIONS[name])
    return attack(model, x, y, *([] if name == "one_pixel" else [epsilon]), **OPTIONS[name])


def assert_sound(name, delta, model, x, y, fooled=1.0):
    """Assert that delta is feasible to the last bit, and that it fools."""
    assert delta.shape == x.shape and delta.dtype == x.dtype and delta.device == x.device and not delta.requires_grad
    moved, flat = x + delta, delta.double().flatten(1)
    assert moved.min() >= 0 and moved.max() <= 1
    if name in RADIUS:
        assert (flat.norm(dim=1) if name == "l2" else flat.abs().amax(1)).max() <= RADIUS[name]
    if name == "lbfgs":  # it ends on the boundary, where the same model says this or that
        moved = (x + 1.05 * delta).clamp(0, 1)
    with torch.no_grad():
        assert (model(moved).argmax(1) != y).double().mean() >= fooled


@contextlib.contextmanager
def defaults(dtype=SINGLE, device="cpu"):
    """Run a block under another default dtype and default device."""
    before = torch.get_default_dtype(), torch.get_default_device()
    torch.set_default_dtype(dtype), torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_dtype(before[0]), torch.set_default_device(None)


@every_attack
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_any_type_any_default_type_any_default_device(name, dtype):
    (x, y), model, found = problem(dtype), Brightness(dtype).eval(), []
    for default, device in ((SINGLE, "cpu"), (DOUBLE, "meta"), (BRAIN, "cpu")):
        with defaults(default, device):
            found.append(solve(name, model, x, y))
    if name in RADIUS:
        assert not solve(name, model, x[:1], y[:1], torch.zeros(1)).any() and not solve(name, model, x[:1], y[:1], 0.0).any()
    assert_sound(name, found[0], model, x, y)
    assert all(torch.equal(delta, found[0]) for delta in found)


@every_attack
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("answer", DTYPES, ids=str)
def test_logits_of_any_type(name, dtype, answer):
    (x, y), model = problem(dtype), Brightness(dtype).eval()
    assert_sound(name, solve(name, lambda x: model(x).to(answer), x, y), model, x, y, 0.75)


@pytest.mark.parametrize("name", ["fgsm", "pgd", "l2", "strongest", "lbfgs"])
def test_a_confident_network_in_float16_does_not_blind_an_attack(name):
    (x, y), model = problem(HALF), Brightness(HALF).eval()
    confident = lambda x: 20 * model(x).float()  # noqa: E731 - the probability of the other class is below 1e-9: no float16
    with warnings.catch_warnings(action="error"):
        assert_sound(name, solve(name, confident, x, y), model, x, y)


@every_attack
@pytest.mark.parametrize("dtype", [SINGLE, DOUBLE], ids=str)
def test_autocast_around_an_attack_is_the_models_and_does_not_outlast_it(name, dtype):
    (x, y), model = problem(dtype), Brightness(dtype)
    with torch.autocast("cpu", BRAIN):
        assert_sound(name, solve(name, model, x, y), model, x, y, 0.75)
        model(x).float().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())  # none hidden by a cached cast without gradient


def around(name):
    """Return the ways in which the same attack may be called, by name: each returns delta."""
    (x, y), model = problem(), Brightness().eval()
    radius = torch.full((4,), RADIUS.get(name, 0.0))

    def made_inside():
        with torch.inference_mode():
            late = Brightness().eval(), x.clone(), y.clone(), radius.clone() if name in RADIUS else None
        return solve(name, *late)

    def all_inside():
        with torch.inference_mode():
            return solve(name, Brightness().eval(), x.clone(), y.clone(), radius.clone())

    def without_gradients():
        with torch.no_grad():
            return solve(name, model, x, y)

    def in_place(x):
        x = x.mul_(2).div_(2)
        return model(x)

    frozen = copy.deepcopy(model).requires_grad_(False)
    return {
        "made in inference mode": made_inside,
        "in inference mode": all_inside,
        "under no_grad": without_gradients,
        "requires_grad": lambda: solve(name, model, x.clone().requires_grad_(), y, radius.clone().requires_grad_()),
        "a part of a graph": lambda: solve(
            name, model, x.clone().requires_grad_() * 1.0, y, radius.clone().requires_grad_() * 1.0
        ),
        "frozen parameters": lambda: solve(name, frozen, x, y),
        "channels last": lambda: solve(
            name, copy.deepcopy(model).to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last), y
        ),
        "batch last": lambda: solve(name, model, x.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2), y),
        "every other pixel": lambda: solve(name, model, x.repeat_interleave(2, -1)[..., ::2], y.repeat_interleave(2)[::2]),
        "a model that works in place": lambda: solve(name, in_place, x, y),
        "epsilon of another type": lambda: solve(name, model, x, y, radius.double()),
        "numpy": lambda: solve(name, model, x, y, np.float32(RADIUS.get(name, 0.0))),
    }


@every_attack
@pytest.mark.parametrize("way", around("fgsm"))
def test_the_same_attack_called_in_another_way(name, way):
    (x, y), model = problem(), Brightness()
    expected, delta = solve(name, model, x, y), around(name)[way]()
    assert_sound(name, delta, model, x, y)
    assert torch.allclose(delta, expected, atol=1e-5 if name != "lbfgs" else 1e-2)
    assert all(parameter.grad is None for parameter in model.parameters())


@every_attack
def test_one_image_many_times(name):
    x, y = problem()
    for many in (x[:1].expand(4, -1, -1, -1), x[:, :, :1].expand(-1, -1, 8, -1)):
        labels = Brightness()(many).argmax(1)
        delta = solve(name, Brightness(), many, labels)
        assert torch.allclose(delta, solve(name, Brightness(), many.clone(), labels), atol=1e-5)


@every_attack
def test_a_model_made_in_inference_mode_is_left_as_it_was(name):
    (x, y), model = problem(), Brightness()
    with torch.inference_mode():
        model.conv.weight, model.head = (
            nn.Parameter(model.conv.weight.clone()),
            nn.Sequential(Brightness().head, nn.BatchNorm1d(2)),
        )
    before = [*model.parameters(), *model.buffers()]
    solve(name, model, x, y)
    assert all(part is old for part, old in zip([*model.parameters(), *model.buffers()], before, strict=True))
    assert model.training and model.head[1].num_batches_tracked == 0


def test_a_function_around_a_model_made_in_inference_mode_is_told():
    with torch.inference_mode():
        model = Brightness()
    with pytest.raises(ValueError, match="make it outside"):
        solve("pgd", lambda x: model(x), *problem())


@every_attack
@pytest.mark.parametrize("pack", [lambda logits: (logits, None), lambda logits: {"logits": logits}], ids=["tuple", "dict"])
def test_a_model_that_returns_something_else_than_logits_is_told(name, pack):
    model = Brightness()
    with pytest.raises(ValueError, match="the model must return logits of shape .* got (tuple|dict)"):
        solve(name, lambda x: pack(model(x)), *problem())


@pytest.mark.parametrize("name", RADIUS)
def test_an_epsilon_of_levels_is_refused_and_one_that_is_zero_in_this_type_warns(name):
    x, y = problem(HALF)
    for epsilon in (16 if name == "l2" else 2, 255, torch.tensor([0.1, 0.1, 0.1, 100.0])):
        with pytest.raises(ValueError, match="divide by 255"):
            solve(name, Brightness(HALF), x, y, epsilon)
    with pytest.warns(RuntimeWarning, match="is 0 in torch.float16"):
        assert not solve(name, Brightness(HALF), x, y, 1e-9).any()


def test_accuracy_and_training_do_not_depend_on_the_defaults():
    found = []
    for default in (SINGLE, DOUBLE):
        with defaults(default):
            (x, y), model = problem(), Brightness()
            attack = training.pgd_attack(0.1, steps=2)
            for step in (None, lambda *batch: training.free_step(*batch, epsilon=0.1)):
                training.fit(model, x, y, epochs=1, validation=(x, y), attack=None if step else attack, step=step, progress=False)
            found.append([training.risk(model, x, y, attack), *model.conv.weight.flatten().tolist()])
    assert found[0] == found[1]


POINTS, SIDES = data.sphere(4, 9), torch.tensor([1.0, -1.0, 1.0, -1.0])
MATHEMATICS = {
    "sphere": lambda dice: data.sphere(3, 4),
    "equicorrelated": lambda dice: data.equicorrelated(3, 5, 0.2),
    "strict_radii": lambda dice: robustness.strict_radii(data.equicorrelated(3, 5, 0.2), SIDES[:3], 0.25),
    "exact_radius": lambda dice: robustness.exact_radius_l2(*robustness.robust_network(POINTS, SIDES, 0.9), POINTS, SIDES),
    "crown_radius": lambda dice: robustness.crown_radius(*robustness.robust_network(POINTS, SIDES, 0.9), POINTS, SIDES),
    "first_flip": lambda dice: robustness.first_flip_along_ray(
        *robustness.robust_network(POINTS, SIDES, 0.9), POINTS[0], SIDES[0].item(), POINTS[1]
    ),
    "trained_network": lambda dice: robustness.trained_network(POINTS, SIDES),
    "random_network": lambda dice: initialization.random_network(3, 4, torch.tanh, dice),
    "naive_sampler": lambda dice: initialization.naive_sampler(3, 4, torch.cos, 5, dice),
    "conditional_sampler": lambda dice: initialization.conditional_sampler(3, 4, torch.cos, 5, dice),
    "conditional_sampler, d = 1": lambda dice: initialization.conditional_sampler(3, 1, torch.cos, 5, dice),
    "gaussian_moments": lambda dice: concentration.gaussian_moments(torch.tanh, torch.cos),
    "assumption_constants": lambda dice: concentration.assumption_constants(torch.cos),
    "clt_error": lambda dice: concentration.clt_error(torch.relu, 30, [0.0, 0.5]),
    "clt_distance": lambda dice: concentration.clt_distance(torch.tanh, 30),
    "sample_tsipras": lambda dice: linear.sample_tsipras(0.9, 0.1, 3, 4, dice),
    "fit_robust_linear": lambda dice: linear.fit_robust_linear(POINTS, SIDES * POINTS[:, 0].sign(), 0.5),
}


def flat(value):
    """Return the numbers in a result, in order."""
    if isinstance(value, torch.Tensor):
        return value.flatten().tolist()
    return [number for part in value for number in flat(part)] if isinstance(value, tuple) else [value]


@pytest.mark.parametrize("name", MATHEMATICS)
@pytest.mark.parametrize("default", [{"device": "meta"}, {"dtype": HALF}, {"dtype": DOUBLE}], ids=str)
def test_the_mathematics_of_sections_2_to_4_does_not_depend_on_the_defaults(name, default):
    def found():
        concentration._quadrature.cache_clear()  # made under one default, it would serve under all
        return flat(MATHEMATICS[name](torch.Generator("cpu").manual_seed(0)))

    plain = found()
    with defaults(**default):
        assert found() == plain


def test_training_on_another_default_device_is_refused_at_the_start():
    with defaults(device="meta"), pytest.raises(ValueError, match="the default device is meta, but x is on cpu"):
        training.fit(Brightness(), *problem(), epochs=1, progress=False)
    with defaults(device="meta"):  # nothing else asks where it is
        (x, y), model = problem(), Brightness()
        assert training.accuracy(model, x, y, training.pgd_attack(0.25)) == 0
