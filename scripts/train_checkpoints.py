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
from pathlib import Path

import torch
from safetensors.torch import save
from torch.nn.functional import affine_grid, grid_sample, pad

from lecture_utils import attacks, data, networks, training

STATES = Path(__file__).resolve().parent.parent / "build" / "checkpoints"
RECIPES = {
    "digits-standard": {"dataset": "digits", "seed": 0, "epochs": 120, "shift": 1, "architecture": {"size": 8}},
    "mnist-standard": {
        "dataset": "mnist", "seed": 0, "epochs": 20, "shift": 2,
        "architecture": {"size": 28, "strides": [2, 2], "hidden": 100},
    },
    "digits-robust": {
        "dataset": "digits", "seed": 0, "epochs": 80, "distort": 0.25,
        "architecture": {"size": 8, "widths": [32, 64], "hidden": 96},
        "epsilon": 0.15, "steps": 7, "warmup": 0.3, "average": 0.995, "auto_attacked": 360,
    },
    "mnist-robust": {
        "dataset": "mnist", "seed": 0, "epochs": 14, "distort": 0.5,
        "architecture": {"size": 28, "strides": [2, 2, 2], "widths": [32, 48, 96], "hidden": 100},
        "epsilon": 0.3, "steps": 7, "warmup": 0.3, "average": 0.999, "auto_attacked": 1000,
    },
}  # fmt: skip


def shifted(pixels):
    """Return an augmentation: every image moved by up to so many pixels, the border filled with zeros."""

    def augment(x, generator):
        n, _, h, w = x.shape
        padded = pad(x, [pixels] * 4)
        top, left = torch.randint(2 * pixels + 1, (2, n, 1), generator=generator)
        rows, columns = top + torch.arange(h), left + torch.arange(w)
        return padded[torch.arange(n)[:, None, None, None], 0, rows[:, None, :, None], columns[:, None, None, :]]

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


def train(name):
    """Train one network and return its file's content and its entry in the manifest."""
    recipe = RECIPES[name]
    x, y = data.load(recipe["dataset"], "train")
    test = data.load(recipe["dataset"], "test")
    architecture = recipe["architecture"] | {"mean": round(x.mean().item(), 4), "std": round(x.std().item(), 4)}
    torch.manual_seed(recipe["seed"])  # the initial weights
    model = networks.small_cnn(**architecture)
    STATES.mkdir(parents=True, exist_ok=True)
    start, generator = time.perf_counter(), torch.Generator().manual_seed(recipe["seed"])
    attack = training.pgd_attack(recipe["epsilon"], steps=recipe["steps"], generator=generator) if "epsilon" in recipe else None
    history = training.fit(
        model, x, y, epochs=recipe["epochs"], validation=(test[0][:1000], test[1][:1000]), attack=attack,
        augment=distorted(recipe["distort"]) if attack else shifted(recipe["shift"]),
        warmup=recipe.get("warmup", 0.0), average=recipe.get("average", 0.0),
        generator=generator, checkpoint=STATES / f"{name}.pt",
    )  # fmt: skip
    if history.stopped:
        sys.exit(f"{name}: {history.stopped} after {len(history.loss)} epochs; the next call goes on from there")
    content = save({key: value.contiguous() for key, value in model.state_dict().items()})
    entry = {
        "file": f"{name}.safetensors",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "architecture": architecture,
        "trained by": "scripts/train_checkpoints.py",
        "recipe": {key: value for key, value in recipe.items() if key not in ("architecture", "auto_attacked")},
        "seconds on two cores": round(time.perf_counter() - start),
        "test images": len(test[1]),
        "clean accuracy": round(training.accuracy(model, *test), 4),
        "training loss": round(history.loss[-1], 5),
    }
    return content, entry | (robustness(model, *test, recipe) if attack else {})


def robustness(model, x, y, recipe):
    """Return what the manifest says of a robust network: its accuracy under attack, and which attacks that were."""
    epsilon, count = recipe["epsilon"], recipe["auto_attacked"]
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
        "attacks.strongest, all test images": round(survives.mean().item(), 4),
        "seconds of attack": round(time.perf_counter() - start),
    }


def replace(file, content):
    """Write a file whole or not at all."""
    temporary = file.with_name(f".{file.name}.new")
    temporary.write_bytes(content)
    os.replace(temporary, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*RECIPES, []], help="which networks to train")
    for name in parser.parse_args().names or RECIPES:
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
    main()
