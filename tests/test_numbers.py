"""Numbers of every type, and training that says what is wrong before it starts."""

import numpy as np
import pytest
import torch
from torch import nn

from lecture_utils import attacks, networks, training


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


def test_a_model_that_works_in_place_leaves_the_image_alone():
    model = nn.Sequential(nn.ReLU(inplace=True), linear())
    model.categories = "abc"
    x = problem()[0] - 0.5
    before = x.clone()
    networks.verdicts(model, x)
    assert torch.equal(x, before)


@pytest.mark.parametrize(("n", "size"), [(5, 4), (129, 128)])
def test_a_last_batch_of_one_joins_the_one_before(n, size):
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 3))
    history = training.fit(model, *problem(n), epochs=1, batch_size=size, progress=False)
    assert len(history.loss) == 1


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_training_without_gradients_is_refused_at_the_start(mode):
    with mode(), pytest.raises(ValueError, match="fit needs gradients"):
        training.fit(linear(), *problem(), epochs=1, progress=False)


def test_a_checkpoint_that_is_none_or_of_another_run_is_named(tmp_path):
    file, (x, y) = tmp_path / "run.pt", problem()
    options = {"epochs": 1, "progress": False, "checkpoint": file}
    training.fit(linear(), x, y, **options)
    whole = file.read_bytes()
    with pytest.raises(ValueError, match="on other data"):
        training.fit(linear(), x.flip(0), y, **options)
    with pytest.raises(ValueError, match="another network"):
        training.fit(nn.Sequential(nn.Flatten(), nn.Linear(16, 4)), x, y, **options)
    for content in (b"", whole[: len(whole) // 2], b"junk" * 100):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="no checkpoint that can be read"):
            training.fit(linear(), x, y, **options)
