"""Accuracies and risks are what they say; training is seeded, resumable, and stops where it diverges."""

import math

import pytest
import torch
from torch import nn

from lecture_utils import attacks, data, networks, training


@pytest.fixture(scope="module")
def digits():
    return networks.load("digits-standard"), *data.load("digits", "test")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def fgsm(model, x, y):
    return attacks.fgsm(model, x, y, 0.1)


def shift_one_class(model, x, y):
    """An attack in closed form on the model below: it fools the samples with y = 1, and only them."""
    return torch.where(y[:, None] == 1, -2 * x, torch.zeros_like(x))


def by_sign(x):
    return torch.cat([-x, x], 1)


POINTS = torch.tensor([[-0.5], [0.25], [0.5], [1.0]])
LABELS = torch.tensor([0, 1, 1, 0])

# ---- accuracy and risk -------------------------------------------------------------------------------


def test_the_accuracy_is_the_share_of_right_answers():
    assert training.accuracy(by_sign, POINTS, LABELS) == 0.75
    assert training.accuracy(by_sign, POINTS, LABELS, shift_one_class) == 0.25


def test_the_risk_is_the_mean_cross_entropy():
    losses = [math.log(1 + math.exp(-2 * margin)) for margin in (0.5, 0.25, 0.5, -1.0)]
    assert training.risk(by_sign, POINTS, LABELS) == pytest.approx(sum(losses) / 4, rel=1e-6)
    attacked = [math.log(1 + math.exp(-2 * margin)) for margin in (0.5, -0.25, -0.5, -1.0)]
    assert training.risk(by_sign, POINTS, LABELS, shift_one_class) == pytest.approx(sum(attacked) / 4, rel=1e-6)


@pytest.mark.parametrize("measure", [training.accuracy, training.risk])
def test_the_batch_size_changes_nothing(digits, measure):
    model, x, y = digits
    whole = measure(model, x, y, fgsm)
    for batch_size in (7, 100, 359, 361):  # the last batch of 7s has 3 samples: it counts for 3
        assert measure(model, x, y, fgsm, batch_size=batch_size) == pytest.approx(whole, abs=1e-6)


def test_an_attack_lowers_the_accuracy_and_raises_the_risk(digits):
    model, x, y = digits
    clean, attacked = (training.accuracy(model, x, y, attack) for attack in (None, fgsm))
    assert attacked < clean - 0.2
    assert training.risk(model, x, y, fgsm) > training.risk(model, x, y) + 0.5
    curve = [training.risk(model, x, y, lambda *given, e=e: attacks.pgd(*given, e, steps=5)) for e in (0.0, 0.02, 0.05, 0.1)]
    assert curve == sorted(curve)


@pytest.mark.parametrize("measure", [training.accuracy, training.risk])
@pytest.mark.parametrize("attack", [None, fgsm])
def test_measuring_leaves_the_model_as_it_was(measure, attack):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 10)).train()
    model[3].eval()
    x, y = (part[:50] for part in data.load("digits", "test"))
    state = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.get_rng_state()
    first = measure(model, x, y, attack)
    assert [layer.training for layer in model.modules()] == [True, True, True, True, False, True]
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert measure(model, x, y, attack) == first  # dropout has no say


def test_the_attack_sees_the_mode_that_the_model_is_in():
    # An attack of one's own may rely on it; the measurement itself is taken in evaluation mode.
    model, modes = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).train(), []

    def attack(model, x, y):
        modes.append(model.training)
        return torch.zeros_like(x)

    training.accuracy(model, torch.rand(3, 1, 8, 8), torch.tensor([0, 1, 2]), attack)
    assert modes == [True] and model.training


@pytest.mark.parametrize("measure", [training.accuracy, training.risk])
def test_measuring_refuses_what_it_cannot_measure(measure):
    with pytest.raises(ValueError, match=r"x must have shape \(n, ...\), n >= 1, and y shape \(n,\); got \(4, 1\) and \(3,\)"):
        measure(by_sign, POINTS, LABELS[:3])
    with pytest.raises(ValueError, match="n >= 1"):
        measure(by_sign, POINTS[:0], LABELS[:0])
    with pytest.raises(ValueError, match="labels must lie in 0..1 .*, got 2"):
        measure(by_sign, POINTS, LABELS * 2)
    with pytest.raises(ValueError, match="y must lie in 0..K-1, got -1"):
        measure(by_sign, POINTS, 2 * LABELS - 1)
    with pytest.raises(TypeError, match="y must be a tensor of int64 labels"):
        measure(by_sign, POINTS, LABELS.float())
    with pytest.raises(FloatingPointError, match="NaN"):
        measure(lambda x: by_sign(x) * math.nan, POINTS, LABELS)
    with pytest.raises(FloatingPointError, match="NaN"):
        measure(by_sign, POINTS, LABELS, lambda model, x, y: x * math.nan)


# ---- training ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    """A quarter of the digits."""
    x, y = data.load("digits", "train")
    return x[::4], y[::4]


def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return networks.small_cnn(8, 0.3, 0.4, widths=(4, 8), hidden=16)


def fit(small, model=None, **options):
    """Train for four short epochs; return the model and its history."""
    model = network() if model is None else model
    options = {"epochs": 4, "batch_size": 64, "learning_rate": 1e-2, "progress": False} | options
    return model, training.fit(model, *small, validation=small, **options)


def noise(x, generator):
    """An augmentation that draws random numbers."""
    return (x + 0.05 * torch.rand(x.shape, generator=generator)).clamp(0, 1)


def weights(model):
    return torch.cat([tensor.flatten() for tensor in model.state_dict().values()])


def test_training_learns_and_says_how_well(small):
    model, history = fit(small, epochs=8)
    assert history.loss == sorted(history.loss, reverse=True) and len(history.loss) == len(history.accuracy) == 8
    assert history.accuracy[-1] > 0.9 and history.accuracy[-1] == training.accuracy(model, *small)
    assert not model.training


def test_the_recorded_loss_is_the_mean_over_the_samples(small):
    # With a step size of next to nothing the loss of the epoch is the risk; the last, smaller batch counts for less.
    model, history = fit(small, epochs=1, learning_rate=1e-12, batch_size=100)
    assert len(small[0]) % 100 != 0
    assert history.loss[0] == pytest.approx(training.risk(model, *small), rel=1e-4)


@pytest.mark.parametrize("options", [{}, {"augment": noise}, {"attack": fgsm}])
def test_two_runs_give_the_same_weights(small, options):
    (first, one), (second, two) = fit(small, **options), fit(small, **options)
    assert torch.equal(weights(first), weights(second)) and one == two


def test_another_seed_another_order_gives_other_weights(small):
    first, second, third = (fit(small, generator=seeded(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(weights(first), weights(second)) and not torch.equal(weights(first), weights(third))
    assert torch.equal(weights(first), weights(fit(small)[0]))  # no generator is seed 0


def test_training_does_not_touch_the_global_random_state(small):
    before = torch.get_rng_state()
    fit(small, augment=noise, attack=fgsm, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_adversarial_training_makes_robust(small):
    plain, _ = fit(small, epochs=25)
    robust, _ = fit(small, epochs=25, attack=fgsm)
    assert training.accuracy(robust, *small, fgsm) > training.accuracy(plain, *small, fgsm) + 0.1


class Interrupted(Exception):
    pass


def interrupting(function, calls):
    """Return a function that works so many times, and then raises."""
    count = 0

    def interrupted(*arguments):
        nonlocal count
        count += 1
        if count > calls:
            raise Interrupted
        return function(*arguments)

    return interrupted


@pytest.mark.parametrize(("kind", "function"), [("augment", noise), ("attack", fgsm)])
@pytest.mark.parametrize("epochs_done", [0, 1, 3])
def test_an_interrupted_run_goes_on_to_the_same_weights(small, tmp_path, kind, function, epochs_done):
    whole, history = fit(small, **{kind: function})
    batches = -(-len(small[0]) // 64)
    file = tmp_path / "state.pt"
    with pytest.raises(Interrupted):
        fit(small, **{kind: interrupting(function, batches * epochs_done + 2)}, checkpoint=file)
    assert file.exists() == (epochs_done > 0)
    resumed, resumed_history = fit(small, **{kind: function}, checkpoint=file)
    assert torch.equal(weights(resumed), weights(whole)) and resumed_history == history
    assert [one.name for one in tmp_path.iterdir()] == ["state.pt"]


def test_a_finished_run_is_not_run_again(small, tmp_path):
    first, history = fit(small, checkpoint=tmp_path / "state.pt")
    again, same = fit(small, checkpoint=tmp_path / "state.pt", augment=interrupting(noise, 0))
    assert torch.equal(weights(first), weights(again)) and same == history


def test_a_loss_that_is_not_finite_raises(small):
    model = network()
    model[1].weight.data[0] = math.nan
    with pytest.raises(FloatingPointError, match="the training loss is nan in epoch 1: lower learning_rate"):
        fit(small, model)


def test_a_step_size_that_is_too_large_raises(small, tmp_path):
    with pytest.raises(FloatingPointError, match="epoch"):
        fit(small, learning_rate=1e30, checkpoint=tmp_path / "state.pt")
    assert not (tmp_path / "state.pt").exists()  # a diverged state is nothing to go on from


def test_training_refuses_labels_that_do_not_fit_the_images(small):
    x, y = small
    with pytest.raises(ValueError, match=r"x must have shape \(n, ...\)"):
        training.fit(network(), x, torch.cat([y, y]), epochs=1, validation=small, progress=False)


def test_the_step_size_rises_and_falls_once():
    shares = [training.one_cycle(step / 100) for step in range(101)]
    peak = shares.index(max(shares))
    assert shares[0] == 0 and shares[peak] == pytest.approx(1) and shares[-1] == pytest.approx(0) and peak == 30
    assert shares[:31] == sorted(shares[:31]) and shares[30:] == sorted(shares[30:], reverse=True)
