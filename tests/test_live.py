"""The networks as the exported page runs them: live.js beside torch, without a browser; then in a browser, from disk, offline."""

import base64
import json

import pytest
import torch
from torch import nn

import live
from conftest import data_folder
from lecture_utils import attacks, data, networks

py_mini_racer = pytest.importorskip("py_mini_racer", reason="needs mini-racer: pip install lecture-utils[test]")
NAMES = list(networks.manifest())
IMAGES = 20


class Script:
    """live.js in a JavaScript engine that has no page: ``script("logits", name, x)`` is ``Live.logits(networks[name], x)``."""

    def __init__(self):
        self.engine = py_mini_racer.MiniRacer()
        self.engine.eval(live.script() + "const networks = {}")
        self.known = set()

    def __call__(self, function, name, *arguments):
        if name not in self.known:
            self.engine.eval(f"networks[{json.dumps(name)}] = Live.load({json.dumps(live.network(name))})")
            self.known.add(name)
        call = f"Live.{function}(networks[{json.dumps(name)}], {', '.join(map(json.dumps, arguments))})"
        plain = "(key, value) => ArrayBuffer.isView(value) ? Array.from(value) : value"
        return json.loads(self.engine.eval(f"JSON.stringify({call}, {plain})"))


@pytest.fixture(scope="module")
def script():
    made = Script()
    yield made
    made.engine.close()


def rounded(name):
    """Return the network with the weights that travel, in half precision."""
    model = networks.load(name)
    means = [(one.mean.clone(), one.std.clone()) for one in model.modules() if isinstance(one, networks.Normalize)]
    model = model.half().float()
    for one, (mean, std) in zip((one for one in model.modules() if isinstance(one, networks.Normalize)), means, strict=True):
        one.mean, one.std = mean, std
    return model


def images(name):
    """Return 20 images (20, c, h, w) for a network, some of them black, white, or black and white only, and labels."""
    shape = live.SHAPES[name.split("-")[0]]
    dice = torch.Generator().manual_seed(0)
    if name.startswith("digits") or data_folder():
        x, y = data.load(name.split("-")[0], "test")
        x, y = x[:IMAGES].clone(), y[:IMAGES].clone()
    else:
        x, y = torch.rand(IMAGES, *shape, generator=dice), torch.arange(IMAGES) % 10
    x[16:18] = x[16:18].round()
    x[18], x[19] = 0.0, 1.0
    return x, y


def pixels(x):
    return x.double().flatten(1).tolist()


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_gradients_are_those_of_torch(name, script):
    model, (x, y) = rounded(name), images(name)
    for one, label in zip(x, y, strict=True):
        here = one[None].clone().requires_grad_()
        logits = model(here)
        attacks.cross_entropy(logits, label[None]).sum().backward()
        found = script("gradient", name, pixels(one[None])[0], label.item())
        near = max(1.0, logits.abs().max().item() / 20)  # float32 has 7 digits
        assert (torch.tensor(found["f"]) - logits[0]).abs().max() < 2e-5 * near
        assert (torch.tensor(found["slope"]) - here.grad.flatten()).abs().max() < 1e-5
        assert found["value"] == pytest.approx(attacks.cross_entropy(logits, label[None]).item(), rel=1e-5, abs=1e-6 * near)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{"eta": None, "steps": 10}, {"eta": 0.02, "steps": 5}], ids=["cosine", "eta"])
def test_pgd_finds_the_delta_of_attacks_py(name, options, script):
    """In double precision: in float32 the sign of a slope near 0 is torch's noise."""
    model, (x, y) = rounded(name).double(), images(name)
    x, epsilon = x.double(), 0.03 if name.startswith("cifar10") else 0.137
    some = (
        slice(14, 18) if name.startswith("cifar10") else slice(None)
    )  # where all pixels are equal, so are all maxima of a window
    for one, label in zip(x[some], y[some], strict=True):
        wanted = attacks.pgd(model, one[None], label[None], epsilon, **options)
        found = torch.tensor(script("pgd", name, pixels(one[None])[0], label.item(), {"epsilon": epsilon, **options}))
        assert (found - wanted.flatten()).abs().max() < 1e-6
        assert found.abs().max() <= epsilon and 0 <= (one.flatten() + found).min() and (one.flatten() + found).max() <= 1


def test_fgsm_and_an_epsilon_of_zero(script):
    model, (x, y) = rounded("digits-standard").double(), images("digits-standard")
    for one, label in zip(x.double(), y, strict=True):
        wanted = attacks.fgsm(model, one[None], label[None], 0.1).flatten()
        assert (
            torch.tensor(script("fgsm", "digits-standard", pixels(one[None])[0], label.item(), 0.1)) - wanted
        ).abs().max() < 1e-6
        assert not any(script("pgd", "digits-standard", pixels(one[None])[0], label.item(), {"epsilon": 0}))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("pgd(one, pixels, 3, {epsilon: -1})", "epsilon is a number from 0 to 2"),
        ("pgd(one, pixels, 3, {epsilon: NaN})", "epsilon is a number from 0 to 2"),
        ("pgd(one, pixels, 3, {epsilon: 0.1, eta: -1})", "eta is a number"),
        ("pgd(one, pixels, 3, {epsilon: 0.1, steps: 0})", "steps is an integer"),
        ("pgd(one, pixels, 10, {epsilon: 0.1})", "a label is one of 0 to 9, got 10"),
        ("pgd(one, pixels.map(() => 2), 3, {epsilon: 0.1})", "pixels lie between 0 and 1"),
        ("logits(one, pixels.map(() => NaN))", "no numbers"),
        ("logits(one, [1, 2])", "an image has 64 pixels, got 2"),
    ],
)
def test_a_wrong_argument_is_a_sentence(call, said, script):
    script("logits", "digits-standard", [0.0] * 64)
    with pytest.raises(py_mini_racer.JSEvalException, match=said):
        script.engine.eval(f"(() => {{ const one = networks['digits-standard'], pixels = Array(64).fill(0.5); Live.{call} }})()")


def test_damaged_weights_are_an_error(script):
    whole = live.network("digits-standard")
    cut, foreign = base64.b64encode(base64.b64decode(whole["weights"])[:9000]).decode(), live.network("mnist-standard")["weights"]
    infinite = networks.load("digits-standard")
    infinite[1].bias.data[0] = torch.inf
    for damaged in ("", cut, foreign, whole["weights"].replace("A", "*"), live.weights(infinite)):
        with pytest.raises(py_mini_racer.JSEvalException):
            script.engine.eval(f"Live.logits(Live.load({json.dumps(whole | {'weights': damaged})}), Array(64).fill(0.5))")


@pytest.mark.parametrize(
    "layer",
    [nn.GELU(), nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 3, padding="same"), nn.Conv2d(4, 4, 3, stride=(1, 2)),
     nn.Linear(3, 2, bias=False), nn.MaxPool2d(3, stride=2), nn.BatchNorm2d(3, affine=False), nn.AdaptiveMaxPool2d(2),
     nn.Flatten(0)],
    ids=str,
)  # fmt: skip
def test_a_layer_that_the_script_does_not_know_is_refused_at_export(layer):
    with pytest.raises(TypeError, match="knows no layer"):
        live.layers(nn.Sequential(nn.ReLU(), layer))


@pytest.mark.parametrize("name", [one for one in NAMES if not one.startswith("cifar10")])
def test_half_precision_changes_no_answer(name):
    if name.startswith("mnist") and not data_folder():
        pytest.skip("needs MNIST")
    x, _ = data.load(name.split("-")[0], "test")
    with torch.no_grad():
        differs = networks.load(name)(x).argmax(1) != rounded(name)(x).argmax(1)
    assert differs.sum() <= 2e-4 * len(x)
