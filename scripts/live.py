"""What an exported page needs to run a network itself: its layers, its weights, its images, and the script live.js.

network("mnist-standard")   # layers as a list for JSON, shape of an image, classes, weights in half precision
"""

import base64
import json
import math
from pathlib import Path

import numpy as np
import segno
import torch
from safetensors.torch import save
from torch import nn

from explorers import embedded
from lecture_utils import data, networks, own
from lecture_utils.own import SEVEN

TEMPLATES = Path(__file__).parent / "templates" / "lecture"
SHAPES = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
FACE = "load, logits, gradient, fgsm, pgd, softmax, argmax, serve"  # what live.js offers


def layers(module, name=""):
    """Return the layers of a network as a list of dictionaries, which live.js builds again.

    name: of the module in its network, as its tensors are called. Raises TypeError for a layer, or a kind of one, that live.js
    does not know.
    """
    prefix = f"{name}." if name else ""
    match module:
        case nn.Sequential():
            return [one for key, part in module.named_children() for one in layers(part, prefix + key)]
        case networks.Normalize(mean=mean, std=std):
            return [{"layer": "Normalize", "mean": mean.flatten().tolist(), "std": std.flatten().tolist()}]
        case networks.Halving(halve=halve, refine=refine):
            halves, refines = layers(halve, f"{prefix}halve"), layers(refine, f"{prefix}refine")
            return [{"layer": "Halving", "halve": halves, "refine": refines}]
        case nn.Conv2d(groups=1, dilation=(1, 1), padding_mode="zeros", stride=(s, t), padding=(p, q)) if (s, p) == (t, q):
            return [{"layer": "Conv2d", "name": name, "stride": s, "padding": p}]
        case nn.Linear(bias=torch.Tensor()):
            return [{"layer": "Linear", "name": name}]
        case nn.BatchNorm2d(affine=True, track_running_stats=True):
            return [{"layer": "BatchNorm2d", "name": name, "eps": module.eps}]
        case nn.MaxPool2d(padding=0, dilation=1, ceil_mode=False, kernel_size=int(size)) if module.stride == size:
            return [{"layer": "MaxPool2d", "size": size}]
        case nn.ReLU() | nn.Flatten(start_dim=1, end_dim=-1) | nn.AdaptiveMaxPool2d(output_size=1):
            return [{"layer": type(module).__name__}]
    raise TypeError(f"live.js knows no layer {module}")


def weights(model):
    """Return the tensors of a network as a safetensors file in half precision, in base64; those of ``Normalize`` are numbers."""
    constant = {
        f"{name}.{key}" for name, one in model.named_modules() if isinstance(one, networks.Normalize) for key in ("mean", "std")
    }
    kept = {name: one for name, one in model.state_dict().items() if one.is_floating_point() and name not in constant}
    return base64.b64encode(save({name: one.half().contiguous() for name, one in kept.items()})).decode()


def network(name):
    """Return a shipped network as a dictionary for JSON."""
    model = networks.load(name)
    shape = SHAPES[networks.manifest()[name]["recipe"]["dataset"]]
    return {"layers": layers(model), "shape": shape, "categories": model.categories, "weights": weights(model)}


def script():
    """Return live.js as one name, ``Live``, for a page or a worker."""
    return f"const Live = (() => {{\n{(TEMPLATES / 'live.js').read_text(encoding='utf-8')}\nreturn {{{FACE}}}\n}})()\n"


def arc(middle, radii, first, last, points=12):
    """Return points (x, y) of an ellipse between two angles in degrees, from the right clockwise, rounded to even numbers."""
    angles = np.radians(np.linspace(first, last, points))
    return [
        tuple(2 * round(m + r * f(angle)) for m, r, f in zip(middle, radii, (math.cos, math.sin), strict=True))
        for angle in angles
    ]


EXAMPLES = [  # digits as strokes, on half of own.Pad's square: middle and radii of arcs, points of lines
    [arc((70, 70), (30, 45), 0, 360, 24)],
    [[(110, 80), (146, 50), (146, 230)]],
    [[*arc((70, 50), (30, 24), 190, 380), (80, 220), (206, 220)]],
    [[*arc((66, 46), (30, 22), 200, 440), *arc((66, 92), (34, 25), 280, 520)]],
    [[(110, 50), (80, 150), (200, 150)], [(172, 60), (166, 236)]],
    [[(196, 54), (104, 54), (96, 126), *arc((66, 88), (34, 28), 230, 500)]],
    [[(160, 46), (110, 110), *arc((68, 92), (27, 26), 200, 560, 20)]],
    SEVEN,
    [[*arc((70, 46), (25, 22), 90, 450, 18), *arc((70, 94), (29, 26), 270, 630, 18)]],
    [[*arc((70, 50), (26, 25), 360, 0, 18), (190, 150), (170, 236)]],
]


def written(strokes):
    """Return strokes as the address has them: halves of coordinates, points joined by ".", strokes by "_"."""
    return "_".join(".".join(str(round(one / 2)) for point in stroke for one in point) for stroke in strokes)


def image(name, pixels, label):
    """Return what a page shows of an image (1, c, h, w), beside the network of this name."""
    shape, categories = SHAPES[name.split("-")[0]], data.CLASSES[name.split("-")[0]]
    return {"pixels": pixels.flatten().tolist(), "label": label, "shape": shape, "categories": categories}


def pair(dataset):
    return [f"{dataset}-standard", f"{dataset}-robust"]


def kinds(names, read=None):
    """Return what explorers that compute need, as a dictionary for JSON: for each its own, and the networks of all.

    names: of the explorers. read: the tensors that their ``draw`` names in the notebook, see ``frames.read``.
    """
    found = {}
    if "digit" in names:
        found["digit"] = {"networks": pair("mnist"), "examples": [written(one) for one in EXAMPLES]}
    if "panda" in names:
        seen = {name: image(name, torch.tensor(read["image"]), read["label"][0]) for name in pair("digits")}
        three = own.digit(EXAMPLES[3]).round(decimals=4)
        found["panda"] = {"images": seen | {name: image(name, three, 3) for name in pair("mnist")}}
    used = {name for one in found.values() for name in [*one.get("networks", ()), *one.get("images", ())]}
    return found | {"networks": {name: network(name) for name in sorted(used)}}


def elements(names, read=None):
    """Return the script elements of a document that has explorers that compute; an empty text for one that has none."""
    if not names:
        return ""
    stored = embedded(json.dumps(kinds(names, read), ensure_ascii=False))
    computing = (TEMPLATES / "computing.js").read_text(encoding="utf-8")
    return (
        f'<script type="application/json" id="live-data">{stored}</script>\n'
        f'<script id="live-script">{script()}</script>\n<script>{{\n{computing}}}</script>\n'
    )


def qr(address):
    """Return a QR code of an address as an SVG element, dark on white in any colour scheme."""
    code = segno.make(address, error="m", micro=False)
    picture = code.svg_inline(scale=4, border=4, light="#ffffff", title=f"QR code: {address}", omitsize=True, svgclass="qr")
    return picture.replace("<svg ", '<svg role="img" ', 1)
