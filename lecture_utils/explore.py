"""A slider bound to a figure.

    explore(draw, epsilon=slider(np.linspace(0, 0.3, 31), 0.1), eta=slider([0.01, 0.1, 1], 0.1))

``draw(epsilon=..., eta=...)`` updates a panel of ``plots`` and returns it. The same draw serves every life of the
explorer: with a kernel the sliders are live; a stored notebook shows the picture of the default position; ``frame``
gives picture and text at any position, which is all that an export without a kernel needs.
"""

import html
import math
import traceback
from dataclasses import dataclass

import ipywidgets as widgets

from .plots import image_tag, picture

LABELS = {"epsilon": "ε", "eta": "η"}


@dataclass(frozen=True)
class Slider:
    """The values that a slider takes, where it starts, its label, and how a value reads."""

    values: tuple
    default: float
    label: str | None = None
    text: str = "{:.3g}"

    def index(self, value):
        """Return the position of a value. Raises ValueError if the slider does not take it."""
        for i, own in enumerate(self.values):
            if math.isclose(own, value, rel_tol=1e-9, abs_tol=1e-12):
                return i
        low, high = self.values[0], self.values[-1]
        raise ValueError(f"a slider takes one of {len(self.values)} values from {low} to {high}, got {value!r}")


def slider(values, default, *, label=None, text="{:.3g}"):
    """Return a slider over increasing values. default: one of them. label: None for the argument's name. text: a format."""
    values = tuple(value.item() if hasattr(value, "item") else value for value in values)
    if not values or any(a >= b for a, b in zip(values, values[1:], strict=False)):
        raise ValueError(f"values must increase and hold at least one, got {values}")
    made = Slider(values, default, label, text)
    return Slider(values, values[made.index(default)], label, text)


def explore(draw, **controls):
    """Return an Explorer: the sliders ``controls`` bound to ``draw``, which takes their values and returns a panel."""
    return Explorer(draw, controls)


class Explorer:
    """Sliders bound to a figure; displays itself. See the module's text."""

    def __init__(self, draw, controls):
        for name, control in controls.items():
            if not isinstance(control, Slider):
                raise TypeError(f"{name} must be made by slider(values, default), got {type(control).__name__}")
        self.draw, self.controls = draw, controls
        self.sliders = {
            name: widgets.SelectionSlider(
                options=[(control.text.format(value), value) for value in control.values],
                value=control.default,
                description=control.label or LABELS.get(name, name),
                layout=widgets.Layout(width="30em"),
            )
            for name, control in controls.items()
        }
        self._picture = widgets.HTML()
        self._show()
        for one in self.sliders.values():
            one.observe(self._moved, "value")
        self.widget = widgets.VBox([*self.sliders.values(), self._picture])

    @property
    def values(self):
        """The current value of each slider."""
        return {name: one.value for name, one in self.sliders.items()}

    def move(self, **values):
        """Set sliders by code, as a drag would, and return the explorer. Raises what ``draw`` raises."""
        for name, value in values.items():
            if name not in self.controls:
                raise ValueError(f"the sliders are {sorted(self.controls)}, got {name!r}")
            self.sliders[name].index = self.controls[name].index(value)
        return self

    def frame(self, **values):
        """Return picture (PNG bytes) and alternative text at some position; sliders not named stand at their default."""
        panel = self.draw(**{name: control.default for name, control in self.controls.items()} | values)
        return panel.png(), panel.alt

    def _show(self):
        panel = self.draw(**self.values)
        self._picture.value = image_tag(panel.png(effort=1), panel.alt)

    def _moved(self, _change):
        try:
            self._show()
        except Exception:
            # Raised in a message from the browser, an error reaches no cell: show it in the picture's place as well.
            text = html.escape(traceback.format_exc(limit=-3))
            self._picture.value = f'<pre role="alert" style="color: #b00020; white-space: pre-wrap">{text}</pre>'
            raise

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self.widget._repr_mimebundle_() | picture(*self.frame())  # the live sliders, else the picture
