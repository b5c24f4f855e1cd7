"""How results are compared with those wanted, and how inputs and results are written."""

import torch

from .worker import TEXT, Other


def comparable(result, parts=None, truth=torch.float64):
    """Return a result as a tuple of float64 tensors. Raises TypeError, ValueError, RuntimeError or OverflowError if it can't be.

    parts: how many are wanted. Of one, a list or a tuple is a tensor; of several, it holds them, as a tensor's first
    dimension does. Without it a tuple holds the parts. truth: the type of truth values.
    """
    if parts is None:
        result = result if isinstance(result, tuple) else (result,)
    elif parts == 1:
        result = (result,)
    elif isinstance(result, torch.Tensor) and result.dim() and len(result) == parts:
        result = tuple(result)
    elif not isinstance(result, tuple | list):
        result = (result,)
    numbers = [_numbers(part) for part in result]
    return tuple(part.to(truth if part.dtype == torch.bool else torch.float64) for part in numbers)


def _numbers(part):
    if isinstance(part, tuple | list):
        if not all(isinstance(item, int | float) for item in part):
            return torch.stack([_numbers(item) for item in part])
        part = [float(item) for item in part]
    if not isinstance(part, torch.Tensor | int | float | list):
        raise TypeError("no numbers")
    numbers = torch.as_tensor(part, dtype=None if isinstance(part, torch.Tensor | bool) else torch.float64, device="cpu").detach()
    if numbers.is_complex():
        raise TypeError("complex numbers")
    return numbers


def agree(result, target, arguments):
    """Whether two comparable results are equal, up to the rounding of a computation in float32."""
    sizes = [torch.as_tensor(a).abs().max().item() for a in arguments if isinstance(a, int | float) or is_filled(a)]
    if len(result) != len(target):
        return False
    for ours, theirs in zip(result, target, strict=True):
        ours, theirs = ours.double(), theirs.double()
        if ours.shape != theirs.shape:
            return False
        size = theirs[theirs.isfinite()].abs().max().item() if theirs.isfinite().any() else 0.0
        tolerance = 1e-4 * size + 1e-6 * max(sizes, default=1.0)
        if not torch.allclose(ours, theirs, rtol=0, atol=float(tolerance), equal_nan=True):
            return False
    return True


def is_filled(value):
    return isinstance(value, torch.Tensor) and value.numel() > 0


def kind(values):
    """Describe the shapes of a comparable result in words."""
    shapes = [f"a tensor of shape {tuple(value.shape)}" if value.dim() else "a number" for value in values]
    return shapes[0] if len(shapes) == 1 else f"a tuple of {len(shapes)}: " + ", ".join(shapes)


def type_of(result):
    """Name the type of a result that holds no numbers."""
    return result.kind if isinstance(result, Other) else "list or tuple" if isinstance(result, tuple) else type(result).__name__


def shown(values, names=()):
    """Write a comparable result out, with its shape, and the names of its parts if they have any."""
    texts = [cut(_digits(value.tolist())) + (f"  (shape {tuple(value.shape)})" if value.dim() else "") for value in values]
    return "; ".join([f"{name}: {text}" for name, text in zip(names, texts, strict=True)] if names else texts)


def written(value):
    """Write an input, whole and so that it can be pasted."""
    if isinstance(value, torch.Tensor):
        dtype = "" if value.dtype == torch.int64 else f", dtype={value.dtype}"
        return f"torch.tensor({_digits(value.tolist())}{dtype})"
    if isinstance(value, torch.Generator):
        return f"torch.Generator().manual_seed({value.initial_seed()})"
    if isinstance(value, int | float | list | tuple):
        return _digits(value)
    name = getattr(value, "__name__", None)
    if name is None:
        return repr(value)
    return f"torch.{name}" if getattr(torch, name, None) is value else name


def _digits(value):
    """Write numbers with the six digits that matter here."""
    if isinstance(value, list | tuple):
        inside = ", ".join(map(_digits, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    if not isinstance(value, float):
        return repr(value)
    text = f"{value:.6g}"
    return text if any(mark in text for mark in ".en") else f"{text}.0"


def cut(text, most=TEXT):
    return text if len(text) <= most else f"{text[:most]} [...]"
