"""What exported pages need of an explorer: its pictures at all positions, drawn in the kernel that has the explorer.

``execute.py --frames`` has the kernel import this module; from then on every explorer that is shown writes a JSON file into
the folder that the environment's LECTURE_FRAMES names.
"""

import base64
import hashlib
import io
import itertools
import json
import math
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lecture_utils.explore import WHEN_SHOWN
from lecture_utils.plots import QUALITY

SMALL = 3 * 32 * 32  # numbers: an image of CIFAR-10
ASKED = "seed", "n", "w"  # of the notebook, for explorers that compute
MOST = int(os.environ.get("LECTURE_POSITIONS", 300))  # of an explorer in an export: each costs some kilobytes


def write(explorer):
    """Write the frames of an explorer that has sliders; without them it is a still picture."""
    if explorer.controls:
        path = Path(os.environ["LECTURE_FRAMES"], frames_name(*explorer.frame()))
        path.write_text(json.dumps(exported(explorer), ensure_ascii=False), encoding="utf-8")


def frames_name(content, alt):
    """Return the name of the file with an explorer's frames, given picture and text of its default position, as stored."""
    return hashlib.sha256(content + alt.encode()).hexdigest()[:16] + ".json"


def exported(explorer, most=MOST):
    """Return the positions as a dictionary for JSON: the pictures as what differs from the default one, and the texts.

    most: of sliders with more positions together only some values are kept, the ends and the defaults among them.
    "sliders": label, texts of the values, start. "alts", "shown": for each position, the last slider moving fastest, its
    text and the numbers of its pictures, to be laid one over the other. "pictures": see ``difference``. "read": see ``read``.
    """
    names, controls = list(explorer.controls), list(explorer.controls.values())
    kept = thinned(controls, most)
    starts = [indices.index(control.index(control.default)) for control, indices in zip(controls, kept, strict=True)]
    long = max(range(len(kept)), key=lambda i: len(kept[i]))  # along this slider little changes from one picture to another

    def drawn(position):
        values = [control.values[indices[i]] for control, indices, i in zip(controls, kept, position, strict=True)]
        return pixels_and_text(explorer, dict(zip(names, values, strict=True)))

    photographs = explorer.panel().photographs

    def numbered(pixels, below):
        return numbers.setdefault(difference(pixels, below, photographs), len(numbers))

    default, numbers, found = drawn(starts)[0], {}, {}
    for row in itertools.product(*[range(len(indices)) if i != long else [starts[i]] for i, indices in enumerate(kept)]):
        anchor, said = drawn(row)
        below = numbered(anchor, default)
        for i in range(len(kept[long])):
            position = (*row[:long], i, *row[long + 1 :])
            pixels, alt = (anchor, said) if position == row else drawn(position)
            if np.count_nonzero(pixels != anchor) < np.count_nonzero(pixels != default):
                layers = [below, numbered(pixels, anchor)]
            else:
                layers = [numbered(pixels, default)]
            found[position] = layers, alt
    places, pictures = sorted(found), list(numbers)
    return {
        "sliders": [
            {"label": one.description, "texts": [one.options[i][0] for i in indices], "start": start}
            for one, indices, start in zip(explorer.sliders.values(), kept, starts, strict=True)
        ],
        "alts": [found[place][1] for place in places],
        "shown": [[number for number in found[place][0] if pictures[number]] for place in places],
        "pictures": pictures,
        "read": read(explorer.draw),
    }


def read(draw):
    """Return what a page that computes begins with: small tensors that ``draw`` reads in its notebook, as flat lists; ASKED."""
    code = getattr(draw, "__code__", None)
    found = {name: draw.__globals__.get(name) for name in (*code.co_names, *ASKED)} if code else {}
    small = {name: one for name, one in found.items() if isinstance(one, torch.Tensor) and one.numel() <= SMALL}
    numbers = {name: one for name, one in found.items() if isinstance(one, int)}
    return numbers | {name: one.flatten().tolist() for name, one in small.items()}


def pixels_and_text(explorer, values):
    """Return picture, as an array (height, width) of 32 bits a pixel, and alternative text at a position."""
    panel = explorer.panel(**values)
    return np.asarray(panel.image().convert("RGBA")).view(np.uint32)[..., 0], panel.alt


def thinned(controls, most):
    """Return for each slider which of its values to keep, so that there are at most so many positions together.

    The kept ones are spread evenly; the ends and the default are among them. most: at least 3 to the number of sliders.
    """
    counts = [len(control.values) for control in controls]
    while math.prod(counts) > most:
        counts[counts.index(max(counts))] -= 1
    kept = []
    for control, count in zip(controls, counts, strict=True):
        indices = np.linspace(0, len(control.values) - 1, count).round().astype(int)
        start = control.index(control.default)
        if start not in indices:
            indices[1 + np.abs(indices[1:-1] - start).argmin()] = start
        kept.append(indices.tolist())
    return kept


def difference(pixels, default, photographs=False):
    """Return the box that holds all that differs, transparent elsewhere, as (left, top, WebP as base64); None if nothing does.

    photographs: the whole box, nearly the same: a tenth of the size.
    """
    differs = pixels != default
    box = Image.fromarray(differs).getbbox()
    if box is None:
        return None
    left, top, right, bottom = box
    part = np.where(differs | photographs, pixels, 0)[top:bottom, left:right]
    buffer, kept = io.BytesIO(), {"quality": QUALITY} if photographs else {"lossless": True}
    Image.fromarray(np.ascontiguousarray(part)[..., None].view(np.uint8)).save(buffer, "WEBP", method=2, **kept)
    return left, top, base64.b64encode(buffer.getvalue()).decode()


if os.environ.get("LECTURE_FRAMES"):
    WHEN_SHOWN.append(write)
