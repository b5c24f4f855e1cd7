"""Without a random start, FGSM and PGD are those of torchattacks and foolbox, element by element.

In float64, on 128 images: torchattacks divides its loss by the number of images, which for a power of two changes no
bit of the gradient's mantissa. And with logits divided by ten: where a network is confident, p_y - 1 of their losses
loses digits that ours keeps. So no sign differs, and what remains is the rounding of x + delta.
"""

import copy

import pytest

from lecture_utils import attacks, data, import_torchvision, networks

import_torchvision()  # torchattacks imports it too
torchattacks = pytest.importorskip("torchattacks")
foolbox = pytest.importorskip("foolbox")

STEPS = 7
linf = pytest.mark.parametrize(("epsilon", "eta"), [(8 / 255, 2 / 255), (0.1, 0.03), (0.3, 0.3)])
l2 = pytest.mark.parametrize(("epsilon", "eta"), [(0.5, 0.1), (1.5, 0.4)])
goals = pytest.mark.parametrize("targeted", [False, True])


@pytest.fixture(scope="module")
def digits():
    x, y = (part[:128] for part in data.load("digits", "test"))
    model = networks.load("digits-standard").double()
    model[-1].weight.data /= 10
    model[-1].bias.data /= 10
    return model, x.double(), y


def by_torchattacks(attack, x, y, targeted):
    """Return the delta of one of torchattacks' attacks."""
    if targeted:
        attack.set_mode_targeted_by_function(lambda x, target: target)
    return attack(x, y) - x


def by_foolbox(attack, model, x, y, epsilon, targeted):
    """Return the delta of one of foolbox' attacks."""
    goal = (foolbox.criteria.TargetedMisclassification if targeted else foolbox.criteria.Misclassification)(y)
    return attack.run(foolbox.PyTorchModel(model, bounds=(0, 1)), x, goal, epsilon=epsilon) - x


def assert_equal(ours, theirs, atol=1e-12):
    assert ours.abs().max() > 1e-3
    assert (ours - theirs).abs().max() <= atol


@linf
@goals
def test_fgsm_is_torchattacks_fgsm(digits, epsilon, eta, targeted):
    model, x, y = digits
    y = (y + 1) % 10 if targeted else y
    theirs = by_torchattacks(torchattacks.FGSM(model, eps=epsilon), x, y, targeted)
    assert_equal(attacks.fgsm(model, x, y, epsilon, targeted=targeted), theirs)


@linf
def test_fgsm_is_foolbox_fgsm(digits, epsilon, eta):
    model, x, y = digits
    theirs = by_foolbox(foolbox.attacks.LinfFastGradientAttack(), model, x, y, epsilon, False)
    assert_equal(attacks.fgsm(model, x, y, epsilon), theirs)


@linf
@goals
def test_pgd_is_torchattacks_pgd(digits, epsilon, eta, targeted):
    model, x, y = digits
    y = (y + 1) % 10 if targeted else y
    attack = torchattacks.PGD(model, eps=epsilon, alpha=eta, steps=STEPS, random_start=False)
    ours = attacks.pgd(model, x, y, epsilon, eta=eta, steps=STEPS, keep_best=False, targeted=targeted)
    assert_equal(ours, by_torchattacks(attack, x, y, targeted))


@linf
@goals
def test_pgd_is_foolbox_pgd(digits, epsilon, eta, targeted):
    model, x, y = digits
    y = (y + 1) % 10 if targeted else y
    attack = foolbox.attacks.LinfProjectedGradientDescentAttack(abs_stepsize=eta, steps=STEPS, random_start=False)
    ours = attacks.pgd(model, x, y, epsilon, eta=eta, steps=STEPS, keep_best=False, targeted=targeted)
    assert_equal(ours, by_foolbox(attack, model, x, y, epsilon, targeted))


@l2
@goals
def test_pgd_in_l2_is_torchattacks_pgd(digits, epsilon, eta, targeted):
    model, x, y = digits
    y = (y + 1) % 10 if targeted else y
    # It adds eps_for_division to every length it divides by, which our L2 steps do not.
    attack = torchattacks.PGDL2(model, eps=epsilon, alpha=eta, steps=STEPS, random_start=False, eps_for_division=1e-300)
    ours = attacks.pgd(model, x, y, epsilon, eta=eta, steps=STEPS, norm="l2", keep_best=False, targeted=targeted)
    assert_equal(ours, by_torchattacks(attack, x, y, targeted), atol=1e-11)


@l2
@goals
def test_pgd_in_l2_is_foolbox_pgd(digits, epsilon, eta, targeted):
    model, x, y = digits
    y = (y + 1) % 10 if targeted else y
    attack = foolbox.attacks.L2ProjectedGradientDescentAttack(abs_stepsize=eta, steps=STEPS, random_start=False)
    ours = attacks.pgd(model, x, y, epsilon, eta=eta, steps=STEPS, norm="l2", keep_best=False, targeted=targeted)
    assert_equal(ours, by_foolbox(attack, model, x, y, epsilon, targeted), atol=1e-11)


def test_fgsm_is_their_fgsm_in_float32_too(digits):
    model, x, y = digits
    model, x = copy.deepcopy(model).float(), x.float()
    ours = attacks.fgsm(model, x, y, 8 / 255)
    assert_equal(ours, by_torchattacks(torchattacks.FGSM(model, eps=8 / 255), x, y, False), atol=2e-7)
    assert_equal(ours, by_foolbox(foolbox.attacks.LinfFastGradientAttack(), model, x, y, 8 / 255, False), atol=2e-7)


def test_our_default_is_at_least_as_strong_as_theirs(digits):
    model, x, y = digits
    theirs = by_torchattacks(torchattacks.PGD(model, eps=0.1, alpha=0.025, steps=20, random_start=False), x, y, False)
    ours = attacks.pgd(model, x, y, 0.1, steps=20)
    fooled, fooled_by_them = (model(x + delta).argmax(1) != y for delta in (ours, theirs))
    assert fooled.sum() >= fooled_by_them.sum() > 0
