"""What the reader gives to ``explore`` beside its sliders: a picture's file, a digit drawn on a pad, a word of a list.

    explore(draw, picture=Upload(default, 32), epsilon=slider(...))    draw gets the picture as a tensor (1, 3, 32, 32)
    explore(draw, digit=Pad(), epsilon=slider(...))                    draw gets the digit as a tensor (1, 1, 28, 28)
    explore(draw, goal=Choice(words, "ostrich", "towards"), ...)       draw gets the word

Nothing that the reader gives is written to disk.
"""

import asyncio
import html
import sys

import ipywidgets as widgets
import numpy as np
import torch
from PIL import Image, ImageDraw

from .data import read_image
from .explore import Input

try:
    from ipycanvas import Canvas, hold_canvas
except ImportError:
    Canvas = None  # the pad says so
if "google.colab" in sys.modules:  # Colab shows a canvas only if it is asked to
    sys.modules["google.colab"].output.enable_custom_widget_manager()
SIDE, PEN = 280, 22  # of the pad and its pen, in pixels; a digit that fills the pad gets strokes as thick as MNIST's
SEVEN = [[(80, 70), (200, 70), (125, 225)], [(105, 150), (190, 150)]]
TEXT = "Draw a digit on the black square, with the mouse or a finger. Escape clears it, and so does this button:"
MISSING = "Drawing needs the package ipycanvas, which is not installed here. The digit is an example."
PAUSE = 0.03  # seconds from a stroke to the new picture: the strokes in between are drawn, and cost one picture


class Upload(Input):
    """A button that takes a picture, see ``data.read_image``. default: what there is until then, (1, 3, size, size)."""

    def __init__(self, default, size):
        self.size = size
        self.file = widgets.FileUpload(accept="image/png,image/jpeg,image/webp", description="Your picture")
        self.back = widgets.Button(description="Back to ours")
        self.said = widgets.HTML()
        super().__init__(default, widgets.HBox([self.file, self.back, self.said]))
        self.file.observe(self._given, "value")
        self.back.on_click(lambda _button: self._take(self.default, ""))

    def _given(self, change):
        if not change.new:
            return
        name = html.escape(change.new[0].name)
        try:
            picture = read_image(change.new[0].content, self.size)
        except ValueError as error:
            self.said.value = f'<span role="alert">{name}: {html.escape(str(error))}</span>'
        else:
            self._take(picture, name)

    def _take(self, picture, said):
        self.value, self.said.value = picture, said
        self.changed()


class Choice(Input):
    """A field that takes one of many words, and while one types lists those that fit. default: the first. label: its name."""

    def __init__(self, words, default, label):
        self.words = tuple(words)
        super().__init__(default, widgets.Combobox(value=default, options=self.words, description=label, ensure_option=True))
        self.widget.observe(self._chosen, "value")

    def _chosen(self, change):
        if change.new in self.words and change.new != self.value:  # what is half typed is none of them
            self.value = change.new
            self.changed()


class Pad(Input):
    """A black square to draw a digit on, in white, with mouse or finger. Escape and a button clear it.

    strokes: what stands on it at first, lists of points (x, y) on a square of side 280; the first own stroke clears it.
    Where ipycanvas is missing they stay, and the pad says why.
    """

    def __init__(self, strokes=SEVEN):
        self.strokes, self.fresh, self._down, self._waiting = strokes, True, False, False
        if Canvas is None:
            super().__init__(digit(strokes), widgets.HTML(MISSING))
            return
        self.canvas = Canvas(width=SIDE, height=SIDE, layout={"width": f"{SIDE}px", "height": f"{SIDE}px", "flex": "none"})
        self.button = widgets.Button(description="Clear")
        said = widgets.HTML(f'<p style="line-height: 1.5; margin: 0">{TEXT}</p>')
        super().__init__(digit(strokes), widgets.VBox([self.canvas, said, self.button], layout={"width": f"{SIDE + 20}px"}))
        self.canvas.on_client_ready(self._redraw)
        self.canvas.on_mouse_down(self.press)
        self.canvas.on_mouse_move(self.drag)
        self.canvas.on_mouse_up(self.lift)
        self.canvas.on_mouse_out(self.lift)
        self.canvas.on_touch_start(lambda fingers: self.press(*fingers[0]))
        self.canvas.on_touch_move(lambda fingers: self.drag(*fingers[0]))
        self.canvas.on_touch_end(lambda _fingers: self.lift())
        self.canvas.on_key_down(lambda key, *_held: key == "Escape" and self.clear())
        self.button.on_click(lambda _button: self.clear())
        self._redraw()

    def press(self, x, y):
        """Begin a stroke at a point of the pad."""
        if self.fresh:
            self.clear()
        self._down = True
        self.strokes.append([(x, y)])
        self.drag(x, y)

    def drag(self, x, y):
        """Go on with the stroke, if there is one."""
        if self._down:
            self.strokes[-1].append((x, y))
            self.canvas.stroke_lines(self.strokes[-1][-2:])
            self._soon()

    def lift(self, *_point):
        """End the stroke."""
        self._down = False

    def clear(self):
        """Take all strokes away."""
        self.strokes, self.fresh, self._down = [], False, False
        self._redraw()
        self._soon()

    def _redraw(self):
        with hold_canvas():
            self.canvas.fill_style = "black"
            self.canvas.stroke_style = "white"
            self.canvas.line_width, self.canvas.line_cap, self.canvas.line_join = PEN, "round", "round"
            self.canvas.fill_rect(0, 0, SIDE, SIDE)
            for stroke in self.strokes:
                self.canvas.stroke_lines(stroke)

    def _soon(self):
        """Take the strokes' new picture after a pause, once for all strokes until then; without an event loop, at once."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._take()
        if not self._waiting:
            self._waiting = True
            loop.call_later(PAUSE, self._take)

    def _take(self):
        self._waiting, self.value = False, digit(self.strokes)
        self.changed()


def digit(strokes):
    """Return strokes as an image like MNIST's: float32 (1, 1, 28, 28), white on black.

    strokes: lists of points (x, y), pixels of a pad of side 280. As in MNIST, the digit is scaled to fit 20 x 20 pixels, and
    its centre of mass is put into the middle (LeCun et al. 1998). No strokes give a black image.
    """
    ink = Image.new("L", (SIDE, SIDE))
    pen = ImageDraw.Draw(ink)
    for stroke in strokes:
        pen.line(stroke, fill=255, width=PEN)
        for x, y in stroke:
            pen.ellipse((x - PEN / 2, y - PEN / 2, x + PEN / 2, y + PEN / 2), fill=255)
    image = np.zeros((28, 28), np.float32)
    if box := ink.getbbox():
        small = ink.crop(box)
        scale = 20 / max(small.size)
        small = small.resize([max(1, round(scale * side)) for side in small.size], Image.Resampling.BOX)
        mass = np.asarray(small, np.float32) / 255
        shape = np.array(mass.shape)
        middle = (np.indices(mass.shape) * mass).sum((1, 2)) / mass.sum()
        top, left = np.clip((13.5 - middle).round().astype(int), 0, 28 - shape)
        image[top : top + shape[0], left : left + shape[1]] = mass
    return torch.from_numpy(image)[None, None]
