"""Accuracies and risks are what they say; training is seeded, resumable, keeps what it learnt, and stops where it diverges."""

import functools
import math

import pytest
import torch
from torch import nn

import execute
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


@pytest.mark.parametrize(("epsilon", "share"), [(0.0, 1.01), (0.1, 0.4), (0.3, 0.2)])
def test_what_is_fooled_is_attacked_no_more_where_only_that_counts(digits, epsilon, share):
    model, x, y = digits
    asked = []

    def counted(x):
        asked.extend([torch.is_grad_enabled()] * len(x))
        return model(x)

    attack = functools.partial(attacks.pgd, epsilon=epsilon)
    found = training.accuracy(counted, x, y, attack)
    assert sum(asked) <= share * 40 * len(x)  # forward and backward passes
    assert found == training.accuracy(model, x, y, lambda *given: attack(*given))


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


# ---- attacks to train against, and one step ----------------------------------------------------------


@pytest.mark.parametrize("make", [training.pgd_attack, training.fgsm_attack])
def test_an_attack_to_train_against_stays_in_the_ball_and_starts_at_random(digits, make):
    model, x, y = (digits[0], digits[1][:50], digits[2][:50])
    generator = seeded(0)
    attack = make(0.1, generator=generator)
    first, second = attack(model, x, y), attack(model, x, y)
    assert not torch.equal(first, second)
    for delta in (first, second):
        assert delta.abs().max() <= 0.1 and (x + delta).min() >= 0 and (x + delta).max() <= 1
        assert training.accuracy(model, x + delta, y) < 0.9
    assert torch.equal(make(0.1, generator=seeded(0))(model, x, y), first)


class Counting(nn.Module):
    """A linear classifier that keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.layers, self.seen, self.modes = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10)), [], []

    def forward(self, x):
        self.seen.append(x.detach().clone())
        self.modes.append(self.training)
        return self.layers(x)


@pytest.mark.parametrize(("make", "passes"), [(training.pgd_attack, 7), (training.fgsm_attack, 1)])
def test_an_attack_to_train_against_costs_as_many_passes_as_it_has_steps(digits, make, passes):
    model = Counting()
    make(0.1)(model, digits[1][:5], digits[2][:5])
    assert len(model.seen) == passes


def test_a_training_step_attacks_without_dropout_and_learns_with_it(digits):
    _, x, y = digits
    model = Counting().eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = training.adv_train_step(model, optimizer, x[:20], y[:20], 0.1, 0.04, 3)
    assert model.modes == [False] * 3 + [True] and model.training and loss > 0
    assert (model.seen[-1] - x[:20]).abs().max() <= 0.1 + 1e-7
    assert (model.seen[-1] - x[:20]).abs().max() > 0.09


def test_free_steps_move_the_weights_and_delta_at_every_pass(digits):
    _, x, y = digits
    model = Counting()
    before = weights(model).clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    training.free_step(model, optimizer, x[:20], y[:20], epsilon=0.1, replays=4, generator=seeded(0))
    assert len(model.seen) == 4 and all(model.modes) and not torch.equal(weights(model), before)
    for earlier, later in zip(model.seen, model.seen[1:], strict=False):
        assert not torch.equal(earlier, later)
    for seen in model.seen:
        assert (seen - x[:20]).abs().max() <= 0.1 + 1e-7 and seen.min() >= 0 and seen.max() <= 1


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
    fixed = {"epochs": 4, "batch_size": 64, "learning_rate": 1e-2, "progress": False, "validation": small}
    return model, training.fit(model, *small, **fixed | options)


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


def test_the_optimizer_is_the_one_that_is_given(small):
    """One step of stochastic gradient descent on all samples at once, by hand."""
    model, options = network(), {"epochs": 1, "batch_size": len(small[1]), "learning_rate": 0.5}
    loss = attacks.cross_entropy(model(small[0]), small[1]).mean()
    slopes = torch.autograd.grad(loss, list(model.parameters()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "one_cycle", lambda share: 1.0)
        trained, _ = fit(small, optimizer=torch.optim.SGD, **options)
    for before, slope, after in zip(model.parameters(), slopes, trained.parameters(), strict=True):
        assert torch.allclose(after, before - 0.5 * slope, atol=1e-6)


def test_training_does_not_touch_the_global_random_state(small):
    before = torch.get_rng_state()
    fit(small, augment=noise, attack=fgsm, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
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


def test_training_refuses_wrong_options(small):
    with pytest.raises(ValueError, match="epochs must be an integer >= 1, got 0"):
        fit(small, epochs=0)
    for name in ("attack", "step", "judge", "augment", "watch"):
        with pytest.raises(TypeError, match=f"{name} must be a function or None, got 'pgd'"):
            fit(small, **{name: "pgd"})
    with pytest.raises(TypeError, match="attack must be a function or None, got 'pgd'"):
        training.accuracy(network(), *small, "pgd")
    with pytest.raises(ValueError, match="steps must be an integer >= 1, got 0"):
        training.pgd_attack(0.1, steps=0)


def test_training_refuses_labels_that_do_not_fit_the_images(small):
    x, y = small
    with pytest.raises(ValueError, match=r"x must have shape \(n, ...\)"):
        training.fit(network(), x, torch.cat([y, y]), epochs=1, validation=small, progress=False)


def test_the_step_size_rises_and_falls_once():
    shares = [training.one_cycle(step / 100) for step in range(101)]
    peak = shares.index(max(shares))
    assert shares[0] == 0 and shares[peak] == pytest.approx(1) and shares[-1] == pytest.approx(0) and peak == 30
    assert shares[:31] == sorted(shares[:31]) and shares[30:] == sorted(shares[30:], reverse=True)


# ---- training against an attack, and what is kept ----------------------------------------------------


@pytest.mark.slow
def test_the_recorded_robust_accuracy_is_the_judges(small):
    def strong(model, x, y):
        return attacks.pgd(model, x, y, 0.2)

    model, history = fit(small, attack=fgsm, judge=strong)
    assert history.robust[-1] == training.accuracy(model, *small, strong) < training.accuracy(model, *small, fgsm)
    model, history = fit(small, attack=fgsm)
    assert history.robust[-1] == training.accuracy(model, *small, fgsm)
    assert fit(small, validation=None, attack=fgsm)[1].robust == []
    assert fit(small)[1].robust == []


def test_without_validation_the_weights_are_the_same(small):
    assert torch.equal(weights(fit(small)[0]), weights(fit(small, validation=None)[0]))


def test_a_warm_up_lets_the_perturbation_grow_to_all_of_it(small):
    model = Counting()
    x = torch.full((64, 1, 8, 8), 0.5)

    def whole(model, x, y):
        return torch.full_like(x, 0.1)

    training.fit(model, x, small[1][:64], epochs=10, attack=whole, warmup=0.5, batch_size=64, progress=False)
    sizes = [(seen - 0.5).max().item() for seen in model.seen]
    assert sizes == pytest.approx([0.0, 0.02, 0.04, 0.06, 0.08] + [0.1] * 5, abs=1e-6)


def test_the_moving_average_of_the_weights_is_kept(small):
    steps, model = [], network()

    def recording(model, optimizer, x, y):
        loss = training._descend(model, optimizer, x, y)
        steps.append(weights(model).clone())
        return loss

    fit(small, model, epochs=2, average=0.8, step=recording)
    expected = steps[0]
    for step in steps[1:]:
        expected = 0.8 * expected + 0.2 * step
    assert torch.allclose(weights(model), expected, atol=1e-6) and not torch.allclose(weights(model), steps[-1], atol=1e-3)


def failing_at(kind, calls):
    count = [0]

    def attack(model, x, y):
        count[0] += 1
        if count[0] > calls:
            raise kind
        return fgsm(model, x, y)

    return attack


BATCHES = 6  # of 64 among the 360 samples


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Interrupted])
def test_what_was_learnt_before_an_exception_is_kept(small, kind):
    assert -(-len(small[0]) // 64) == BATCHES
    after_two = []

    def watch(history):
        after_two.append(weights(model).clone())

    model = network()
    options = {"attack": failing_at(kind, 2 * BATCHES + 3), "judge": fgsm, "watch": watch}
    if kind is KeyboardInterrupt:
        _, history = fit(small, model, **options)
        assert history.stopped == "interrupted" and len(history.loss) == len(history.robust) == 2
    else:
        with pytest.raises(Interrupted):
            fit(small, model, **options)
    assert torch.equal(weights(model), after_two[1])
    assert not any(layer.training for layer in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_run_that_the_user_interrupted_goes_on_to_the_same_weights(small, tmp_path):
    options = {"average": 0.9, "warmup": 0.5}
    generator = seeded(3)
    whole, history = fit(small, attack=training.fgsm_attack(0.1, generator=generator), generator=generator, **options)
    generator, calls = seeded(3), []
    attack = training.fgsm_attack(0.1, generator=generator)

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2 * BATCHES + 4:
            raise KeyboardInterrupt
        return attack(*arguments)

    file = tmp_path / "state.pt"
    _, half = fit(small, attack=interrupted, judge=attack, generator=generator, checkpoint=file, **options)
    assert half.stopped == "interrupted"
    generator = seeded(99)  # the state comes from the file
    attack = training.fgsm_attack(0.1, generator=generator)
    resumed, again = fit(small, attack=attack, generator=generator, checkpoint=file, **options)
    assert torch.equal(weights(resumed), weights(whole)) and again == history


def test_after_a_loss_that_is_not_finite_the_model_holds_the_last_good_weights(small):
    good = []

    def watch(history):
        good.append(weights(model).clone())

    def poison(model, x, y):
        if len(good) == 2:
            with torch.no_grad():
                model[1].weight[0] = math.nan
        return torch.zeros_like(x)

    model = network()
    with pytest.raises(FloatingPointError, match="the training loss is nan in epoch 3"):
        fit(small, model, attack=poison, judge=fgsm, watch=watch)
    assert torch.equal(weights(model), good[-1]) and len(good) == 2
    assert all(parameter.grad is None for parameter in model.parameters()) and not model.training


@pytest.mark.slow
def test_free_training_learns(small):
    step = functools.partial(training.free_step, epsilon=0.1, replays=4, generator=seeded(0))
    model, _ = fit(small, epochs=8, step=step)
    plain, _ = fit(small, epochs=25)
    assert training.accuracy(model, *small, fgsm) > training.accuracy(plain, *small, fgsm) + 0.1


# ---- the shipped robust networks ---------------------------------------------------------------------


def test_the_robust_networks_reach_their_figures():
    goals = {"digits-robust": (0.15, 0.98, 0.73), "mnist-robust": (0.3, 0.985, 0.90)}
    for name, (epsilon, clean, robust) in goals.items():
        entry = networks.manifest()[name]
        assert entry["epsilon"] == epsilon and entry["clean accuracy"] >= clean and entry["robust accuracy"] >= robust
        assert entry["robust accuracy"] == min(entry["accuracy under attack"].values())


@pytest.mark.slow
def test_the_robust_accuracy_on_digits_is_the_one_in_the_manifest():
    entry = networks.manifest()["digits-robust"]
    strongest = functools.partial(attacks.strongest, epsilon=entry["epsilon"])
    measured = training.accuracy(networks.load("digits-robust"), *data.load("digits", "test"), strongest)
    assert measured == pytest.approx(entry["accuracy under attack"]["attacks.strongest"], abs=0.003)


@pytest.mark.slow
def test_catastrophic_overfitting_as_notebook_4_shows_it_is_seen_from_other_first_weights():
    cells = {cell.id: cell.source for cell in execute.read(execute.NOTEBOOKS / "4_adversarial_training.ipynb").cells}
    (x_train, y_train), (x_test, y_test) = data.load("digits", "train"), data.load("digits", "test")
    names = {
        "torch": torch,
        "nn": torch.nn,
        "functools": functools,
        "attacks": attacks,
        "networks": networks,
        "training": training,
    }
    names |= {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    with torch.random.fork_rng(devices=[]):
        exec(cells["s4-94"], names)
        exec(cells["s4-94b"], names)
        for first in (1, 2, 3):
            by_fgsm, by_pgd = names["watched"](names["trained_on"], first=first)
            peak = by_pgd.index(max(by_pgd))
            assert by_pgd[peak] > 0.3 > 3 * by_pgd[-1]
            assert by_fgsm[-1] > by_fgsm[peak] + 0.15


@pytest.mark.parametrize(("change", "words"), [({"scale": 255}, "lie in"), ({"replays": 0}, "replays"), ({"labels": 0.5}, "y")])
def test_a_free_step_says_what_it_cannot_take(change, words):
    x, y = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3])
    model = networks.small_cnn(8, 0.5, 0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    y = y + change["labels"] if "labels" in change else y
    with pytest.raises((TypeError, ValueError), match=words):
        training.free_step(model, optimizer, change.get("scale", 1) * x, y, epsilon=0.1, replays=change.get("replays", 4))


def test_a_free_step_draws_no_global_random_number_and_stays_in_the_ball():
    x, y, seen = torch.rand(20, 1, 8, 8, generator=seeded(0)), torch.arange(20) % 10, []
    model = networks.small_cnn(8, 0.5, 0.5)
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach() - x))
    before = torch.get_rng_state()
    training.free_step(model, torch.optim.SGD(model.parameters(), lr=0.1), x, y, epsilon=0.1)
    assert torch.equal(torch.get_rng_state(), before)
    assert max(delta.abs().max() for delta in seen) <= 0.1 + 1e-7 and len(seen) == 4
