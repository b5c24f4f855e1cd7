"""Train the networks in data/: seeded, resumable, with a progress bar; writes the files and the manifest.

python scripts/train_checkpoints.py [NAME ...]       all names without an argument
"""

import argparse
import hashlib
import json
import os
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save

from lecture_utils import data, networks, training

STATES = Path(__file__).resolve().parent.parent / "build" / "checkpoints"
RECIPES = {
    "digits-standard": {"dataset": "digits", "seed": 0, "epochs": 120, "shift": 1, "architecture": {"size": 8}},
    "mnist-standard": {
        "dataset": "mnist", "seed": 0, "epochs": 20, "shift": 2,
        "architecture": {"size": 28, "strides": [2, 2], "hidden": 100},
    },
}  # fmt: skip


def shifted(pixels):
    """Return an augmentation: every image moved by up to so many pixels, the border filled with zeros."""

    def augment(x, generator):
        n, _, h, w = x.shape
        padded = torch.nn.functional.pad(x, [pixels] * 4)
        top, left = torch.randint(2 * pixels + 1, (2, n, 1), generator=generator)
        rows, columns = top + torch.arange(h), left + torch.arange(w)
        return padded[torch.arange(n)[:, None, None, None], 0, rows[:, None, :, None], columns[:, None, None, :]]

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
    start = time.perf_counter()
    history = training.fit(
        model, x, y, epochs=recipe["epochs"], validation=test, augment=shifted(recipe["shift"]),
        generator=torch.Generator().manual_seed(recipe["seed"]), checkpoint=STATES / f"{name}.pt",
    )  # fmt: skip
    content = save({key: value.contiguous() for key, value in model.state_dict().items()})
    entry = {
        "file": f"{name}.safetensors",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "architecture": architecture,
        "trained by": "scripts/train_checkpoints.py",
        "recipe": {key: recipe[key] for key in ("dataset", "seed", "epochs", "shift")},
        "seconds on two cores": round(time.perf_counter() - start),
        "test images": len(test[1]),
        "clean accuracy": round(training.accuracy(model, *test), 4),
        "training loss": round(history.loss[-1], 5),
    }
    return content, entry


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
        print(f"{name}: clean accuracy {entry['clean accuracy']:.4f} on {entry['test images']} test images")


if __name__ == "__main__":
    main()
