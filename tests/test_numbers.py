"""Numbers of every type, and training that says what is wrong before it starts."""

import functools
import math

import numpy as np
import pytest
import torch
from torch import nn

from lecture_utils import attacks, concentration, data, initialization, networks, robustness, training
from test_matrix import flat


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def linear(dtype=torch.float32):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).to(dtype)


def problem(n=6, dtype=torch.float32):
    return torch.rand(n, 1, 4, 4, generator=seeded(0)).to(dtype), torch.arange(n) % 3


ATTACKS = {"fgsm": {}, "pgd": {"steps": 3}, "square": {"queries": 20}, "strongest": {}}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_logits_may_have_another_type_than_the_pixels(name, dtype):
    x, y = problem(dtype=torch.float64)
    model = linear(torch.float64)
    delta = getattr(attacks, name)(lambda x: model(x).to(dtype), x, y, 0.05, **ATTACKS[name])
    assert delta.dtype == x.dtype and delta.abs().max() <= 0.05 and (x + delta).aminmax()[1] <= 1
    assert (delta != 0).any()


@pytest.mark.parametrize("epsilon", ["a lot", None, True, 1j])
def test_epsilon_is_a_number(epsilon):
    with pytest.raises(TypeError, match="epsilon must be a number"):
        attacks.pgd(linear(), *problem(), epsilon)


def test_numpy_integers_are_integers_and_bools_are_not():
    delta = attacks.pgd(linear(), *problem(), np.float64(0.1), steps=np.int64(2))
    assert torch.equal(delta, attacks.pgd(linear(), *problem(), 0.1, steps=2))
    with pytest.raises(ValueError, match="steps must be an integer"):
        attacks.pgd(linear(), *problem(), 0.1, steps=True)


# What takes a count, called with a kind of integer: torch's split and interpolate insist on Python's
COUNTS = {
    "accuracy": lambda kind: training.accuracy(linear(), *problem(), batch_size=kind(4)),
    "risk": lambda kind: training.risk(linear(), *problem(), batch_size=kind(4)),
    "fit": lambda kind: training.fit(linear(), *problem(), epochs=kind(2), batch_size=kind(4), progress=False).loss,
    "square": lambda kind: attacks.square(linear(), *problem(), 0.1, queries=kind(9)).tolist(),
    "one_pixel": lambda kind: attacks.one_pixel(
        linear(), *problem(1), pixels=kind(2), population=kind(8), generations=kind(3)
    ).tolist(),
    "centre": lambda kind: data.centre(problem()[0], kind(2)).tolist(),
    "sphere": lambda kind: data.sphere(kind(3), kind(4)).tolist(),
    "equicorrelated": lambda kind: data.equicorrelated(kind(3), kind(5), 0.2).tolist(),
    "naive_sampler": lambda kind: flat(initialization.naive_sampler(kind(3), kind(4), torch.cos, kind(5), seeded(0))),
    "conditional_sampler": lambda kind: flat(initialization.conditional_sampler(kind(3), kind(4), torch.cos, kind(5), seeded(0))),
    "clt_distance": lambda kind: concentration.clt_distance(torch.relu, kind(10)),
    "chi2_bound": lambda kind: concentration.chi2_bound(kind(10), 0.1, "exact"),
    "certified_step": lambda kind: initialization.certified_step(kind(9000), kind(9000), 0.1, 0.46, 0.34, 0.77, 0.63),
    "trained_network": lambda kind: flat(robustness.trained_network(data.sphere(2, 8), torch.tensor([1, -1]), width=kind(8))),
}


@pytest.mark.parametrize("name", COUNTS)
def test_numpys_integers_count_as_pythons(name):
    assert COUNTS[name](np.int64) == COUNTS[name](int)


@pytest.mark.parametrize("value", [0, -1, 2.5, "four", None])
def test_a_batch_size_that_is_no_count_is_refused(value):
    for call in (training.accuracy, training.risk, functools.partial(training.fit, epochs=1, progress=False)):
        with pytest.raises(ValueError, match=f"batch_size must be an integer >= 1, got {value!r}"):
            call(linear(), *problem(), batch_size=value)


@pytest.mark.parametrize("option", ["learning_rate", "warmup", "average"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "half", None, True])
def test_options_of_training_that_are_no_share_or_size_are_refused(option, value):
    number = isinstance(value, int | float) and value is not True
    error, ends = (ValueError, " from 0 to (1|inf)") if number else (TypeError, "")
    with pytest.raises(error, match=f"{option} must be a number{ends}, got {value!r}"):
        training.fit(linear(), *problem(), epochs=1, progress=False, **{option: value})


@pytest.mark.parametrize(
    "wrong", [lambda f: (f, None), lambda f: {"logits": f}, lambda f: f / 0], ids=["tuple", "dict", "infinite"]
)
def test_verdicts_want_logits(wrong):
    with pytest.raises((ValueError, FloatingPointError), match="the model (must return logits|returned NaN)"):
        networks.verdicts(lambda x: wrong(linear()(x)), problem()[0])


@pytest.mark.parametrize("name", ["alex", None, 3, []])
def test_weights_of_no_network_are_told(name):
    for call in (networks.has_weights, networks.pretrained):
        with pytest.raises(ValueError, match="name must be a classification model of torchvision"):
            call(name)


@pytest.mark.parametrize("name", ["verdicts", "accuracy", *ATTACKS, "one_pixel", "lbfgs"])
def test_a_model_that_works_in_place_leaves_the_image_alone(name):
    x, y = problem()
    before, model = x.clone(), nn.Sequential(nn.Threshold(0.5, 0.0, inplace=True), linear())
    model.categories = "abc"
    small = {"one_pixel": {"population": 4, "generations": 1}, "lbfgs": {"max_iter": 1, "walk": 1}}
    if name == "verdicts":
        networks.verdicts(model, x)
    elif name == "accuracy":
        training.accuracy(model, x, y)
    else:
        getattr(attacks, name)(model, x, y, *[0.1] * (name in ATTACKS), **(ATTACKS | small)[name])
    assert torch.equal(x, before)


@pytest.mark.parametrize(("n", "size"), [(5, 4), (129, 128)])
def test_a_last_batch_of_one_joins_the_one_before(n, size):
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 3))
    history = training.fit(model, *problem(n), epochs=1, batch_size=size, progress=False)
    assert len(history.loss) == 1


@pytest.mark.parametrize("delta", [None, torch.zeros(4), torch.zeros(6, 1, 4, 4).long().tolist()], ids=["none", "shape", "list"])
def test_an_attack_that_returns_no_delta_is_told(delta):
    with pytest.raises(ValueError, match="attack must return a delta of shape"):
        training.accuracy(linear(), *problem(), lambda *given: delta)


def test_images_and_pairs_that_are_none_are_told_before_training():
    x, y = problem()
    with pytest.raises(TypeError, match=r"x must be a tensor of floats, got torch\.int64"):
        training.accuracy(linear(), x.long(), y)
    with pytest.raises(TypeError, match="validation must be a pair"):
        training.fit(linear(), x, y, epochs=1, validation=x, progress=False)
    model = linear()
    step = functools.partial(training.free_step, model, torch.optim.SGD(model.parameters(), lr=0.0), y=y, epsilon=0.1)
    assert step(x=x.clone().requires_grad_()) == step(x=x)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_training_without_gradients_is_refused_at_the_start(mode):
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with mode(), pytest.raises(ValueError, match="training needs gradients"):
        training.fit(model, *problem(), epochs=1, progress=False)
    with mode(), pytest.raises(ValueError, match="training needs gradients"):
        training.adv_train_step(model, optimizer, *problem(), 0.1, 0.1, 2)
    with mode(), pytest.raises(ValueError, match="training needs gradients"):
        training.free_step(model, optimizer, *problem(), epsilon=0.1)


def test_a_checkpoint_that_is_none_or_of_another_run_is_named(tmp_path):
    file, (x, y) = tmp_path / "run.pt", problem()
    options = {"epochs": 1, "progress": False, "checkpoint": file}
    training.fit(linear(), x, y, **options)
    whole = file.read_bytes()
    with pytest.raises(ValueError, match="on other data"):
        training.fit(linear(), x.flip(0), y, **options)
    training.fit(linear(), x, y, **options | {"epochs": np.int64(1), "learning_rate": np.float64(2e-3), "warmup": 0})  # the same
    for other in ({"epochs": 2}, {"batch_size": 7}, {"learning_rate": 0.1}, {"average": 0.5}, {"attack": lambda *given: 0.0}):
        with pytest.raises(ValueError, match="with other options"):
            training.fit(linear(), x, y, **options | other)
    assert file.read_bytes() == whole
    with pytest.raises(ValueError, match="another network"):
        training.fit(nn.Sequential(nn.Flatten(), nn.Linear(16, 4)), x, y, **options)
    for content in (b"", whole[: len(whole) // 2], b"junk" * 100):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="no checkpoint that can be read"):
            training.fit(linear(), x, y, **options)
