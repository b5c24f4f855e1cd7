"""A slider bound to a figure.

    explore(draw, epsilon=slider(np.linspace(0, 0.3, 31), 0.1), eta=slider([0.01, 0.1, 1], 0.1))

``draw(epsilon=..., eta=...)`` updates a panel of ``plots`` and returns it. The same draw serves every life of the
explorer: with a kernel the sliders are live; a stored notebook shows the picture of the default position; and what a page
without a kernel needs is drawn by ``scripts/frames.py``, which is told of every explorer that is shown.
Beside its sliders an explorer may have an ``Input``, such as the file that ``own`` lets the reader choose.
"""

import html
import math
import numbers
import traceback
from dataclasses import dataclass
from pathlib import Path

import ipywidgets as widgets

from .plots import image_tag, picture

LABELS = {"epsilon": "ε", "eta": "η"}
WHEN_SHOWN = []  # functions, called with every explorer that is shown
HERE = Path(__file__)
NAMED, LOOK = (HERE.with_suffix(kind).read_text(encoding="utf-8") for kind in (".js", ".css"))
WIDE = ".lecture-explorer .wide-{0} .widget-readout {{ min-width: {0}ch; max-width: none; }}"  # as the longest value


@dataclass(frozen=True)
class Slider:
    """The values that a slider takes, where it starts, its label, and how a value reads."""

    values: tuple
    default: float
    label: str | None
    text: str

    def index(self, value):
        """Return the position of a value. Raises ValueError if the slider does not take it."""
        value = value.item() if hasattr(value, "item") else value
        if value in self.values:
            return self.values.index(value)
        low, high = self.values[0], self.values[-1]
        if not isinstance(low, str) and isinstance(value, numbers.Real):
            size = max((abs(own) for own in self.values if math.isfinite(own)), default=0)  # 0 among such may be off by rounding
            nearest = min(range(len(self.values)), key=lambda i: abs(self.values[i] - value))
            if math.isclose(self.values[nearest], value, rel_tol=1e-9, abs_tol=1e-12 * size):
                return nearest
        raise ValueError(f"a slider takes one of {len(self.values)} values from {low} to {high}, got {value!r}")


def slider(values, default, *, label=None, text=None):
    """Return a slider over increasing values, numbers or words. default: one of them. label: None: its name.

    text: a format; None shows three digits of a number, and a word as it is.
    """
    values = tuple(value.item() if hasattr(value, "item") else value for value in values)
    if not values or not all(a < b for a, b in zip(values, values[1:], strict=False)):
        raise ValueError(f"values must increase and hold at least one, got {values}")
    text = text or ("{}" if isinstance(values[0], str) else "{:.3g}")
    made = Slider(values, default, label, text)
    return Slider(values, values[made.index(default)], label, text)


class Input:
    """What the reader gives: a widget, its value, and the value that stored notebooks and exported pages show."""

    def __init__(self, default, widget):
        self.default = self.value = default
        self.widget = widget
        self.changed = lambda: None  # an explorer puts its own here: to be called when ``value`` is new


def explore(draw, **controls):
    """Return an Explorer: sliders and inputs, ``controls``, bound to ``draw``, which takes their values and returns a panel."""
    return Explorer(draw, controls)


class Explorer:
    """Sliders bound to a figure; displays itself. See the module's text."""

    def __init__(self, draw, controls):
        for name, control in controls.items():
            if not isinstance(control, Slider | Input):
                raise TypeError(f"{name} must be made by slider(values, default), got {type(control).__name__}")
        self.draw = draw
        self.inputs = {name: control for name, control in controls.items() if isinstance(control, Input)}
        self.controls = {name: control for name, control in controls.items() if isinstance(control, Slider)}
        self.sliders = {
            name: widgets.SelectionSlider(
                options=[(control.text.format(value), value) for value in control.values],
                value=control.default,
                description=control.label or LABELS.get(name, name),
            )
            for name, control in self.controls.items()
        }
        self._picture = widgets.HTML()
        panel = self._show()
        for one in self.sliders.values():
            one.observe(self._moved, "value")
        for one in self.inputs.values():
            one.changed = self._moved
        self.widget = self._together(panel.size[0])

    def _together(self, width):
        """Return inputs, and beside them, where there is room, the picture below its sliders, as wide and with text as large."""
        longest = 1 + max((len(text) for one in self.sliders.values() for text, _ in one.options), default=0)
        for one in self.sliders.values():
            one.layout.width, one.layout.max_width = "100%", f"{width}px"
            one.style.description_width = f"{2 + max(len(other.description) for other in self.sliders.values())}ch"
            one.add_class(f"wide-{longest}")
        style = widgets.HTML(f"<style>{LOOK}{WIDE.format(longest)}</style>", layout=widgets.Layout(display="none"))
        shown = [one.widget for one in self.inputs.values()]
        figure = widgets.VBox([*self.sliders.values(), self._picture, style], layout={"flex": "1 1 30em", "min_width": "0"})
        return widgets.Box([*shown, figure], layout={"flex_flow": "row wrap"}).add_class("lecture-explorer")

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

    def refresh(self):
        """Draw again where the sliders stand, after something that ``draw`` reads has changed, and return the explorer."""
        self._show()
        return self

    def frame(self, **values):
        """Return picture (a file's bytes) and alternative text at some position; controls not named stand at their default."""
        panel = self.panel(**values)
        return panel.file(), panel.alt

    def panel(self, **values):
        """Return the panel drawn at some position, whatever the reader gave; controls not named stand at their default."""
        return self.draw(**{name: one.default for name, one in (self.inputs | self.controls).items()} | values)

    def _show(self):
        panel = self.draw(**{name: one.value for name, one in self.inputs.items()}, **self.values)
        self._picture.value = image_tag(panel.file(effort=1), panel.alt, NAMED, panel.size)
        self._drawn = {name: one.index for name, one in self.sliders.items()}
        return panel

    def _moved(self, _change=None):
        if _change and self._drawn == {name: one.index for name, one in self.sliders.items()}:
            return  # put back below
        try:
            self._show()
        except KeyboardInterrupt:  # the picture is the one before it: so are the sliders
            for name, index in self._drawn.items():
                self.sliders[name].index = index
            raise
        except Exception:
            self._drawn = {}
            # Raised in a message from the browser, an error reaches no cell: show it in the picture's place as well.
            text = html.escape(traceback.format_exc(limit=-3))
            self._picture.value = f'<pre role="alert" style="color: #b00020; white-space: pre-wrap">{text}</pre>'
            raise

    def _repr_mimebundle_(self, include=None, exclude=None):
        for told in WHEN_SHOWN:
            told(self)
        return self.widget._repr_mimebundle_() | picture(*self.frame())  # the live sliders, else the picture
