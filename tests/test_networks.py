"""The shipped networks are the ones that the manifest describes; torchvision's come with normalisation and categories."""

import hashlib
import io
import json
import os
import pickle
import re
import shutil
from pathlib import Path
from urllib.error import URLError

import nbformat
import pytest
import torch

import train_checkpoints
from lecture_utils import attacks, data, import_torchvision, networks, training

models = import_torchvision().models
FILES = Path(__file__).resolve().parents[2] / "shared" / "data"
SHIPPED = list(networks.manifest())
SHAPES = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "1_adversarial_examples.ipynb"
every_network = pytest.mark.parametrize("name", SHIPPED)


@pytest.fixture(autouse=True)
def no_folder_is_named(monkeypatch):
    monkeypatch.delenv("LECTURE_DATA", raising=False)


# ---- the shipped networks ----------------------------------------------------------------------------


def test_the_networks_of_the_lecture_are_shipped():
    assert set(SHIPPED) == {f"{dataset}-{kind}" for dataset in SHAPES for kind in ("standard", "robust")}
    assert {file.name for file in data.FOLDER.glob("*.safetensors")} == {entry["file"] for entry in networks.manifest().values()}


@every_network
def test_a_shipped_network_is_ready_to_be_attacked(name):
    model, entry = networks.load(name), networks.manifest()[name]
    assert not any(layer.training for layer in model.modules())
    assert all(weight.isfinite().all() and weight.grad is None for weight in model.parameters())
    dataset = entry["recipe"]["dataset"]
    assert model(torch.rand(2, *SHAPES[dataset])).shape == (2, 10)
    assert model.categories == data.CLASSES[dataset]


@every_network
def test_a_shipped_file_is_small_and_the_one_in_the_manifest(name):
    entry = networks.manifest()[name]
    content = (data.FOLDER / entry["file"]).read_bytes()
    assert len(content) == entry["bytes"] < 3_000_000
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]


@pytest.mark.slow
@every_network
def test_the_accuracy_is_the_one_in_the_manifest(name, monkeypatch):
    entry = networks.manifest()[name]
    if entry["recipe"]["dataset"] != "digits":
        if not FILES.is_dir():
            pytest.skip("MNIST and CIFAR-10 are not in shared/data beside the repository")
        monkeypatch.setenv("LECTURE_DATA", str(FILES))
    x, y = data.load(entry["recipe"]["dataset"], "test")
    assert len(x) == entry["test images"]
    n, off = (2000, 0.015) if entry["recipe"]["dataset"] == "cifar10" else (len(x), 2.5e-4)  # the first ones: 20 s for all
    measured = training.accuracy(networks.load(name), x[:n], y[:n])
    assert measured == pytest.approx(entry["clean accuracy"], abs=off)
    if name.endswith("-standard"):
        assert measured >= {"digits": 0.985, "mnist": 0.99, "cifar10": 0.88}[entry["recipe"]["dataset"]]


def test_the_normalisation_is_inside_and_is_that_of_the_training_images():
    (x, _), model = data.load("digits", "train"), networks.load("digits-standard")
    normalised = model[0](x)
    assert normalised.mean().abs() < 1e-3 and (normalised.std() - 1).abs() < 1e-3


@every_network
def test_a_network_computes_in_the_format_that_is_fast_however_the_pixels_lie(name):
    model, (c, h, w), found = networks.load(name), SHAPES[name.split("-")[0]], []
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(lambda _, given, out: found.append(out.is_contiguous(memory_format=torch.channels_last)))
    for strides in ((c * h * w, h * w, w, 1), (c * h * w, 1, c * w, c)):  # a sum of grey images has the first, whatever they have
        model(torch.rand(2 * c * h * w, generator=torch.Generator().manual_seed(0)).as_strided((2, c, h, w), strides))
    assert len(found) >= 4 and all(found)


def test_two_loads_share_no_weights():
    first, second = networks.load("digits-standard"), networks.load("digits-standard")
    for weight in first.parameters():
        weight.data.zero_()
    assert any(weight.any() for weight in second.parameters())


def test_an_attack_bites():
    # A network whose gradients are masked would make every figure of the lecture wrong.
    (x, y), model = data.load("digits", "test"), networks.load("digits-standard")
    assert training.accuracy(model, x, y, lambda *given: attacks.pgd(*given, 0.2)) < 0.05


@pytest.fixture
def copies(tmp_path, monkeypatch):
    """A copy of the folder of checkpoints, which tests may damage."""
    for file in ("manifest.json", "digits-standard.safetensors"):
        shutil.copy(data.FOLDER / file, tmp_path)
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    return tmp_path


def test_a_checkpoint_with_one_bit_changed_is_refused(copies):
    path = copies / "digits-standard.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"digits-standard.safetensors is damaged: expected sha256 .* restore the file"):
        networks.load("digits-standard")


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_truncated_checkpoint_is_refused(copies, kept):
    path, whole = copies / "digits-standard.safetensors", networks.manifest()["digits-standard"]["bytes"]
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(OSError, match=rf"digits-standard.safetensors is damaged: .*\({whole} bytes\), got .*bytes\)"):
        networks.load("digits-standard")


def test_a_missing_checkpoint_is_named(copies):
    assert networks.load("digits-standard")
    (copies / "digits-standard.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="digits-standard.safetensors"):
        networks.load("digits-standard")


def test_a_checkpoint_that_the_manifest_does_not_describe_is_refused(copies):
    entries = json.loads((copies / "manifest.json").read_text())
    entries["digits-standard"]["sha256"] = "0" * 64
    (copies / "manifest.json").write_text(json.dumps(entries))
    with pytest.raises(OSError, match="expected sha256 000000000000… "):
        networks.load("digits-standard")


@pytest.mark.parametrize("name", ["digits", "", None])
def test_unknown_networks_are_refused_with_the_names_there_are(name):
    with pytest.raises(ValueError, match=r"name must be one of \[.*'digits-standard'.*\], got"):
        networks.load(name)


def test_verdicts_name_the_class_and_its_confidence():
    (x, y), model = data.load("digits", "test"), networks.load("digits-standard")
    confidence = model(x).softmax(1).max(1).values
    first, second = networks.verdicts(model, x[:2])
    assert first == f"{y[0]} ({100 * confidence[0]:.0f} %)" and second == f"{y[1]} ({100 * confidence[1]:.0f} %)"


# ---- how they were trained ---------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_a_shifted_image_is_the_image_moved_and_a_natural_one_may_be_mirrored(channels):
    x = torch.rand(200, channels, 8, 8, generator=torch.Generator().manual_seed(0))
    moved = train_checkpoints.shifted(2, mirror=channels == 3)(x, torch.Generator().manual_seed(1))
    inside, ways = moved[:, :, 2:6, 2:6], set()
    for image, whole in zip(inside, x, strict=True):
        places = [(t, left, m) for t in range(5) for left in range(5) for m in (False, True)]
        found = [p for p in places if torch.equal(image, (whole.flip(2) if p[2] else whole)[:, p[0] : p[0] + 4, p[1] : p[1] + 4])]
        assert len(found) == 1
        ways.add(found[0])
    assert {mirrored for *_, mirrored in ways} == ({False, True} if channels == 3 else {False}) and len(ways) > 20
    assert (moved == 0).any() == (channels == 1)  # the border: black, or what is beside it


def test_a_cut_image_has_one_grey_square_that_may_reach_over_the_edge():
    x = 0.6 + 0.4 * torch.rand(400, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    made = train_checkpoints.cut(3)(x, torch.Generator().manual_seed(1))
    hidden = made == 0.5
    assert torch.equal(made[~hidden], x[~hidden]) and (hidden == hidden[:, :1]).all()
    rows, columns = hidden[:, 0].any(2), hidden[:, 0].any(1)
    assert torch.equal(hidden[:, 0], rows[:, :, None] & columns[:, None, :]) and hidden[:, 0].flatten(1).any(0).all()
    for side in (rows, columns):
        places = side.long().argmax(1), side.shape[1] - 1 - side.flip(1).long().argmax(1)  # first and last
        assert (places[1] - places[0] + 1 == side.sum(1)).all() and set(side.sum(1).tolist()) == {1, 2, 3}
        assert ((places[0] == 0) | (places[1] == side.shape[1] - 1) | (side.sum(1) == 3)).all()


def test_whitened_filters_give_uncorrelated_outputs_of_one_variance():
    x, model = data.centre(data.photo("cat"), 96), networks.small_resnet([0.5] * 3, [0.25] * 3)
    train_checkpoints.whiten(model, x)
    outputs = model[1](model[0](x)) - model[1].bias.view(-1, 1, 1)
    covariance = outputs.transpose(0, 1).flatten(1)[:12].cov()
    assert (covariance - covariance.diag().diag()).abs().max() < 0.01
    assert 0 < covariance.diag().min() and covariance.diag().max() < 1.01 and covariance.diag().median() > 0.5


# ---- torchvision's networks --------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of weights, an empty folder of data, and no network."""

    def refused(url, *arguments, **options):
        raise URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refused)
    monkeypatch.setenv("LECTURE_DATA", str(tmp_path))
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "torch"))
    yield tmp_path
    torch.hub.set_dir(before)


@pytest.fixture
def place(monkeypatch):
    """Write weights where torchvision's cache has the trained ones, as if they were these: random ones without content."""

    def placed(folder, name, content=None, **options):
        if content is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                torch.save(models.get_model(name, weights=None, **options).state_dict(), buffer := io.BytesIO())
            content = buffer.getvalue()
        weights = models.get_model_weights(name).DEFAULT
        file = folder / "checkpoints" / f"{name}-{hashlib.sha256(content).hexdigest()[:8]}.pth"
        monkeypatch.setattr(weights.value, "url", f"https://download.pytorch.org/models/{file.name}")
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        return file

    return placed


@pytest.mark.parametrize("name", ["alexnet", "googlenet"])
def test_without_network_and_cache_there_is_one_error_that_says_how_to_get_the_weights(cache, name):
    assert not networks.has_weights(name)
    problem = rf"no weights for '{name}': {name}\S*\.pth could not be read .* nor downloaded"
    remedy = rf"networks.pretrained\('{name}'\) once, or copy the file to .*hub/checkpoints"
    with pytest.raises(FileNotFoundError, match=f"{problem} .*{remedy}"):
        networks.pretrained(name)
    assert torch.hub.get_dir() == str(cache / "torch")


@pytest.mark.parametrize(
    ("name", "where", "options"),
    [("squeezenet1_1", "torch", {}), ("googlenet", "hub", {"init_weights": False, "aux_logits": True})],
)
def test_weights_are_read_from_the_folder_that_is_named_and_from_torchs_own_cache(cache, place, name, where, options):
    place(cache / where, name, **options)
    assert networks.has_weights(name)
    model = networks.pretrained(name)
    assert not any(layer.training for layer in model.modules())
    assert len(model.categories) == 1000 and model.categories[0] == "tench"
    assert torch.hub.get_dir() == str(cache / "torch")
    with torch.no_grad():
        x = torch.rand(1, 3, 224, 224)
        logits = model(x)
        mean, std = (torch.tensor(three).view(3, 1, 1) for three in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
        assert logits.shape == (1, 1000)
        assert torch.allclose(logits, model[1]((x - mean) / std), atol=1e-6)


def test_weights_that_are_nowhere_are_downloaded_once_to_torchs_own_cache(cache, place, monkeypatch):
    file, asked = place(cache / "server", "squeezenet1_1"), []

    def download(url, target, hash_prefix, **options):
        asked.append((url.rsplit("/")[-1], hash_prefix))
        shutil.copy(file, target)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    for _ in range(2):
        assert len(networks.pretrained("squeezenet1_1").categories) == 1000
    assert asked == [(file.name, file.stem.rsplit("-")[-1])]
    assert [found.name for found in (cache / "torch").rglob("*") if found.is_file()] == [file.name]


def test_an_attack_works_on_torchvisions_networks(cache, place):
    place(cache / "hub", "squeezenet1_1")
    model, x = networks.pretrained("squeezenet1_1"), torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    y = model(x).argmax(1)
    delta = attacks.pgd(model, x, y, 2 / 255, steps=2)
    assert attacks.margin(model(x + delta), y) < attacks.margin(model(x), y)


@pytest.mark.slow
@pytest.mark.parametrize("there", [False, True])
def test_the_panda_row_of_the_notebook_is_googlenets_where_its_weights_are_there(cache, place, there):
    """The weights are random: what is drawn means nothing, but it is drawn, of 224 x 224 pixels and 1,000 classes."""
    if there:
        place(cache / "hub", "googlenet", init_weights=False, aux_logits=True)
    sources = {cell.id: cell.source for cell in nbformat.read(NOTEBOOK, 4).cells}
    made = {}
    for cell in ("s1-01", "s1-02", "s1-n11", "s1-n31", "s1-n32"):
        exec(sources[cell], made)
    assert (made["gaze"] is made["eyes"]) == (not there) and len(made["gaze"].categories) == 1000
    assert made["palace"].shape == (1, 3, 224, 224)
    delta = attacks.project_linf(made["palace_signs"], made["palace"], 4 / 255)
    (said,) = networks.verdicts(made["gaze"], made["palace"] + delta)
    assert f"ε = 4/255 and η = 4/255 {said}; before" in made["palace_explorer"].move(epsilon=4).frame(epsilon=4)[1]


@pytest.mark.parametrize("kept", [0, 1000, 1_000_000])
def test_truncated_weights_are_an_error_that_names_the_file(cache, place, kept):
    file = place(cache / "hub", "squeezenet1_1")
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(FileNotFoundError, match="no weights for 'squeezenet1_1': squeezenet1_1.* could not be read .*delete"):
        networks.pretrained("squeezenet1_1")


def saved(value):
    torch.save(value, buffer := io.BytesIO())
    return buffer.getvalue()


@pytest.mark.parametrize("content", [saved({"another.weight": torch.zeros(3)}), saved([1, 2]), saved(3.0), b"junk", b""])
def test_weights_of_another_network_are_an_error_that_names_the_file(cache, place, content):
    place(cache / "hub", "squeezenet1_1", content)
    with pytest.raises(FileNotFoundError, match="no weights for 'squeezenet1_1'"):
        networks.pretrained("squeezenet1_1")


class Bomb:
    """What a pickle makes of it: a folder, made while it is read."""

    def __init__(self, place):
        self.place = str(place)

    def __reduce__(self):
        return os.mkdir, (self.place,)


@pytest.mark.parametrize("dump", [pickle.dumps, saved, lambda bomb: saved({"classifier.1.weight": bomb})])
@pytest.mark.parametrize("named", [True, False])
def test_weights_never_run_a_pickle_whether_or_not_their_hash_is_right(cache, place, dump, named):
    content = dump(Bomb(cache / "it ran"))
    file = place(cache / "hub", "squeezenet1_1", content)
    if not named:
        file.write_bytes(content + b"more")
    with pytest.raises(FileNotFoundError, match="no weights for 'squeezenet1_1'" + ("" if named else ".* sha256 ")):
        networks.pretrained("squeezenet1_1")
    assert not (cache / "it ran").exists()
    pickle.loads(pickle.dumps(Bomb(cache / "it ran")))
    assert (cache / "it ran").exists()


def test_torch_load_and_pickle_are_called_with_care_wherever_they_are_called():
    files = [path for folder in ("lecture_utils", "scripts") for path in (ROOT / folder).rglob("*.py")]
    sources = {path.name: path.read_text(encoding="utf-8") for path in files}
    sources |= {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").glob("*.ipynb")}
    calls = [call for text in sources.values() for call in re.findall(r"(?:torch|hub)\.load\w*\([^\n]*", text)]
    assert calls and all("weights_only=True" in call for call in calls)
    assert not [
        call for text in sources.values() for call in re.findall(r"allow_pickle=True|unsafe_load|weights_only=False", text)
    ]
    # The official CIFAR-10 is a pickle, read after its md5 was compared; a kernel and its own worker exchange some.
    unpickle = [name for name, text in sources.items() if re.search(r"pickle\.loads?\(|Unpickler", text)]
    assert sorted(unpickle) == ["data.py", "worker.py"] and sources["data.py"].index("!= md5:") < sources["data.py"].index(
        "pickle.loads("
    )


@pytest.mark.parametrize("name", ["alexnet2", "", None, "fcn_resnet50"])
def test_models_that_torchvision_does_not_have_are_refused(name):
    with pytest.raises(ValueError, match='name must be a classification model of torchvision such as "alexnet", got'):
        networks.pretrained(name)
