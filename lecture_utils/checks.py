"""What functions ask of their arguments and of the model, and how an attack leaves no trace."""

import math
from contextlib import contextmanager, nullcontext
from numbers import Integral

import torch
from torch import nn


def require(right, message, error=ValueError):
    """Raise an error with this message unless an argument is right."""
    if not right:
        raise error(message)


def check_choice(name, value, choices):
    require(value in choices, f"{name} must be one of {choices}, got {value!r}")


def check_function(name, value):
    require(value is None or callable(value), f"{name} must be a function or None, got {value!r}", TypeError)


def check_count(name, value, least=1):
    """Return a count as Python's integer, which some of torch's functions insist on: one that fits into 64 bits."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer >= {least}, got {value!r}")
    require(value < 2**63, f"{name} must be an integer below 2^63, got one of {int(value).bit_length()} bits")
    return int(value)


def check_number(name, value, least=-math.inf, most=math.inf):
    """Return a number, which may be a tensor of one, as a float: finite, and from ``least`` to ``most``."""
    try:
        plain = value.item() if hasattr(value, "item") else value
        number = float(plain) if hasattr(plain, "__float__") and not isinstance(plain, bool) else None
    except OverflowError:
        raise ValueError(f"{name} must be a number that fits into a float, got a larger {type(value).__name__}") from None
    except (TypeError, ValueError, RuntimeError):
        number = None
    if number is None:
        raise TypeError(f"{name} must be a number, got {described(value) if isinstance(value, torch.Tensor) else repr(value)}")
    if not (least <= number <= most and math.isfinite(number)):
        raise ValueError(f"{name} must be a number from {least:g} to {most:g}, got {value!r}")
    return number


def described(value):
    """Return what a message says of a wrong argument: type and shape of a tensor, the name of any other type."""
    if not isinstance(value, torch.Tensor):
        return type(value).__name__
    return f"{value.dtype} {tuple(value.shape)}" + " on meta, without numbers" * value.is_meta


def holds_floats(value):
    """Whether a value is a tensor of floats, and holds them: one on the device "meta" has a shape only."""
    return isinstance(value, torch.Tensor) and value.is_floating_point() and not value.is_meta


def check_pixels(x, low=0.0, high=1.0):
    """Return low and high in x's type; where normalising has rounded x beyond them, x's own extremes."""
    ends = (("low", low), ("high", high))
    low, high = (end if isinstance(end, float) and math.isinf(end) else check_number(name, end) for name, end in ends)
    if not holds_floats(x):
        raise TypeError(f"x must be a tensor of floats in [{low:g}, {high:g}], got {described(x)} (pixels 0..255: divide by 255)")
    require(x.numel() > 0, f"x must hold at least one sample, got shape {tuple(x.shape)}")
    least, most = (extreme.item() for extreme in x.aminmax())
    if (low, high) != (0.0, 1.0):
        low, high = x.new_tensor([low, high]).tolist()
        near = 8 * torch.finfo(x.dtype).eps * (abs(least) + abs(most))
        low, high = least if low - near <= least < low else low, most if high < most <= high + near else high
    require(least >= low and most <= high, f"x must lie in [{low:g}, {high:g}], got values from {least:g} to {most:g}")
    return low, high


def check_labels(name, y, x):
    """Return the highest label, if y holds labels of x."""
    require(holds_floats(x), f"x must be a tensor of floats, got {described(x)}", TypeError)
    if not isinstance(y, torch.Tensor) or y.dtype != torch.int64 or y.is_meta:
        raise TypeError(f"{name} must be a tensor of int64 labels, got {described(y)}")
    if x.dim() < 2 or y.shape != x.shape[:1] or len(y) == 0:
        got = f"{tuple(x.shape)} and {tuple(y.shape)}" + (" (one image: x[None])" if x.dim() in (1, 3) else "")
        raise ValueError(f"x must have shape (n, ...), n >= 1, and {name} shape (n,); got {got}")
    least, highest = (extreme.item() for extreme in y.aminmax())
    require(least >= 0, f"{name} must lie in 0..K-1, got {least}")
    return highest


def check_square_images(x, n=None):
    require(x.dim() == 4 and len(x) == (n or len(x)), f"x must be images ({n or 'n'}, c, h, w), got shape {tuple(x.shape)}")


def checked_logits(model, x, highest):
    """Return model(x), checked: shape (n, K) with K > highest label, K >= 2, numbers whose softmax exists, a gradient."""
    require(callable(model), f"the model must be a function of images, got {described(model)}", TypeError)
    try:
        logits = model(x)
    except RuntimeError as error:
        if "Inference tensors" not in str(error):
            raise
        raise ValueError("the model holds tensors made in torch.inference_mode(), without gradients: make it outside") from error
    if not isinstance(logits, torch.Tensor) or logits.dim() != 2 or len(logits) != len(x) or logits.shape[1] < 2:
        raise ValueError(f"the model must return logits of shape ({len(x)}, K) with K >= 2, got {described(logits)}")
    if highest >= logits.shape[1]:
        raise ValueError(f"labels must lie in 0..{logits.shape[1] - 1} (the model has {logits.shape[1]} classes), got {highest}")
    # -inf is a class with probability 0, unless all classes are
    if not math.isfinite(logits.detach().sum()) and not (logits.detach().amax(1).abs() < torch.inf).all():
        raise FloatingPointError("the model returned NaN or infinite logits")
    if torch.is_grad_enabled() and not logits.requires_grad:
        raise ValueError("the model's logits must have a gradient in x, got detached ones (scores only: square, one_pixel)")
    return logits if logits.dtype in (torch.float32, torch.float64) else logits.float()  # half precision hides small losses


@contextmanager
def evaluation_mode(model, x):
    """Run a block with every layer in evaluation mode, then put each layer's mode, its buffers and the random state back.

    Flags are set one by one: a layer that was frozen, or a model whose train() is its own, comes out as it went in.
    Gradients can be taken inside, whatever torch.no_grad() or torch.inference_mode() is around it or was around the model's
    making: copies stand in for tensors that were made in inference mode, of which autograd keeps none.
    """
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    layers = [one for one in modules if one.training]
    homes = [home for one in modules for home in (one._parameters, one._buffers)]
    made = [(home, name, part) for home in homes for name, part in home.items() if part is not None and part.is_inference()]
    buffers = [(one._buffers, name, part) for one in modules for name, part in one._buffers.items() if part is not None]
    counted = [part.clone() for _, _, part in buffers]
    random = torch.get_rng_state(), torch.cuda.get_rng_state(x.device) if x.is_cuda else None
    with torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext():
        try:
            for layer in layers:
                layer.training = False
            for home, name, part in made:
                home[name] = part.clone()
            yield
        finally:
            for layer in layers:
                layer.training = True
            for home, name, part in made + buffers:
                home[name] = part
            for (_, _, part), before in zip(buffers, counted, strict=True):
                if not torch.equal(part, before):  # a layer that counts its calls
                    part.copy_(before)
            torch.set_rng_state(random[0])
            if x.is_cuda:
                torch.cuda.set_rng_state(random[1], x.device)


def check_floats(name, value, dim=None):
    """Return a value if it is a finite tensor of floats, not empty, with so many dimensions (None: any number)."""
    if not holds_floats(value) or value.dim() != (dim or value.dim()):
        shape = f" with {dim} dimension{'s' * (dim > 1)}" if dim else ""
        raise TypeError(f"{name} must be a tensor of floats{shape}, got {described(value)}")
    require(value.numel() > 0, f"{name} must not be empty, got shape {tuple(value.shape)}")
    require(value.isfinite().all(), f"{name} must be finite, got NaN or infinite entries")
    return value


def check_shape(name, value, n):
    check_floats(name, value, 1)
    require(len(value) == n, f"{name} must have shape ({n},), got ({len(value)},)")


def check_signs(y, n):
    given = isinstance(y, torch.Tensor) and not y.is_meta
    right = given and y.shape == (n,) and y.dtype.is_signed and not y.is_complex()
    if not right or not (y.abs() == 1).all():
        values = f", values {sorted(set(y.flatten().tolist()), key=str)[:4]}" if given else ""
        raise ValueError(f"y must be a tensor of shape ({n},) that holds -1 and +1 only, got {described(y)}{values}")


def check_points(X, y):
    """Raise unless X is a finite tensor of floats (n, d) and y holds -1 and +1, one a row."""
    check_floats("X", X, 2)
    check_signs(y, len(X))


def check_generator(generator, seed=None, device="cpu"):
    """Return a generator; None stands for a fresh one of this seed, where there is one."""
    if generator is None and seed is not None:
        return torch.Generator(device).manual_seed(seed)
    require(isinstance(generator, torch.Generator), f"generator must be a torch.Generator, got {described(generator)}", TypeError)
    return generator


def check_coherence(c):
    """Return a bound on the coherence as a float."""
    require(0 <= (number := check_number("c", c)) < 1, f"c must lie in [0, 1), got {number:g}")
    return number


def check_network(W, b, a, X, y):
    """Check a two-layer network W (k, d), b (k,), a (k,), points X (n, d), labels y (n,) of -1 and +1; return them in float64."""
    for name, part, dim in (("W", W, 2), ("b", b, 1), ("a", a, 1), ("X", X, 2)):
        check_floats(name, part, dim)
    if not len(W) == len(b) == len(a) or W.shape[1] != X.shape[1]:
        shapes = ", ".join(str(tuple(part.shape)) for part in (W, b, a, X))
        raise ValueError(f"W, b, a, X must have shapes (k, d), (k,), (k,), (n, d); got {shapes}")
    check_signs(y, len(X))
    return [part.double() for part in (W, b, a, X, y)]
