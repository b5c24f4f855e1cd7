"""The networks as the exported page runs them: live.js beside torch, without a browser; then in a browser, from disk, offline."""

import base64
import io
import json
import math
import re
import statistics
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import special
from sklearn.datasets import make_moons
from torch import nn

import execute
import explorers
import live
from executions import data_folder
from lecture_utils import attacks, concentration, data, explore, initialization, networks, own, robustness
from lecture_utils.concentration import ACTIVATIONS

firefox = pytest.importorskip("firefox", reason="needs websocket-client: pip install lecture-utils[test]")
lab = pytest.importorskip("lab", reason="needs playwright: pip install lecture-utils[test]")
playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.base")
py_mini_racer = pytest.importorskip("py_mini_racer", reason="needs mini-racer: pip install lecture-utils[test]")
NAMES = list(networks.manifest())
IMAGES = 20


@pytest.fixture(scope="module", autouse=True)
def data_sets():
    """MNIST and CIFAR-10 are read where the other tests find them."""
    with pytest.MonkeyPatch.context() as patch:
        if folder := data_folder():
            patch.setenv("LECTURE_DATA", str(folder))
        yield


class Script:
    """live.js in a JavaScript engine that has no page: ``script("logits", name, x)`` is ``Live.logits(networks[name], x)``."""

    def __init__(self):
        self.engine = py_mini_racer.MiniRacer()
        self.engine.eval(live.script() + "const networks = {}")
        self.known = set()

    def value(self, expression):
        """Return the value of an expression, by way of JSON."""
        plain = "(key, value) => ArrayBuffer.isView(value) ? Array.from(value) : value"
        return json.loads(self.engine.eval(f"JSON.stringify({expression}, {plain})"))

    def __call__(self, function, name, *arguments):
        if name not in self.known:
            self.engine.eval(f"networks[{json.dumps(name)}] = Live.load({json.dumps(live.network(name))})")
            self.known.add(name)
        return self.value(f"Live.{function}(networks[{json.dumps(name)}], {', '.join(map(json.dumps, arguments))})")


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


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_logits_and_gradients_are_those_of_torch(name, script):
    """In double precision, as the page computes. An image of one colour has no gradient: all maxima of a window are equal."""
    model, (x, y) = rounded(name).double(), images(name)
    some = [0, 7, 16, 18, 19] if name.startswith("cifar10") else slice(None)  # a photograph takes a second
    for one, label in zip(x.double()[some], y[some], strict=True):
        here = one[None].clone().requires_grad_()
        logits = model(here)
        loss = attacks.cross_entropy(logits, label[None])
        (slope,) = torch.autograd.grad(loss.sum(), here)
        found = script("gradient", name, pixels(one[None])[0], label.item())
        near = 1e-11 * max(1.0, logits.abs().max().item())
        assert (torch.tensor(found["f"], dtype=torch.float64) - logits[0]).abs().max() < near
        assert found["value"] == pytest.approx(loss.item(), rel=1e-9, abs=near)
        if one.min() < one.max():
            assert (torch.tensor(found["slope"], dtype=torch.float64) - slope.flatten()).abs().max() < 1e-11


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{"eta": None, "steps": 10}, {"eta": 0.02, "steps": 5}], ids=["cosine", "eta"])
def test_pgd_finds_the_delta_of_attacks_py(name, options, script):
    """In double precision: in float32 the sign of a slope near 0 is torch's noise."""
    model, (x, y) = rounded(name).double(), images(name)
    x, epsilon = x.double(), 0.03 if name.startswith("cifar10") else 0.137
    options = options | ({"steps": 4} if name.startswith("cifar10") else {})
    some = slice(15, 17) if name.startswith("cifar10") else slice(None)  # of equal pixels all maxima of a window are equal
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


def plane_network(theta):
    """Return the network of training.js as torch has it: points (n, 2) -> logits (n, 2), of which the second is f."""
    w, b, a = theta.view(-1).split([2 * len(theta) // 4, len(theta) // 4, len(theta) // 4])

    def model(x):
        f = networks.two_layer(x, w.view(-1, 2), b, a)
        return torch.stack([torch.zeros_like(f), f], 1)

    return model


def test_in_the_plane_slopes_and_attack_are_those_of_torch(script):
    dice = torch.Generator().manual_seed(0)
    theta = torch.randn(4 * 16, generator=dice, dtype=torch.float64).requires_grad_()
    x = torch.randn(IMAGES, 2, generator=dice, dtype=torch.float64).requires_grad_()
    y = torch.arange(IMAGES) % 2
    total = attacks.cross_entropy(plane_network(theta)(x), y).sum()
    down, slopes = torch.autograd.grad(total, [x, theta])
    call = """(([theta, x, y]) => {
        const slopes = theta.map(() => 0), down = x.map((one, i) => Live.twoLayerSlope(theta, one, y[i], slopes))
        return JSON.stringify([down, slopes, x.map((one, i) => Live.twoLayerAttack(theta, one, y[i], {epsilon: 0.3, steps: 7}))])
    })"""
    given = json.dumps([theta.tolist(), x.tolist(), (2 * y - 1).tolist()])
    found = [torch.tensor(one, dtype=torch.float64) for one in json.loads(script.engine.eval(f"{call}({given})"))]
    box = {"low": -math.inf, "high": math.inf}
    wanted = attacks.pgd(plane_network(theta.detach()), x, y, 0.3, eta=2.5 * 0.3 / 7, steps=7, keep_best=False, **box)
    for here, there in zip(found, (down, slopes, wanted), strict=True):
        assert (here - there).abs().max() < 1e-9


def test_a_network_of_the_plane_answers_as_the_others_do(script):
    dice = torch.Generator().manual_seed(0)
    theta, x = torch.randn(64, generator=dice, dtype=torch.float64), torch.randn(IMAGES, 2, generator=dice, dtype=torch.float64)
    y, model = torch.arange(IMAGES) % 2, plane_network(theta)
    here = x.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(attacks.cross_entropy(model(here), y).sum(), here)
    wanted = attacks.pgd(model, x, y, 0.3, steps=7, low=-math.inf, high=math.inf)
    script.engine.eval(f"const flat = Live.planeNetwork({theta.tolist()})")
    for one, label, slope, logits, delta in zip(x.tolist(), y.tolist(), slopes, model(x), wanted, strict=True):
        found = script.value(f"Live.gradient(flat, {one}, {label})")
        assert (torch.tensor(found["f"], dtype=torch.float64) - logits).abs().max() < 1e-9
        assert (torch.tensor(found["slope"], dtype=torch.float64) - slope).abs().max() < 1e-9
        found = script.value(f"Live.pgd(flat, {one}, {label}, {{...Live.BOXLESS, epsilon: 0.3, steps: 7}})")
        assert (torch.tensor(found, dtype=torch.float64) - delta).abs().max() < 1e-9


def test_a_picture_of_the_plane_has_the_values_of_the_network(script):
    theta = torch.randn(64, generator=torch.Generator().manual_seed(0), dtype=torch.float64).tolist()
    found = script.value(f"Live.twoLayerField({theta}, [-1.6, 1.6], [21, 14], 5)")
    points = [[-1.6 + (i + 0.5) / 5, 1.6 - (row + 0.5) / 5] for row in range(14) for i in range(21)]
    wanted = plane_network(torch.tensor(theta, dtype=torch.float64))(torch.tensor(points, dtype=torch.float64))[:, 1]
    assert (torch.tensor(found, dtype=torch.float64) - wanted).abs().max() < 1e-9


class Says:
    """A panel that shows nothing: what ``update`` returns is the text of the picture."""

    def __init__(self, *_, **__): ...

    def update(self, *given, **_):
        return given[-1]


def told(name, *ids, **names):
    """Return the names that cells of a notebook define, given some; its explorers have no sliders, its panels only say."""
    cells = {cell.id: cell.source for cell in execute.read(execute.NOTEBOOKS / f"{name}.ipynb").cells}
    plots = SimpleNamespace(Square=Says, Distribution=Says)
    names |= {"plots": plots, "explore": lambda *_, **__: None, "slider": explore.slider, "torch": torch, "np": np, "math": math}
    for one in ids:
        exec(cells[one], names)
    return names


@pytest.mark.slow
def test_the_square_says_what_the_notebook_says(script):
    names = told("1_adversarial_examples", "s1-54", "s1-55", "s1-56", attacks=attacks)
    script.engine.eval(f"const plane = Live.load({json.dumps(live.plane(names['w'].tolist()))})")
    for epsilon in np.linspace(0.05, 0.4, 8):
        for eta in names["etas"][::4]:
            for steps in (1, 10):
                given = json.dumps({"epsilon": float(epsilon), "eta": float(eta), "steps": steps})
                found = script.value(f"Live.ascents(plane, {given}, {names['fine'].tolist()})")
                assert found["text"] == names["draw_square"](epsilon, eta, steps)
                for path, direction in zip(found["paths"], ("gradient", "sign"), strict=True):
                    wanted = names["path"](epsilon, eta, steps, direction)
                    assert (torch.tensor(path, dtype=torch.float64) - wanted).abs().max() < 1e-9
    assert np.abs(np.array(found["curve"]) - [names["distance"](epsilon, one) for one in names["fine"]]).max() < 1e-9


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_random_numbers_are_those_of_torch(seed, script):
    dice, wide = torch.Generator().manual_seed(seed), torch.float64
    script.engine.eval(f"dice = Live.generator({seed})")
    for count in (16, 50, 1000):
        found = torch.tensor(script.value(f"dice.normal({count})"), dtype=wide)
        assert (found - torch.randn(count, generator=dice, dtype=wide)).abs().max() < 1e-12
        assert script.value(f"dice.uniform({count})") == torch.rand(count, generator=dice, dtype=wide).tolist()
        signs = script.value(f"Array.from({{length: {count}}}, () => dice.bits() % 2)")
        assert signs == torch.randint(2, (count,), generator=dice).tolist()


def test_the_plane_of_theorem_1_says_what_the_notebook_says(script):
    cells = {cell.id: cell for cell in execute.read(execute.NOTEBOOKS / "2_robust_networks.ipynb").cells}
    rows = [re.findall(r"[\d.]+", line) for line in cells["s2-15"].outputs[0].text.splitlines()[1:]]
    assert len(rows) == 9
    for share, d, c, zero, strict, _ in rows:
        for epsilon in (0.3, 0.9):
            found = script.value(f"Live.built({{epsilon: {epsilon}, d: {d}, share: {share}}}, 0, 10)")["text"]
            within = "a wrong sign" if epsilon > 0.7 else "no wrong sign"
            proved = "" if float(c) <= 1 / 3 else "; above a coherence of 1/3 this formula is no proof"
            assert found == (
                f"d = {d}, m = {int(d) // int(share)}, coherence {c}, ε = {epsilon:.2f} √d. Theorem 1's network: "
                f"f = 0 at {zero} √d, the wrong sign at {strict} √d ({within} within ε{proved})."
            )


def test_above_a_coherence_of_a_third_the_radius_is_called_no_proof(script):
    X, y = data.sphere(4, 4, torch.Generator().manual_seed(2)), torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    found = script.value("Live.built({epsilon: 0.3, d: 4, share: 1}, 2, 10)")
    exact = robustness.exact_radius_l2(*robustness.robust_network(X, y, robustness.coherence(X)), X[:1], y[:1])[0].item() / 2
    assert exact > 1.2 * found["strict"] and found["text"].endswith("this formula is no proof).")


def test_the_plane_of_theorem_1_has_the_values_of_the_network(script):
    """In a dimension and at a seed that the notebook does not show."""
    d, m, seed = 50, 16, 3
    X, y = data.sphere(m, d, torch.Generator().manual_seed(seed)), torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(m // 2)
    c = robustness.coherence(X)
    near = X[1::2][(X[1::2] @ X[0]).argmax()] - X[0]
    first = near / near.norm()
    second = -X[0] + (X[0] @ first) * first
    grid = [(-0.8 + (i + 0.5) / 10, 0.9 - (row + 0.5) / 10) for row in range(17) for i in range(25)]
    points = torch.stack([X[0] + math.sqrt(d) * (p * first + q * second / second.norm()) for p, q in grid])
    found = script.value(f"Live.built({{epsilon: 0.3, d: {d}, share: 3}}, {seed}, 10)")
    wanted = networks.two_layer(points, *robustness.robust_network(X, y, c))
    assert found["c"] == pytest.approx(c, abs=1e-12) and found["neighbour"] == pytest.approx(near.norm().item() / math.sqrt(d))
    assert (torch.tensor(found["field"], dtype=torch.float64) - wanted).abs().max() < 1e-9 and wanted.abs().max() > 0.1
    assert found["zero"] == pytest.approx(robustness.zero_radius(d, c) / math.sqrt(d))
    radius = robustness.exact_radius_l2(*robustness.robust_network(X, y, c), X[:1], y[:1])[0].item() / math.sqrt(d)
    assert radius == pytest.approx(found["strict"], rel=1e-6)


NAMED = ["GELU", "ReLU", "tanh"]


@pytest.mark.parametrize("name", NAMED)
def test_random_networks_are_those_of_the_notebook(name, script):
    sigma, derivative, *_ = ACTIVATIONS[name]
    x = torch.linspace(-6, 6, 101, dtype=torch.float64)
    for part, function in (("sigma", sigma), ("derivative", derivative)):
        found = torch.tensor(script.value(f"{x.tolist()}.map(Live.ACTIVATIONS.{name}.{part})"), dtype=torch.float64)
        assert (found - function(x)).abs().max() < 1e-6
    for k, d in ((10, 1), (10, 2), (30, 1000), (3, 100_000)):
        call = f"Live.sampled({{k: {k}, d: {d}, activation: '{name}'}}, 100, 5)"
        found = script.value(f"(({{a, u, t}}) => [a, u, t])({call})")
        wanted = initialization.conditional_sampler(k, d, derivative, 100, torch.Generator().manual_seed(5))
        for here, there in zip(found, wanted[:3], strict=True):
            assert (torch.tensor(here, dtype=torch.float64).view(100, k) - there).abs().max() < 1e-6


@pytest.mark.parametrize("shape", [0.5, 1, 3.7, 49.5, 499.5, 499_999.5])
def test_quantiles_of_the_gamma_law(shape, script):
    shares = [1e-9, 1e-4, 0.1, 0.5, 0.9, 0.9999, 1 - 1e-9]
    found = script.value(f"{shares}.map(one => Live.gammaQuantile({shape}, one))")
    assert found == pytest.approx(special.gammaincinv(shape, shares), rel=1e-7)


@pytest.mark.slow
def test_one_step_says_what_the_notebook_says(script):
    moments = {name: (*concentration.gaussian_moments(*ACTIVATIONS[name][:2]), None) for name in NAMED}
    given = {"ACTIVATIONS": ACTIVATIONS, "initialization": initialization, "moments": moments, "n": 500}
    names = told("3_initialization", "s3-53", "s3-54", "s3-55", dice=lambda more: torch.Generator().manual_seed(more), **given)
    sizes = [(k, d) for k in (10, 100) for d in (10, 1000)]
    stored = json.dumps({"seed": 0, "count": 500, "moments": {name: pair[:2] for name, pair in moments.items()}})
    for k, d in sizes:
        for name in NAMED:
            for eta in (-6, 0, 3):
                values = json.dumps({"eta": eta, "k": k, "d": d, "activation": name})
                found = script.value(f"Live.oneStep({values}, {stored}, {names['step_sizes'].tolist()})")
                assert found["text"] == names["draw_step"](eta, k, d, name)
            curves = names["shares"][k, d, name][3]
            assert np.abs(np.array(found["curves"]).T - np.array(curves)).max() < 1e-6
    between = script.value(f"Live.oneStep({{eta: 2.5, k: 100, d: 1000, activation: 'tanh'}}, {stored}, [])")
    assert found["n"] == 500 and 0.5 < between["shares"][2] < 1 and "η = 2.5" in between["text"]
    wide = script.value(f"Live.oneStep({{eta: 1, k: 5000, d: 7, activation: 'ReLU'}}, {stored}, [])")
    assert wide["n"] == 200  # a million neurons together


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
def test_a_picture_is_read_whole_or_not_at_all(kind, script):
    buffer = io.BytesIO()
    Image.effect_noise((60, 40), 50).convert("RGB").save(buffer, kind)
    content = buffer.getvalue()
    for bytes_, good in ((content, True), (content[:-40], False), (content[:10], False), (b"GIF89a" + content, False)):
        assert script.value(f"Live.whole(Uint8Array.from({list(bytes_)}))") is good
    if kind == "JPEG":
        assert script.value(f"Live.whole(Uint8Array.from({list(content + b'more')}))")  # phones put more behind it


@pytest.mark.parametrize("side", [8, 32, 45, 200])
def test_a_picture_is_resized_as_python_does_it(side, script):
    image = Image.effect_noise((side, side), 90).convert("RGBA")
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "PNG")
    wanted = data.read_image(buffer.getvalue(), 32).double()
    found = script.value(f"Live.resized({list(image.tobytes())}, {side}, 32)")
    assert (torch.tensor(found, dtype=torch.float64).view(wanted.shape) - wanted).abs().max() < 1.01 / 255


def test_training_against_an_adversary_makes_moons_robust(script):
    points, sides = make_moons(300, noise=0.05, random_state=0)
    given = json.dumps([points.round(4).tolist(), (2 * sides - 1).tolist()])
    call = "(([x, y]) => JSON.stringify([0, 0.3].map(epsilon => Live.trained(x, y, {epsilon, judge: 0.29}))))"
    standard, robust = json.loads(script.engine.eval(f"{call}({given})"))
    assert standard["clean"] > 0.99 and robust["clean"] > 0.9 and robust["robust"] > standard["robust"] + 0.1
    again = json.loads(script.engine.eval(f"{call}({given})"))
    assert again == [standard, robust] and len(robust["history"]) == 60 and len(robust["history"][0]) == 4 * 32


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
     nn.AdaptiveAvgPool2d((1, 2)), nn.Flatten(0)],
    ids=str,
)  # fmt: skip
def test_a_layer_that_the_script_does_not_know_is_refused_at_export(layer):
    with pytest.raises(TypeError, match="knows no layer"):
        live.layers(nn.Sequential(nn.ReLU(), layer))


@pytest.mark.slow
@pytest.mark.parametrize("name", [one for one in NAMES if not one.startswith("cifar10")])
def test_half_precision_changes_no_answer(name):
    if name.startswith("mnist") and not data_folder():
        pytest.skip("needs MNIST")
    x, _ = data.load(name.split("-")[0], "test")
    with torch.no_grad():
        differs = networks.load(name)(x).argmax(1) != rounded(name)(x).argmax(1)
    assert differs.sum() <= 2e-4 * len(x)


# ---- In a browser, from disk, offline, on a phone ----------------------------------------------------

PATIENCE = 60  # seconds, on a busy machine
HEAD = '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Test</title>'
HEAD += '<meta name="viewport" content="width=device-width, initial-scale=1"></head><body><main>'


class Chromium:
    """Chromium as ``firefox.Firefox`` is: headless, offline, as large as a phone."""

    def __init__(self, started):
        self.playwright = started

    def __enter__(self):
        flags = [f"--{flag}" for flag in lab.FLAGS.split()]
        self.browser = self.playwright.chromium.launch(executable_path=lab.chromium(), args=flags)
        phone = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
        self.page = self.browser.new_context(offline=True, **phone).new_page()
        self.asked, self.complaints = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return self

    def __exit__(self, *_):
        self.browser.close()

    def open(self, url):
        self.page.goto("about:blank")
        self.page.goto(url)

    def evaluate(self, expression):
        return self.page.evaluate(expression)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(KEYS.get(key, key))

    def draw(self, points):
        browser = self.page.context.new_cdp_session(self.page)
        for number, (x, y) in enumerate(points):
            finger = {"type": "touchMove" if number else "touchStart", "touchPoints": [{"x": x, "y": y}]}
            browser.send("Input.dispatchTouchEvent", finger)
        browser.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


KEYS = {"\ue013": "ArrowUp", "\ue015": "ArrowDown", "\ue014": "ArrowRight", "\ue017": "Delete", " ": "Space"}
UP, DOWN, RIGHT, DELETE = "\ue013", "\ue015", "\ue014", "\ue017"
BROWSERS = {"chromium": lab.chromium(), "firefox": firefox.firefox()}


@pytest.fixture(scope="module")
def started():
    with playwright.sync_playwright() as one:  # two at a time cannot be had
        yield one


@pytest.fixture(scope="module", params=BROWSERS)
def browser(request, started):
    if BROWSERS[request.param] is None:
        pytest.skip(f"{request.param} is not installed")
    with Chromium(started) if request.param == "chromium" else firefox.Firefox() as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Documents that compute: the page of its own; a page with frames, whole, with damaged weights, and without a worker."""
    made = tmp_path_factory.mktemp("live")
    (made / "try.html").write_text(live.sealed(live.try_page()), encoding="utf-8")
    x, y = data.load("digits", "test")
    picture = io.BytesIO()
    Image.new("RGB", (300, 100), "red").save(picture, "PNG")
    figure = explorers.explorer(
        "f", [{"label": "ε", "texts": ["0", "1"], "start": 0}], picture.getvalue(), "frames of a digit", "panda"
    )
    frames = {"sliders": [{"texts": ["0", "1"]}], "alts": ["zero", "one"], "shown": [[], []], "pictures": []}
    script = f"<script>{(live.TEMPLATES / 'explorer.js').read_text(encoding='utf-8')}</script></main></body></html>"
    stored = f'{figure}<script type="application/json" id="f-frames">{json.dumps(frames)}</script>{script}'
    page = live.computing(HEAD + stored, {"panda": {"image": x[0].flatten().tolist(), "label": y[:1].tolist()}})
    (made / "page.html").write_text(live.sealed(page), encoding="utf-8")
    damaged = re.sub(r'"weights": "[^"]{9000}', '"weights": "', page)
    (made / "damaged.html").write_text(live.sealed(damaged), encoding="utf-8")
    (made / "missing.html").write_text(live.sealed(page.replace('"networks": {', '"lost": {')), encoding="utf-8")
    alone = page.replace("</head>", "<script>delete window.Worker</script></head>", 1)
    points, sides = make_moons(300, noise=0.05, random_state=0)
    read = {"moons": {"points": points.flatten().tolist(), "sides": sides.tolist()}, "square": {"w": [2.0, 0.5]}}
    read |= {"planes": {"seed": 0}, "step": {"seed": 0, "n": 500}}
    for name, given in read.items():
        bare = f'{HEAD}<figure class="explorer" data-live="{name}"></figure></main></body></html>'
        (made / f"{name}.html").write_text(live.sealed(live.computing(bare, {name: given})), encoding="utf-8")
    (made / "picture.html").write_text(live.sealed(live.picture_page()), encoding="utf-8")
    (made / "alone.html").write_text(live.sealed(alone), encoding="utf-8")
    return made


def opened(browser, folder, name):
    """Open a document, and return its sentence once it has computed."""
    file, _, state = name.partition("#")
    browser.open((folder / file).as_uri() + (f"#{state}" if state else ""))
    return sentence(browser, "")


def sentence(browser, before):
    """Return what the explorer says, once it says something else than before."""
    return after(browser, "document.querySelector('.sentence')?.textContent", before)


def after(browser, expression, before):
    """Return what an expression of the page gives, once it is something, and something else than before."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if (now := browser.evaluate(expression)) and now != before:
            return now
        time.sleep(0.05)
    raise AssertionError(f"it goes on saying {before!r}")


def typed(browser, key, text):
    browser.evaluate(f"(one => {{ one.focus(); one.select() }})(document.querySelector('.typed[data-key={key}]'))")
    browser.press(*text)


def place(browser):
    """Return the address once it has rested."""
    return rested(browser, "location.href").partition("#")[2]


def test_an_epsilon_that_is_typed_gives_the_verdict_and_the_confidence_of_python(browser, folder):
    before = opened(browser, folder, "page.html")
    typed(browser, "epsilon", "0.137")
    said = sentence(browser, before)
    while "ε = 0.137 " not in said:  # each key is a value
        said = sentence(browser, said)
    x, y = data.load("digits", "test")
    model = rounded("digits-standard")
    delta = attacks.pgd(model, x[:1], y[:1], 0.137, eta=0.1, steps=5)
    model.categories = data.CLASSES["digits"]
    (first, second) = networks.verdicts(model, torch.cat([x[:1], x[:1] + delta]))
    assert said == f"With ε = 0.137 and η = 0.1 the class is {second}; before it was {first}."
    assert place(browser) == "panda.epsilon=0.137"
    spoken = None
    while spoken != said:  # told once the keys rest: a busy machine may have rested in between
        spoken = after(browser, "document.querySelector('[role=status]').textContent", spoken)


def test_the_face_is_that_of_python_in_a_worker_or_not(browser, folder):
    x, y = data.load("digits", "test")
    pixels_, label, model = json.dumps(pixels(x[:1])[0]), y[0].item(), rounded("digits-robust").double()
    delta = attacks.pgd(model, x[:1].double(), y[:1], 0.1, eta=0.03, steps=7)
    for name in ("page.html", "alone.html"):
        assert "the class is" in opened(browser, folder, name)
        call = f"('digits-robust', {pixels_}, {label}, {{epsilon: 0.1, eta: 0.03, steps: 7}})"
        found = browser.evaluate(f"window.lecture.live.panda.attack{call}")
        assert (torch.tensor(found) - delta.flatten()).abs().max() < 1e-6
        said = browser.evaluate(f"window.lecture.live.panda.logits('digits-robust', {pixels_})")
        assert (torch.tensor(said) - model(x[:1].double())[0]).abs().max() < 2e-5
        assert len(browser.evaluate(f"window.lecture.live.panda.gradient('digits-robust', {pixels_}, {label})")) == 64
    assert browser.evaluate("window.lecture.live.panda.networks") == [*live.pair("digits"), *live.pair("mnist")]


STEPS = """(async () => {
    const source = document.getElementById("live-script").textContent + "Live.serve(self)"
    const worker = new Worker(URL.createObjectURL(new Blob([source])))
    const ask = (task, ...rest) => new Promise(done => {
        const start = performance.now()
        worker.onmessage = () => done(performance.now() - start)
        worker.postMessage({number: 0, given: GIVEN, task, rest})
    })
    const GIVEN = JSON.parse(document.getElementById("live-data").textContent).networks["mnist-robust"]
    const x = Array.from({length: 784}, (_, i) => i % 28 / 28), times = {before: [], after: []}
    for (const [when, all] of Object.entries(times)) {
        for (let i = 0; i < 9; i++) all.push(await ask("gradient", x, 7))
        await ask("attacked", x, {epsilon: 0.2, steps: 3})
    }
    return times
})()"""


def test_after_an_attack_a_worker_is_as_quick_as_before(browser, folder):
    # indexOf in an array of numbers made it 50 times slower, in Firefox, on some processors of Intel's.
    opened(browser, folder, "try.html")
    times = {when: statistics.median(all_) for when, all_ in browser.evaluate(STEPS).items()}
    assert times["after"] < 5 * times["before"], times


def test_a_stroke_is_attacked_and_the_address_brings_it_back(browser, folder):
    before = opened(browser, folder, "try.html")
    box = browser.evaluate("document.querySelector('.pad').getBoundingClientRect().toJSON()")
    browser.draw([(box["x"] + 100, box["y"] + y) for y in (box["height"] * share / 20 for share in range(3, 17))])
    said = sentence(browser, before)
    assert re.search(r"standard: 1 \(\d+ %\), attacked", said := settled(browser)), said
    state = place(browser)
    assert "digit.digit=own" in state and "digit.strokes=" in state
    assert opened(browser, folder, f"try.html#{state}&digit.epsilon=0") != said
    assert "No network is fooled, at ε = 0." in settled(browser) and "standard: 1 (" in settled(browser)
    browser.evaluate("document.querySelector('.reset').click()")
    assert "standard: 7 (" in settled(browser) and place(browser) == ""


def settled(browser):
    """Return the sentence after the last of some moves."""
    sentence = "document.querySelector('.sentence').textContent"
    return rested(browser, f"document.querySelector('[aria-busy=true]') ? performance.now() : {sentence}", 0.3)


def rested(browser, expression, pause=1.0):
    """Return what an expression of the page gives, once it gives the same for so many seconds."""
    said = None
    while said != (said := browser.evaluate(expression)):
        time.sleep(pause)
    return said


def says(browser, part):
    """Return the sentence, once a part of it is there and it rests."""
    said = sentence(browser, "")
    while part not in said:
        said = sentence(browser, said)
    return settled(browser)


def test_a_digit_is_drawn_and_cleared_by_keys(browser, folder):
    before = opened(browser, folder, "try.html")
    browser.evaluate("document.querySelector('.pad').focus()")
    browser.press(DELETE)
    assert sentence(browser, before) == "The pad is empty: draw a digit, or choose an example."
    browser.press(*[UP] * 9, " ", *[DOWN] * 18, " ", RIGHT)
    assert "standard: 1 (" in settled(browser) or "robust: 1 (" in settled(browser)
    browser.press(DELETE)
    assert "The pad is empty" in settled(browser)


@pytest.mark.parametrize("name", ["damaged.html", "missing.html"])
def test_where_weights_are_damaged_or_missing_the_frames_stay_and_a_sentence_says_why(name, browser, folder):
    said = opened(browser, folder, name)
    assert "This page cannot compute (" in said and "computed before" in said
    visible = "document.querySelector('.picture').getBoundingClientRect().height"
    assert browser.evaluate(visible) > 20 and browser.evaluate("document.querySelector('figure').className") == "explorer"


def test_a_number_out_of_range_is_a_sentence_and_in_the_address_it_is_left_out(browser, folder):
    said = opened(browser, folder, "try.html")
    assert opened(browser, folder, "try.html#digit.epsilon=7&digit.digit=eleven&digit.strokes=x") == said
    typed(browser, "epsilon", "7")
    assert settled(browser) == "ε is a number from 0 to 0.4."


def test_moons_are_trained_again_when_epsilon_moves(browser, folder):
    before = opened(browser, folder, "moons.html")
    assert before.startswith("Trained at ε = 0.3: 9") and "Without an adversary: 100 % of the points right" in before
    ink = "document.querySelectorAll('canvas')[1].getContext('2d').getImageData(0, 0, 630, 420).data.reduce((a, b) => a + b)"
    settled(browser)
    picture = browser.evaluate(ink)
    typed(browser, "epsilon", "0.1")
    assert settled(browser).startswith("Trained at ε = 0.1: 100 % of the points right") and browser.evaluate(ink) != picture


def test_the_face_of_the_moons_is_that_of_the_networks_it_trained(browser, folder):
    opened(browser, folder, "moons.html")
    face = "window.lecture.live.moons"
    assert browser.evaluate(f"{face}.networks") == ["standard", "adversarial"]
    points, sides = make_moons(300, noise=0.05, random_state=0)
    point, label = points[0].tolist(), int(sides[0])
    for name in ("standard", "adversarial"):
        logits = browser.evaluate(f"{face}.logits('{name}', {point})")
        assert len(logits) == 2 and (logits[1] > logits[0]) == bool(label)
        slope = browser.evaluate(f"{face}.gradient('{name}', {point}, {label})")
        delta = browser.evaluate(f"{face}.attack('{name}', {point}, {label}, {{epsilon: 0.25, eta: 0.25, steps: 1}})")
        assert delta == [pytest.approx(math.copysign(0.25, one)) for one in slope]


STATES = {  # what is typed where, what is said then, and how the address has it
    "square": ("eta", "2.5", "ε = 0.20, η = 2.50: after 5 steps the gradient iterate is at (0.20, 0.20).", "square.eta=2.5"),
    "planes": ("d", "300", "d = 300, m = 75, coherence", "planes.d=300"),
    "step": ("k", "37", "tanh, k = 37, d = 1000, η = 3: ", "step.k=37"),
}


@pytest.mark.parametrize("name", STATES)
def test_charts_follow_what_is_typed_and_keyed_and_the_address_restores_it(name, browser, folder):
    key, number, wanted, state = STATES[name]
    before = opened(browser, folder, f"{name}.html")
    drawn = "document.querySelector('svg').innerHTML"
    picture = browser.evaluate(drawn)
    typed(browser, key, number)
    assert (said := says(browser, wanted)).startswith(wanted) and browser.evaluate(drawn) != picture
    assert place(browser) == state
    assert opened(browser, folder, f"{name}.html#{state}") == said
    browser.evaluate("document.querySelector('.reset').click()")
    assert says(browser, before) == before and place(browser) == ""
    browser.evaluate(f"document.querySelector('input[type=range][data-key={key}]').focus()")
    browser.press(*[RIGHT] * 9)
    assert settled(browser) != before
    typed(browser, key, "0")
    assert re.fullmatch(r"\w+ is a (whole )?number from [\d.]+ to \d+\.", settled(browser))


@pytest.mark.parametrize("name", ["square", "planes", "step", "moons", "page", "picture"])
def test_a_slider_has_some_hundred_positions_and_stands_where_its_field_does(name, browser, folder):
    opened(browser, folder, f"{name}.html")
    ways = browser.evaluate("""JSON.stringify([...document.querySelectorAll("[type=range][data-key]")].map(one =>
        [(one.max - one.min) / one.step, one.step === "1" || "log" in one.dataset,
         Number(one.value), Number(one.parentElement.querySelector(".typed").value)]))""")
    for positions, whole, stands, typed in json.loads(ways):
        assert whole or (80 <= positions <= 500 and stands == typed)


def test_a_slider_of_a_logarithm_tells_the_number_and_keeps_it(browser, folder):
    opened(browser, folder, "step.html")
    slider = "document.querySelector('input[type=range][data-key=k]')"
    assert browser.evaluate(f"{slider}.getAttribute('aria-valuetext')") == "1000"
    for move, number in ((f"{slider}.min", "2"), (f"{slider}.max", "5000"), ("2", "100")):
        browser.evaluate(f"({slider}.value = {move}, {slider}.dispatchEvent(new Event('input')))")
        assert browser.evaluate("document.querySelector('.typed[data-key=k]').value") == number
        assert says(browser, f"k = {number}, ")


def chosen(browser, content, kind):
    """Choose a picture file of these bytes."""
    text = base64.b64encode(content).decode()
    browser.evaluate(f"""(() => {{
        const input = document.querySelector("[type=file]"), all = new DataTransfer()
        all.items.add(new File([Uint8Array.from(atob("{text}"), one => one.charCodeAt(0))], "mine", {{type: "{kind}"}}))
        input.files = all.files
        input.dispatchEvent(new Event("change"))
    }})()""")


def final(browser):
    """Return the sentence after the last step."""
    end = time.monotonic() + PATIENCE
    while (said := settled(browser)).endswith("(after one step)") and time.monotonic() < end:
        pass
    return said


def test_a_photograph_is_turned_upright_and_attacked_as_in_python(browser, folder):
    first = opened(browser, folder, "picture.html")
    assert "standard: airplane" in first and "after one step" in first
    before = final(browser)
    picture, buffer = Image.effect_mandelbrot((300, 200), (-2, -1.3, 1, 1.3), 60).convert("RGB"), io.BytesIO()
    turned = Image.Exif()
    turned[0x0112] = 6
    picture.save(buffer, "JPEG", quality=95, exif=turned)
    chosen(browser, buffer.getvalue(), "image/jpeg")
    sentence(browser, before)
    x = data.read_image(buffer.getvalue(), 32)
    wanted, categories = [], data.CLASSES["cifar10"]
    for name in ("standard", "robust"):
        judge = rounded(f"cifar10-{name}")
        delta = attacks.pgd(judge, x, judge(x).argmax(1), 8 / 255, steps=5)
        wanted.append([categories[judge(x + one).argmax()] for one in (0, delta)])
    said = re.findall(r"(?:standard|robust): (\w+) \(\d+ %\), attacked: (\w+)", final(browser))
    assert [list(one) for one in said] == wanted
    assert " %" not in browser.evaluate("document.querySelector('.row').textContent")  # where a line could end
    flat = [round(one) for one in (255 * x[0, 0]).flatten().tolist()]
    shown = "Array.from(document.querySelector('.row canvas').getContext('2d').getImageData(0, 0, 32, 32).data)"
    off = [abs(a - b) for a, b in zip(browser.evaluate(shown)[::4], flat, strict=True)]
    assert max(off) <= 12 and sum(off) / len(off) < 2  # decoders of JPEG differ


def test_a_picture_that_is_cut_short_is_refused_in_a_sentence(browser, folder):
    before, buffer = opened(browser, folder, "picture.html"), io.BytesIO()
    Image.effect_noise((100, 100), 50).save(buffer, "PNG")
    good = final(browser)
    chosen(browser, buffer.getvalue()[:-100], "image/png")
    short, unread = "This file is cut short, or is no JPEG, PNG or WebP picture.", "This file cannot be read as a picture."
    assert sentence(browser, good) == short
    chosen(browser, b"\x89PNG" + bytes(40) + b"IEND", "image/png")
    assert sentence(browser, short) == unread
    browser.evaluate("document.querySelector('.reset').click()")
    assert sentence(browser, unread) and final(browser) == good != before


# ---- In Chromium alone -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def phone(started):
    if lab.chromium() is None:
        pytest.skip("no Chromium or Chrome is installed")
    with Chromium(started) as opened:
        yield opened


def test_it_is_one_screen_and_one_small_file_that_asks_for_nothing(phone, folder):
    opened(phone, folder, "try.html")
    assert phone.evaluate("document.documentElement.scrollHeight") <= 780
    assert (
        phone.evaluate("document.querySelector('.sentence').getBoundingClientRect().bottom") < 664
    )  # a browser's bars beside it
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    assert (folder / "try.html").stat().st_size < 1.5e6
    assert not phone.complaints and not [url for url in phone.asked if not url.startswith(("file:", "data:", "blob:", "about:"))]


@pytest.mark.parametrize("name", ["try", "picture", "page", "moons", "square", "planes", "step"])
def test_axe_finds_no_violation_in_light_and_dark(name, phone, folder):
    opened(phone, folder, f"{name}.html")
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    phone.evaluate(axe.AXE_SCRIPT)
    for scheme in ("light", "dark"):
        phone.page.emulate_media(color_scheme=scheme)
        found = phone.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        wrong = [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found]
        assert not [one for one in wrong if name in ("try.html", "picture.html") or one[0] not in ("page-has-heading-one",)], (
            scheme
        )


def test_print_has_the_frames(phone, folder):
    opened(phone, folder, "page.html")
    assert not phone.page.locator(".picture").is_visible()
    phone.page.emulate_media(media="print")
    assert phone.page.locator(".picture").is_visible() and not phone.page.locator(".live").is_visible()
    phone.page.emulate_media(media="screen")


def test_a_script_that_is_not_ours_does_not_run(phone, folder):
    text = (folder / "try.html").read_text(encoding="utf-8")
    assert "unsafe-inline" not in text and "unsafe-eval" not in text
    foreign = text.replace("</main>", "</main><script>window.foreign = true</script><p id='styled' style='color: red'>")
    (folder / "foreign.html").write_text(foreign, encoding="utf-8")
    opened(phone, folder, "foreign.html")
    assert phone.evaluate("window.foreign === undefined")
    assert phone.evaluate("getComputedStyle(styled).color") != "rgb(255, 0, 0)"
    assert len(phone.complaints) == 2
    phone.complaints.clear()


def test_a_style_attribute_of_ours_holds():
    page = live.sealed('<meta charset="utf-8"><p style="color: &quot;red&quot;"><script>1</script><script>2</script>')
    assert "'unsafe-hashes'" in page and page.count("'sha256-") == 3


# ---- What the page is made of ------------------------------------------------------------------------


def test_every_example_is_read_right_by_both_networks():
    x = torch.cat([own.digit(strokes) for strokes in live.EXAMPLES])
    for name in live.pair("mnist"):
        assert networks.load(name)(x).argmax(1).tolist() == list(range(10))


def test_an_explorer_that_nothing_computes_is_refused():
    with pytest.raises(ValueError, match="digit, panda, .*, got 'cat'"):
        live.kinds({"cat": {}})


def test_a_qr_code_has_a_name_and_is_an_image():
    code = live.qr("https://someone.github.io/lecture/site/try.html")
    assert 'role="img"' in code and "<title>QR code: https://someone.github.io/lecture/site/try.html</title>" in code
