"""Train the networks in data/: seeded, resumable, with a progress bar; writes the files and the manifest.

    python scripts/train_checkpoints.py [NAME ...]       all names without an argument

The robust accuracy of an adversarially trained network is the lower one of two, under ``attacks.strongest`` and under
AutoAttack (where torchattacks is installed: pip install -e '.[peers]'), on the same images. Ctrl-C stops; the next call goes
on from there.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import sys
import time
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import nn
from torch.nn.functional import affine_grid, grid_sample, pad, unfold

from lecture_utils import attacks, data, networks, training

STATES = Path(__file__).resolve().parent.parent / "build" / "checkpoints"
RECIPES = {
    "digits-standard": {
        "dataset": "digits", "seed": 0, "epochs": 120, "shift": 1, "network": "small_cnn", "architecture": {"size": 8},
        "judged": {"epsilon": 0.15, "images": 360},
    },
    "mnist-standard": {
        "dataset": "mnist", "seed": 0, "epochs": 20, "shift": 2,
        "network": "small_cnn", "architecture": {"size": 28, "strides": [2, 2], "hidden": 100},
        "judged": {"epsilon": 0.3, "images": 1000},
    },
    "digits-robust": {
        "dataset": "digits", "seed": 0, "epochs": 80, "distort": 0.25,
        "network": "small_cnn", "architecture": {"size": 8, "widths": [32, 64], "hidden": 96},
        "epsilon": 0.15, "steps": 7, "warmup": 0.3, "average": 0.995, "auto_attacked": 360,
    },
    "mnist-robust": {
        "dataset": "mnist", "seed": 0, "epochs": 14, "distort": 0.5,
        "network": "small_cnn", "architecture": {"size": 28, "strides": [2, 2, 2], "widths": [32, 48, 96], "hidden": 100},
        "epsilon": 0.3, "steps": 7, "warmup": 0.3, "average": 0.999, "auto_attacked": 1000,
    },
    "cifar10-standard": {
        "dataset": "cifar10", "seed": 0, "epochs": 48, "shift": 3, "cut": 8, "whiten": True, "half": True, "batch_size": 250,
        "learning_rate": 0.2, "sgd": {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
        "one_pixel": 40, "network": "small_resnet", "architecture": {},
        "judged": {"epsilon": 8 / 255, "images": 200},
    },
    "cifar10-robust": {
        "dataset": "cifar10", "seed": 0, "epochs": 72, "shift": 3, "half": True, "batch_size": 250, "learning_rate": 0.15,
        "sgd": {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}, "network": "smooth_resnet", "architecture": {},
        "epsilon": 8 / 255, "steps": 2, "attacked": 1000, "auto_attacked": 1000,
    },
}  # fmt: skip
OPTIONS = ("batch_size", "learning_rate", "warmup", "average")  # of ``fit``
APART = ("network", "architecture", "attacked", "auto_attacked", "judged", "one_pixel")  # no part of the training


def shifted(pixels, mirror):
    """Return an augmentation: every image moved by up to so many pixels, the border filled with zeros.

    mirror: half of the images change left and right too, and the border repeats what is beside it: for natural images.
    """

    def augment(x, generator):
        n, channels, h, w = x.shape
        padded = pad(x, [pixels] * 4, mode="reflect" if mirror else "constant")
        top, left = torch.randint(2 * pixels + 1, (2, n, 1), generator=generator)
        rows, columns = top + torch.arange(h), left + torch.arange(w)
        if mirror:
            columns = torch.where(torch.rand(n, 1, generator=generator) < 0.5, columns, columns.flip(1))
        image, channel = torch.arange(n)[:, None, None, None], torch.arange(channels)[:, None, None]
        return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]

    return augment


def cut(pixels):
    """Return an augmentation: a square of so many pixels a side, anywhere in the image, turns grey (DeVries and Taylor 2017)."""

    def augment(x, generator):
        sides = []
        for size in x.shape[2:]:
            start, places = torch.randint(1 - pixels, size, (len(x), 1), generator=generator), torch.arange(size)
            sides.append((start <= places) & (places < start + pixels))
        return torch.where(sides[0][:, None, :, None] & sides[1][:, None, None, :], 0.5, x)

    return augment


def distorted(pixels):
    """Return an augmentation: turned, scaled, sheared and moved, so that the edges move by up to about so many pixels."""

    def augment(x, generator):
        n, _, h, w = x.shape
        move = 2 * pixels / w  # the grid's unit: the image reaches from -1 to 1
        turn, scale, shear, left, top = move * (2 * torch.rand(5, n, generator=generator) - 1)
        rows = torch.stack([1 + scale, shear - turn, left], 1), torch.stack([turn, 1 + scale, top], 1)
        return grid_sample(x, affine_grid(torch.stack(rows, 1), x.shape, align_corners=False), align_corners=False).clamp(0, 1)

    return augment


def augmentation(recipe, mirror):
    """Return a recipe's augmentation: the images distorted or shifted, and cut where it says so."""
    move = distorted(recipe["distort"]) if "distort" in recipe else shifted(recipe["shift"], mirror)
    hide = cut(recipe["cut"]) if "cut" in recipe else None
    return (lambda x, generator: hide(move(x, generator), generator)) if hide else move


def whiten(model, x):
    """Let a ``small_resnet`` begin with filters whose outputs on patches of x are uncorrelated, of variance 1 (Jordan 2024)."""
    normalize, stem = model[:2]
    patches = unfold(normalize(x), stem.kernel_size).transpose(1, 2).flatten(0, 1)
    values, vectors = torch.linalg.eigh(patches.T.cov())
    filters = (vectors / (values + 5e-4).sqrt()).T.view(-1, *stem.weight.shape[1:])
    with torch.no_grad():
        stem.weight.copy_(torch.cat([filters, -filters]))  # both signs: a ReLU follows


class Bfloat16(nn.Module):
    """Compute a network's layers in bfloat16 where torch deems that safe: 2 to 3 times as fast on processors that have it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return self.model(x).float()


def train(name):
    """Train one network and return its file's content and its entry in the manifest."""
    recipe = RECIPES[name]
    x, y = data.load(recipe["dataset"], "train")
    test = data.load(recipe["dataset"], "test")
    channels = x.transpose(0, 1).flatten(1)
    mean, std = ([round(value, 4) for value in part.tolist()] for part in (channels.mean(1), channels.std(1)))
    grey = len(mean) == 1
    architecture = recipe["architecture"] | ({"mean": mean[0], "std": std[0]} if grey else {"mean": mean, "std": std})
    torch.manual_seed(recipe["seed"])  # the initial weights
    builder = getattr(networks, recipe["network"])
    model = builder(**architecture)
    if recipe.get("whiten"):
        whiten(model, x[:5000])
    STATES.mkdir(parents=True, exist_ok=True)
    half = recipe.get("half", False)  # trained in bfloat16, stored in float16
    start, generator = time.process_time(), torch.Generator().manual_seed(recipe["seed"])
    attack = training.pgd_attack(recipe["epsilon"], steps=recipe["steps"], generator=generator) if "epsilon" in recipe else None
    timed = []  # the epochs of this call: a run that was interrupted had others before
    history = training.fit(
        Bfloat16(model) if half else model, x, y, epochs=recipe["epochs"], validation=(test[0][:1000], test[1][:1000]),
        attack=attack, augment=augmentation(recipe, mirror=not grey),
        optimizer=partial(torch.optim.SGD, **recipe["sgd"]) if "sgd" in recipe else torch.optim.Adam, watch=timed.append,
        generator=generator, checkpoint=STATES / f"{name}.pt", **{key: recipe[key] for key in OPTIONS if key in recipe},
    )  # fmt: skip
    if history.stopped:
        sys.exit(f"{name}: {history.stopped} after {len(history.loss)} epochs; the next call goes on from there")
    state = {key: value.half() if half and value.is_floating_point() else value for key, value in model.state_dict().items()}
    content = save({key: value.contiguous() for key, value in state.items()})
    model.load_state_dict(load(content))  # what is measured is what is stored
    entry = {
        "file": f"{name}.safetensors",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "network": builder.__name__,
        "architecture": architecture,
        "trained by": "scripts/train_checkpoints.py",
        "recipe": {key: value for key, value in recipe.items() if key not in APART},
        "CPU seconds": round(time.process_time() - start),
        "epochs in them": len(timed),
        "test images": len(test[1]),
        "clean accuracy": round(training.accuracy(model, *test), 4),
        "training loss": round(history.loss[-1], 5),
    }
    if attack:
        entry |= robustness(model, *test, recipe)
    if "judged" in recipe:
        entry |= vulnerability(model, *test, **recipe["judged"])
    if "one_pixel" in recipe:
        entry |= fooled_by_one_pixel(model, *test, recipe["one_pixel"])
    return content, entry


def robustness(model, x, y, recipe):
    """Return what the manifest says of a robust network: its accuracy under attack, and which attacks that were."""
    epsilon, count = recipe["epsilon"], recipe["auto_attacked"]
    x, y = (part[: recipe.get("attacked")] for part in (x, y))
    images = f"the first {len(y)} test images" if "attacked" in recipe else "all test images"
    start = time.perf_counter()
    with torch.no_grad():
        survives = (model(x + attacks.strongest(model, x, y, epsilon)).argmax(1) == y).double()
    found = {"attacks.strongest": survives[:count].mean().item()}
    if importlib.util.find_spec("torchattacks"):
        import torchattacks

        attack = torchattacks.AutoAttack(model, norm="Linf", eps=epsilon, n_classes=10, seed=0)
        adversarial = attack(x[:count], y[:count])
        found["AutoAttack (torchattacks)"] = training.accuracy(model, adversarial, y[:count])
    return {
        "epsilon": epsilon,
        "robust accuracy": round(min(found.values()), 4),
        "attacked images": f"the first {count} of the test images",
        "accuracy under attack": {name: round(share, 4) for name, share in found.items()},
        **({f"attacks.strongest, {images}": round(survives.mean().item(), 4)} if len(y) > count else {}),
        "seconds of attack": round(time.perf_counter() - start),
        "under attacks.strongest": {"epsilon": epsilon, "images": count, "accuracy": round(found["attacks.strongest"], 4)},
    }


def vulnerability(model, x, y, epsilon, images):
    """Return what the manifest says of an ordinary network: what the strongest attack leaves, at its robust twin's epsilon."""
    with torch.no_grad():
        left = training.accuracy(model, x[:images], y[:images], partial(attacks.strongest, epsilon=epsilon))
    return {"under attacks.strongest": {"epsilon": epsilon, "images": images, "accuracy": round(left, 4)}}


def fooled_by_one_pixel(model, x, y, count):
    """Return what the manifest says of one-pixel attacks on the first so many test images that are classified correctly."""
    with torch.no_grad():
        right = (model(x).argmax(1) == y).nonzero()[:count, 0]
        x, y = x[right], y[right]
        delta = torch.cat([attacks.one_pixel(Bfloat16(model), *one) for one in zip(x.split(5), y.split(5), strict=True)])
        return {"one pixel": {"images": count, "fooled": int((model(x + delta).argmax(1) != y).sum())}}


def replace(file, content):
    """Write a file whole or not at all."""
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_bytes(content)
    os.replace(temporary, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(RECIPES)}")
    names = parser.parse_args().names
    if unknown := [name for name in names if name not in RECIPES]:
        parser.error(f"the networks are {', '.join(RECIPES)}; got {', '.join(map(repr, unknown))}")
    if not os.access(data.FOLDER, os.W_OK):
        parser.error(f"{data.FOLDER} is read-only: copy the project to a place of your own")
    for name in names or RECIPES:
        print(f"{name}: training", file=sys.stderr)
        content, entry = train(name)
        path = data.FOLDER / "manifest.json"
        entries = networks.manifest() if path.exists() else {}
        replace(data.FOLDER / entry["file"], content)
        replace(path, (json.dumps(entries | {name: entry}, indent=2) + "\n").encode())
        (STATES / f"{name}.pt").unlink()  # a finished run starts afresh the next time
        robust = f", robust {entry['robust accuracy']:.4f} at epsilon = {entry['epsilon']}" if "epsilon" in entry else ""
        print(f"{name}: clean accuracy {entry['clean accuracy']:.4f} on {entry['test images']} test images{robust}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped; the next call goes on from there.")
    except OSError as error:  # such as images that are not here
        sys.exit(str(error))
