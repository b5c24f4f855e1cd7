"""Every figure of the notebooks: drawn once, then updated in place.

A panel is a figure with moving parts. Its constructor draws what stays (axes, labels, legend); ``update``
changes the moving parts and returns the panel, so that ``draw(epsilon)`` of an explorer is one call. A panel
displays itself in a notebook as a picture with an alternative text; ``png()`` gives the picture's bytes.
Redrawing costs the moving parts only: what stays is kept as a bitmap.

Colours are Okabe and Ito's, which colour-blind readers can tell apart; lines differ in style as well.
"""

import base64
import html
import io

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

BLACK, ORANGE, BLUE, GREEN, VERMILION = "#000000", "#e69f00", "#0072b2", "#009e73", "#d55e00"
STYLES = [(BLUE, "-"), (VERMILION, "--"), (GREEN, "-."), (ORANGE, ":"), (BLACK, (0, (5, 1)))]
RC = {
    "font.size": 14, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#dddddd",
    "legend.frameon": False, "legend.fontsize": 14, "lines.linewidth": 2.5, "axes.axisbelow": True,
}  # fmt: skip


def styled(function):
    """Run a function under this module's style, and leave matplotlib's own as it is."""
    return mpl.rc_context(RC)(function)


class Panel:
    """A figure with moving parts and an alternative text.

    widths: relative widths of its axes. size: inches, at 100 dots each. rows: rows of axes, one below the other.
    """

    @styled
    def __init__(self, widths=(1,), size=(9, 4.2), rows=1):
        self.figure = Figure(figsize=size, dpi=100, layout="constrained")
        FigureCanvasAgg(self.figure)
        self.axes = list(self.figure.subplots(rows, len(widths), squeeze=False, width_ratios=widths).flat)
        self.moving, self.alt, self._still = [], "", None

    def moves(self, *artists):
        """Mark artists as moving: drawn anew at every update, in this order, above everything that stays."""
        for artist in artists:
            artist.set_animated(True)
            self.moving.append(artist)

    def image(self):
        """Return the picture as it is now, as a Pillow image, of grey levels where it has no colour."""
        canvas = self.figure.canvas
        if self._still is None:
            with mpl.rc_context(RC):
                canvas.draw()
            self.figure.set_layout_engine("none")  # from here on nothing that stays may move
            self._still = canvas.copy_from_bbox(self.figure.bbox)
        canvas.restore_region(self._still)
        for artist in self.moving:
            self.figure.draw_artist(artist)
        red, green, blue, _ = Image.fromarray(np.asarray(canvas.buffer_rgba())).split()
        return red if red == green == blue else Image.merge("RGB", (red, green, blue))  # grey is quicker to pack and to send

    def png(self, effort=9):
        """Return the picture as the bytes of a PNG file. effort: of the compression, 1 (fast) to 9 (small)."""
        buffer, image = io.BytesIO(), self.image()
        if effort > 1 and image.mode == "RGB" and (colours := image.getcolors(256)):
            image = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=len(colours))  # loses nothing
        image.save(buffer, format="PNG", compress_level=effort)
        return buffer.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        return picture(self.png(), self.alt)


def picture(png, alt):
    """Return what a notebook displays for a picture: the PNG, an image with alternative text, the text alone."""
    if not alt:
        raise ValueError("alt must say what the picture shows, got an empty text")
    return {"image/png": base64.b64encode(png).decode(), "text/html": image_tag(png, alt), "text/plain": alt}


def image_tag(png, alt):
    """Return a picture as an HTML element that carries its own bytes and an alternative text."""
    encoded = base64.b64encode(png).decode()
    return f'<img src="data:image/png;base64,{encoded}" alt="{html.escape(alt)}" style="max-width: 100%">'


def grey_levels(delta, magnify=1.0):
    """Return a signed image as grey levels: magnified, and shifted so that 0 becomes 128 of 255."""
    return (128 / 255 + magnify * delta).clip(0, 1)


class Pixels(Artist):
    """An image that fills its axes with sharp pixels: a tenth of the time of ``imshow``, which filters."""

    def __init__(self, axes):
        super().__init__()
        axes.set_axis_off()
        axes.set_box_aspect(1)
        self.axes, self.shown = axes, Image.new("RGBA", (1, 1))

    def set_image(self, image):
        """Take a tensor (1, c, h, w) or (c, h, w) in [0, 1], c = 1 or 3."""
        levels = np.rint(255 * np.asarray(image.detach())).astype(np.uint8)
        levels = levels.reshape(levels.shape[-3:]).transpose(1, 2, 0)[::-1]  # the renderer wants the bottom row first
        pixels = np.full((*levels.shape[:2], 4), 255, np.uint8)
        pixels[..., :3] = levels
        self.shown = Image.fromarray(pixels)

    def draw(self, renderer):
        left, bottom, width, height = np.rint(self.axes.bbox.bounds).astype(int)
        pixels = np.array(self.shown.resize((width, height), Image.Resampling.NEAREST))  # a copy: it must be writable
        renderer.draw_image(renderer.new_gc(), left, bottom, pixels)


class Images(Panel):
    """Images in a row, or in several, each with a caption of so many lines above it."""

    @styled
    def __init__(self, columns, rows=1, width=9.0, lines=1):
        side = width / columns
        super().__init__([1] * columns, (width, rows * (side + 0.27 * lines)), rows)
        self.images = [Pixels(axes) for axes in self.axes]
        self.captions = [axes.set_title("\n".join([" "] * lines), fontsize=14) for axes in self.axes]
        self.moves(*self.images, *self.captions)

    def update(self, images, captions, alt):
        """Show tensors (1, c, h, w) or (c, h, w) in [0, 1], one a cell, with a caption each."""
        for artist, image in zip(self.images, images, strict=True):
            artist.set_image(image)
        for artist, caption in zip(self.captions, captions, strict=True):
            artist.set_text(caption)
        self.alt = alt
        return self


class Curves(Panel):
    """Curves over one axis, and a vertical line that can move along it.

    names: of the curves. x, y: (label, low, high) of the axes. log: "", "x", "y" or "xy".
    """

    @styled
    def __init__(self, names, x, y, log="", size=(9, 4.2)):
        super().__init__(size=size)
        (axes,) = self.axes
        self.lines = _prepare(axes, names, x, y, log)
        self.mark = axes.axvline(x[1], color="#777777", linewidth=2, visible=False)
        axes.legend(loc="best" if not log else "upper left")
        self.moves(self.mark, *self.lines)

    def update(self, x, curves, alt, mark=None):
        """Draw one sequence of values for each name, over x; mark: where the vertical line stands, if anywhere."""
        for line, values in zip(self.lines, curves, strict=True):
            line.set_data(x, values)
        self.mark.set_visible(mark is not None)
        self.mark.set_xdata([mark, mark])
        self.alt = alt
        return self


def _prepare(axes, names, x, y, log=""):
    """Label axes (label, low, high), and return one empty line a name."""
    axes.set(xlabel=x[0], xlim=x[1:], ylabel=y[0], ylim=y[1:])
    axes.set_xscale("log" if "x" in log else "linear")
    axes.set_yscale("log" if "y" in log else "linear")
    return [axes.plot([], [], color=c, linestyle=s, label=name)[0] for name, (c, s) in zip(names, STYLES, strict=False)]


class Square(Panel):
    """Paths of points in the plane inside the square |delta|_inf <= epsilon, and beside them one curve.

    names: of the paths. reach: half the side of the plane shown. x, y: (label, low, high) of the curve's axes, both
    logarithmic. mark: what the vertical line in the curve is called, point: what the dot on it is called.
    """

    @styled
    def __init__(self, names, reach, x, y, mark, point):
        super().__init__((1, 1.25), (10, 4.6))
        plane, side = self.axes
        plane.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="δ₁", ylabel="δ₂")
        self.square = plane.add_patch(Rectangle((0, 0), 0, 0, fill=False, linewidth=2, edgecolor="#777777"))
        self.paths = [
            plane.plot([], [], color=c, linestyle=s, marker=m, markersize=9, label=name)[0]
            for name, (c, s), m in zip(names, STYLES, "os^", strict=False)
        ]
        plane.legend(loc="lower left", bbox_to_anchor=(-0.1, 1.0), ncols=2, columnspacing=1, borderpad=0)
        (self.curve,) = _prepare(side, [y[0]], x, (" ", *y[1:]), "xy")
        self.mark = side.axvline(x[1], color=VERMILION, linestyle="--", label=mark)
        (self.point,) = side.plot([], [], "o", color=BLACK, markersize=10, label=point)
        side.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=1, borderpad=0, labelspacing=0.2)
        self.moves(self.square, *self.paths, self.curve, self.mark, self.point)

    def update(self, epsilon, paths, x, values, mark, point, alt):
        """paths: arrays (steps + 1, 2). x, values: the curve. mark: where its line stands. point: (x, value) of the dot."""
        self.square.set_bounds(-epsilon, -epsilon, 2 * epsilon, 2 * epsilon)
        for line, path in zip(self.paths, paths, strict=True):
            line.set_data(*np.asarray(path).T)
        self.curve.set_data(x, values)
        self.mark.set_xdata([mark, mark])
        self.point.set_data([point[0]], [point[1]])
        self.alt = alt
        return self


class Search(Panel):
    """An image with points on it, the changed image, and a curve of progress below a horizontal line.

    steps: length of the curve. label: of its axis. low, high: its range. line: height of the line, named by ``best``.
    """

    @styled
    def __init__(self, steps, label, low, high, line, best):
        super().__init__((1, 1, 1.5), (11, 3.9))
        self.images = [Pixels(axes) for axes in self.axes[:2]]
        for axes, title in zip(self.axes, ("candidates", "the best of them"), strict=False):
            axes.set_title(title, fontsize=14)
        self.dots = self.axes[0].scatter([], [], s=25, color=ORANGE, edgecolors=BLACK, linewidths=0.5)
        (self.curve,) = _prepare(self.axes[2], [label], ("generation", 0, steps), (label, low, high))
        self.axes[2].axhline(line, color=VERMILION, linestyle="--", label=best)
        self.axes[2].legend(loc="lower right")
        self.moves(*self.images, self.dots, self.curve)

    def update(self, image, points, changed, values, alt):
        """image, changed: tensors (1, c, h, w). points: (k, 2) rows and columns. values: the curve so far."""
        self.images[0].set_image(image)
        self.images[1].set_image(changed)
        self.axes[0].set(xlim=(0, image.shape[-1]), ylim=(image.shape[-2], 0))
        self.dots.set_offsets(np.asarray(points)[:, ::-1])
        self.curve.set_data(range(len(values)), values)
        self.alt = alt
        return self
