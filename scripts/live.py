"""What an exported page needs to run a network itself: its layers, its weights, its images, and the script live.js.

network("mnist-standard")   # layers as a list for JSON, shape of an image, classes, weights in half precision
"""

import base64
import hashlib
import html
import json
import math
import re
from pathlib import Path

import numpy as np
import segno
import torch
from safetensors.torch import save
from torch import nn

from explorers import embedded
from lecture_utils import concentration, data, networks, own
from lecture_utils.concentration import ACTIVATIONS
from lecture_utils.own import SEVEN

TEMPLATES = Path(__file__).parent / "templates" / "lecture"
SHAPES = {"digits": (1, 8, 8), "mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
SCRIPTS = "training.js", "chance.js", "theorems.js", "pictures.js", "live.js"
PAGE_SCRIPTS = "charts.js", "computing.js"
KINDS = "digit", "panda", "moons", "square", "planes", "step", "mine"
FACE = (
    "load, logits, gradient, fgsm, pgd, softmax, argmax, twoLayerField, twoLayerSlope, twoLayerAttack, trained, generator, "
    "built, sampled, oneStep, gammaQuantile, ACTIVATIONS, ascents, BOXLESS, planeNetwork, whole, resized, serve"
)


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
        case networks.Halving():
            return [{"layer": "Halving"} | {part: layers(one, prefix + part) for part, one in module.named_children()}]
        case nn.Conv2d(groups=1, dilation=(1, 1), padding_mode="zeros", stride=(s, t), padding=(p, q)) if (s, p) == (t, q):
            return [{"layer": "Conv2d", "name": name, "stride": s, "padding": p}]
        case nn.Linear(bias=torch.Tensor()):
            return [{"layer": "Linear", "name": name}]
        case nn.BatchNorm2d(affine=True, track_running_stats=True):
            return [{"layer": "BatchNorm2d", "name": name, "eps": module.eps}]
        case nn.MaxPool2d(padding=0, dilation=1, ceil_mode=False, kernel_size=int(size)) if module.stride == size:
            return [{"layer": "MaxPool2d", "size": size}]
        case nn.ReLU() | nn.SiLU() | nn.Flatten(start_dim=1, end_dim=-1):
            return [{"layer": type(module).__name__}]
        case nn.AdaptiveMaxPool2d(output_size=1) | nn.AdaptiveAvgPool2d(output_size=1):
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
    return described(model, SHAPES[networks.manifest()[name]["recipe"]["dataset"]], model.categories)


def described(model, shape, categories):
    return {"layers": layers(model), "shape": shape, "categories": categories, "weights": weights(model)}


def plane(w):
    """Return a linear classifier of the plane as a dictionary for JSON: its logits are 0 and, for the right class, 1 - w . x."""
    model = nn.Sequential(nn.Linear(2, 2))
    model[0].weight.data, model[0].bias.data = torch.tensor([[0.0, 0.0], [-w[0], -w[1]]]), torch.tensor([0.0, 1.0])
    return described(model, (2, 1, 1), ["wrong", "right"])


def script():
    """Return what needs no page as one name, ``Live``, for a page or a worker."""
    text = "\n".join((TEMPLATES / one).read_text(encoding="utf-8") for one in SCRIPTS)
    return f"const Live = (() => {{\n{text}\nreturn {{{FACE}}}\n}})()\n"


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
    """Return what a page needs of an image, a list of pixels, to show it to the network of this name."""
    dataset = name.split("-")[0]
    return {
        "pixels": [round(one, 5) for one in pixels],
        "label": label,
        "shape": SHAPES[dataset],
        "categories": data.CLASSES[dataset],
    }


def pair(dataset):
    return [f"{dataset}-standard", f"{dataset}-robust"]


def kinds(wanted):
    """Return what explorers that compute need, as a dictionary for JSON: for each its own, and the networks of all.

    wanted: {name of the explorer: the tensors that its ``draw`` reads in the notebook, see ``frames.read``}.
    """
    found, made = {}, {}
    for name, read in wanted.items():
        if name == "digit":
            found[name] = {"networks": pair("mnist"), "examples": [written(one) for one in EXAMPLES]}
        elif name == "panda":
            here = next(dataset for dataset, shape in SHAPES.items() if math.prod(shape) == len(read["image"]))
            three = own.digit(EXAMPLES[3]).flatten().tolist()
            images = {one: image(one, read["image"], read["label"][0]) for one in pair(here)}
            images = images | {one: image(one, three, 3) for one in pair("mnist") if one not in images}
            found[name] = {"networks": list(images), "images": images}
        elif name == "moons":
            points, sides = torch.tensor(read["points"]).view(-1, 2), torch.tensor(read["sides"])
            found[name] = {"networks": [], "points": points.numpy().round(4).tolist(), "labels": (2 * sides - 1).tolist()}
        elif name == "square":
            found[name], made["plane"] = {"networks": []}, plane(read["w"])
        elif name == "planes":
            found[name] = {"networks": [], "seed": read["seed"]}
        elif name == "step":
            moments = {one: concentration.gaussian_moments(*ACTIVATIONS[one][:2]) for one in ("GELU", "ReLU", "tanh")}
            found[name] = {"networks": [], "seed": read["seed"], "count": read["n"], "moments": moments}
        elif name == "mine":
            found[name] = {"networks": pair("cifar10"), "image": image("cifar10", read["image"], 0)}
        else:
            raise ValueError(f"an explorer that computes is {', '.join(KINDS)}, got {name!r}")
    used = {one for part in found.values() for one in part["networks"]}
    return found | {"networks": made | {one: network(one) for one in sorted(used)}}


def computing(document, wanted):
    """Return a document whose explorers compute, the ones that ``wanted`` names, see ``kinds``; without any as it is."""
    if not wanted:
        return document
    style = f"<style>\n{(TEMPLATES / 'computing.css').read_text(encoding='utf-8')}</style>\n</head>"
    document = document.replace("</head>", style, 1)
    head, body, tail = document.rpartition("</body>")
    return f"{head}{elements(wanted)}{body}{tail}"


def elements(wanted):
    """Return the script elements of a document that has explorers that compute."""
    stored = embedded(json.dumps(kinds(wanted), ensure_ascii=False))
    computing = "\n".join((TEMPLATES / one).read_text(encoding="utf-8") for one in PAGE_SCRIPTS)
    return (
        f'<script type="application/json" id="live-data">{stored}</script>\n'
        f'<script id="live-script">{script()}</script>\n<script>{{\n{computing}}}</script>\n'
    )


def screen(name, read, title, text):
    """Return a page of its own for an explorer that computes, one screen of a phone, as HTML."""
    parts = {"name": name, "title": title, "text": text}
    parts["css"] = "\n".join((TEMPLATES / one).read_text(encoding="utf-8") for one in ("base.css", "try.css"))
    page = (TEMPLATES / "try.html").read_text(encoding="utf-8")
    return computing(re.sub(r"{{ (\w+) }}", lambda found: parts[found[1]], page), {name: read})


def try_page():
    """Return "Attack it yourself" as HTML: a digit of one's own, two networks."""
    text = "Draw a seven that fools both networks. This page computes; nothing leaves your device."
    return screen("digit", {}, "Attack it yourself", text)


def picture_page():
    """Return "Attack your own picture" as HTML; before one is chosen, the rocket of notebook 1."""
    rocket = data.centre(data.photo("rocket")[:, :, 120:300, 100:280], size=32)
    text = "Choose a picture, and see a standard and a robust network attacked. They know ten classes, from airplane to truck."
    return screen("mine", {"image": rocket.flatten().tolist()}, "Attack your own picture", text)


def sealed(document):
    """Return a document that runs its own scripts and styles and no others, and asks for nothing: a policy with their hashes.

    A style attribute counts as a style. The policy stands behind the character set, before anything that it rules.
    """
    scripts = re.findall(r"<script(?: id=\"[^\"]*\")?>(.*?)</script>", document, flags=re.DOTALL)
    markup = re.sub(r"<script.*?</script>", "", document, flags=re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", markup, flags=re.DOTALL)
    attributes = [html.unescape(one) for one in re.findall(r"<[^<>]*?\sstyle=\"([^\"]*)\"", markup)]
    policy = {
        "default-src": ["'none'"], "img-src": ["data:", "blob:"], "font-src": ["data:"], "worker-src": ["blob:"],
        "base-uri": ["'none'"], "form-action": ["'none'"], "script-src": hashes(scripts) or ["'none'"],
        "style-src": ["'unsafe-hashes'"] * bool(attributes) + hashes(styles + attributes),
    }  # fmt: skip
    rules = "; ".join(f"{name} {' '.join(sources)}" for name, sources in policy.items())
    mark = '<meta charset="utf-8">'
    return document.replace(mark, f'{mark}\n<meta http-equiv="Content-Security-Policy" content="{rules}">', 1)


def hashes(texts):
    """Return the sources of a policy that allow these texts and no others."""
    found = {base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in texts}
    return [f"'sha256-{one}'" for one in sorted(found)]


def qr(address):
    """Return a QR code of an address as an SVG element, dark on white in any colour scheme."""
    code = segno.make(address, error="m", micro=False)
    picture = code.svg_inline(scale=4, border=4, light="#ffffff", title=f"QR code: {address}", omitsize=True, svgclass="qr")
    return picture.replace("<svg ", '<svg role="img" ', 1)
