"""Every figure of the notebooks: drawn once, then updated in place.

A panel is a figure with moving parts. Its constructor draws what stays (axes, labels, legend); ``update``
changes the moving parts and returns the panel, so that ``draw(epsilon)`` of an explorer is one call. A panel
displays itself in a notebook as a picture with an alternative text; ``file()`` gives the picture's bytes.
Redrawing costs the moving parts only: what stays is kept as a bitmap.

Colours are Okabe and Ito's, which colour-blind readers can tell apart; lines differ in style as well.
"""

import base64
import html
import io

import matplotlib.style
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Patch, Rectangle
from matplotlib.ticker import MaxNLocator, NullLocator
from PIL import Image

from .checks import require

BLACK, ORANGE, BLUE, GREEN, VERMILION = "#000000", "#e69f00", "#0072b2", "#009e73", "#d55e00"
STYLES = [(BLUE, "-"), (VERMILION, "--"), (GREEN, "-."), (ORANGE, ":"), (BLACK, (0, (5, 1)))]
STYLES += [("#cc79a7", (0, (3, 1, 1, 1, 1, 1))), ("#56b4e9", (0, (1, 0.5)))]
MARKERS = "os^vD"
CLASSES = (VERMILION, "none"), (BLUE, "none")  # dots of the classes -1 and +1
REGIONS = np.array([(150, 200, 230), (245, 245, 245), (245, 195, 130)], np.uint8)  # above zero, zero, below zero
PALE = np.array([(246, 199, 163), (169, 211, 234)], np.uint8)  # the colours of the classes -1 and +1, pale
CIRCLES = (BLACK, "-"), (BLUE, "--"), (VERMILION, ":")
QUALITY = 70  # of a JPEG or WebP file, of 100
WIDE = 8  # inches of a figure: on a slide, two thirds of a screen, its text is still as large as 14 points
LOOKS = {
    "font.size": 14, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#dddddd",
    "legend.frameon": False, "legend.fontsize": 14, "lines.linewidth": 2.5, "axes.axisbelow": True,
}  # fmt: skip


def styled(function):
    """Run a function under this module's style. What a reader has set (a dark style, LaTeX, other fonts) is for other figures."""
    return matplotlib.style.context(["default", LOOKS])(function)


class Panel:
    """A figure with moving parts and an alternative text.

    widths: relative widths of its axes. size: inches, at 100 dots each. rows: rows of axes, one below the other.
    """

    photographs = False

    @styled
    def __init__(self, widths=(1,), size=(WIDE, 3.7), rows=1):
        self.figure = Figure(figsize=size, dpi=100, layout="constrained")
        FigureCanvasAgg(self.figure)
        self.axes = list(self.figure.subplots(rows, len(widths), squeeze=False, width_ratios=widths).flat)
        self.moving, self.alt, self._still = [], "", None

    def __init_subclass__(cls):
        cls.__init__ = styled(cls.__init__)

    def showing(self, alt):
        """Take the alternative text of what is shown now, and return the panel: how every ``update`` ends."""
        self.alt = alt
        return self

    @property
    def size(self):
        """Width and height of the picture, in pixels."""
        return self.figure.canvas.get_width_height()

    def moves(self, *artists):
        """Mark artists as moving: drawn anew at every update, in this order, above everything that stays."""
        for artist in artists:
            artist.set_animated(True)
            self.moving.append(artist)

    @styled
    def image(self):
        """Return the picture as it is now, as a Pillow image, of grey levels where it has no colour."""
        canvas = self.figure.canvas
        if self._still is None:
            canvas.draw()
            self.figure.set_layout_engine("none")  # from here on nothing that stays may move
            self._still = np.array(canvas.buffer_rgba())
        pixels = np.asarray(canvas.buffer_rgba())  # the canvas's own
        pixels[:] = self._still
        for artist in self.moving:
            self.figure.draw_artist(artist)
        red, green, blue, _ = Image.fromarray(pixels).split()
        return red if red == green == blue else Image.merge("RGB", (red, green, blue))  # grey is quicker to pack and to send

    def file(self, effort=9):
        """Return the picture as the bytes of a file, JPEG of photographs, else PNG. effort: for it, 1 (fast) to 9 (small)."""
        buffer, image = io.BytesIO(), self.image()
        if self.photographs:
            image.save(buffer, format="JPEG", quality=QUALITY, optimize=effort > 1)
            return buffer.getvalue()
        if effort > 1 and image.mode == "RGB" and (colours := image.getcolors(256)):
            image = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=len(colours))  # loses nothing
        image.save(buffer, format="PNG", compress_level=effort)
        return buffer.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        return picture(self.file(), self.alt)


def picture(content, alt):
    """Return what a notebook displays for a picture: the file, an image with alternative text, the text alone."""
    if not alt:
        raise ValueError("alt must say what the picture shows, got an empty text")
    return {mime(content): base64.b64encode(content).decode(), "text/html": image_tag(content, alt), "text/plain": alt}


def mime(content):
    """Return the type of a picture, given the bytes of its file."""
    return "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"


def image_tag(content, alt, onload="", size=None):
    """Return a picture as an HTML element that carries its own bytes and an alternative text.

    onload: a script. size: (width, height), with which its place is known before it is decoded.
    """
    source = f"data:{mime(content)};base64,{base64.b64encode(content).decode()}"
    script = f' onload="{html.escape(onload)}"' if onload else ""
    place = ' width="{}" height="{}"'.format(*size) if size else ""
    return f'<img src="{source}" alt="{html.escape(alt)}" style="max-width: 100%"{place}{script}>'


def grey_levels(delta, magnify=1.0):
    """Return a signed image as grey levels: magnified, and shifted so that 0 becomes 128 of 255."""
    return (128 / 255 + magnify * delta).clip(0, 1)


class Pixels(Artist):
    """An image that fills its axes with sharp pixels: a tenth of the time of ``imshow``, which filters."""

    def __init__(self, axes):
        super().__init__()
        axes.set_axis_off()
        axes.set(box_aspect=1, anchor="S")  # what room is left belongs to the caption
        self.axes, self.shown = axes, Image.new("RGBA", (1, 1))

    def set_image(self, image):
        """Take a tensor (1, c, h, w) or (c, h, w) in [0, 1], c = 1 or 3."""
        levels = np.rint(255.0 * np.asarray(image.detach()))
        least, most = levels.min() / 255, levels.max() / 255
        require(least >= 0 and most <= 1, f"an image must have pixels in [0, 1], got values from {least:.3g} to {most:.3g}")
        levels = levels.astype(np.uint8).reshape(levels.shape[-3:]).transpose(1, 2, 0)[::-1]  # the renderer wants it upside down
        pixels = np.full((*levels.shape[:2], 4), 255, np.uint8)
        pixels[..., :3] = levels
        self.shown = Image.fromarray(pixels)

    def draw(self, renderer):
        left, bottom, width, height = np.rint(self.axes.bbox.bounds).astype(int)
        pixels = np.array(self.shown.resize((width, height), Image.Resampling.NEAREST))  # a copy: it must be writable
        renderer.draw_image(renderer.new_gc(), left, bottom, pixels)


class Images(Panel):
    """Images in a row, or in several, at most six inches high together, each with a caption of so many lines above it.

    photographs: they are large, and stored as a JPEG file, a tenth of the size. text: size of the captions, in points.
    """

    def __init__(self, columns, rows=1, width=WIDE, lines=1, photographs=False, text=14):
        side, self.lines, self.photographs = min(width / columns, 6 / rows), lines, photographs
        super().__init__([1] * columns, (width, rows * (side + text / 56 * lines)), rows)
        self.images = [Pixels(axes) for axes in self.axes]
        self.captions = [axes.set_title(" ", fontsize=text) for axes in self.axes]
        look = {"fill": False, "edgecolor": ORANGE, "linewidth": 3, "clip_on": False}
        self.frames = [axes.add_patch(Rectangle((0, 0), 0, 0, transform=axes.transAxes, **look)) for axes in self.axes]
        self.moves(*self.images, *self.frames, *self.captions)

    def update(self, images, captions, alt, pixels=None):
        """Show tensors (1, c, h, w) or (c, h, w) in [0, 1], one a cell, with a caption each.

        pixels: for each image the (row, column) of a pixel that gets a frame, or None.
        """
        for artist, frame, image, pixel in zip(self.images, self.frames, images, pixels or [None] * len(images), strict=True):
            artist.set_image(image)
            (height, width), (row, column) = image.shape[-2:], pixel or (0, 0)
            frame.set(visible=pixel is not None, bounds=(column / width, 1 - (row + 1) / height, 1 / width, 1 / height))
        for artist, caption in zip(self.captions, captions, strict=True):
            artist.set_text("\n".join([" "] * (self.lines - 1 - caption.count("\n")) + [caption]))  # each takes as much room
        return self.showing(alt)


class Probabilities(Panel):
    """Images in a row, each with a caption above it and the probabilities of the classes as bars below it.

    categories: names of the classes. names: of the kinds of bars, one behind the other.
    """

    def __init__(self, columns, categories, names):
        super().__init__([1] * columns, (WIDE, 6), rows=2)
        self.images = [Pixels(axes) for axes in self.axes[:columns]]
        self.captions = [axes.set_title(" ", fontsize=14) for axes in self.axes[:columns]]
        self.bars = []
        for axes in self.axes[columns:]:
            axes.set(ylim=(0, 1), ylabel="probability", xticks=range(len(categories)), xticklabels=categories)
            axes.grid(False, axis="x")
            looks = zip(names, np.linspace(0.9, 0.5, len(names)), ("#bbbbbb", BLUE, ORANGE), strict=False)
            self.bars.append([axes.bar(range(len(categories)), 0.0, w, color=c, label=name) for name, w, c in looks])
        self.figure.legend(handles=self.bars[0], loc="outside lower center", ncols=len(names))
        self.moves(*self.images, *self.captions, *[bar for kinds in self.bars for kind in kinds for bar in kind])

    def update(self, images, captions, probabilities, alt):
        """images: tensors (1, c, h, w) in [0, 1]. probabilities: for each image, one sequence over the classes a kind."""
        for artist, image, title, caption in zip(self.images, images, self.captions, captions, strict=True):
            artist.set_image(image)
            title.set_text(caption)
        for kinds, shares in zip(self.bars, probabilities, strict=True):
            for bars, values in zip(kinds, shares, strict=True):
                for bar, value in zip(bars, values, strict=True):
                    bar.set_height(value)
        return self.showing(alt)


class Curves(Panel):
    """Curves over one axis, and a vertical line that can move along it.

    names: of the curves. x, y: (label, low, high) of the axes. log: "", "x", "y" or "xy".
    ticks: the marked values of x, if given. legend: where it stands, if given, such as "lower left".
    widths: relative widths of axes for something else, to the left, and of these.
    """

    def __init__(self, names, x, y, log="", size=(WIDE, 3.7), ticks=None, legend=None, widths=(1,)):
        super().__init__(widths, size)
        axes = self.axes[-1]
        self.lines = _prepare(axes, names, x, y, log)
        if ticks is not None:
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
        self.band = axes.axvspan(x[1], x[1], color="#dddddd", visible=False)
        self.mark = axes.axvline(x[1], color="#777777", linewidth=2, visible=False)
        place = legend or ("upper left" if log else "best")
        outside = place.startswith("outside")
        (self.figure if outside else axes).legend(handles=self.lines, loc=place, ncols=1 + outside, labelspacing=0.2)
        self.moves(self.band, self.mark, *self.lines)

    def update(self, x, curves, alt, mark=None, band=None):
        """Draw one sequence of values for each name, over x.

        mark: where the vertical line stands, if anywhere. band: (from, to) of the part of the x axis that is shaded, if any.
        """
        start, end = band or (0, 0)
        self.band.set(visible=band is not None, x=start, width=end - start)
        for line, values in zip(self.lines, curves, strict=True):
            line.set_data(x, values)
        self.mark.set(visible=mark is not None, xdata=[mark, mark])
        return self.showing(alt)


def _prepare(axes, names, x, y, log=""):
    """Label axes (label, low, high), and return one empty line a name."""
    axes.set(xlabel=x[0], xlim=x[1:], xscale="log" if "x" in log else "linear")
    axes.set(ylabel=y[0], ylim=y[1:], yscale="log" if "y" in log else "linear")
    return _lines(axes, names)


def _lines(axes, names, styles=STYLES, **look):
    """Return one empty line a name, each in its own style; with markers, ``marker`` holds one each."""
    looks = zip(names, styles, look.pop("marker", [""] * len(names)), strict=False)
    return [axes.plot([], [], color=c, linestyle=s, marker=m, label=name, **look)[0] for name, (c, s), m in looks]


def _plane(axes, x, y):
    """Label axes (label, low, high) with one unit, and return an image that fills them, its bottom row first."""
    axes.set(xlabel=x[0], xlim=x[1:], ylabel=y[0], ylim=y[1:])
    axes.grid(False)
    return axes.imshow(np.zeros((1, 1, 3)), extent=(*x[1:], *y[1:]), origin="lower", interpolation="nearest", aspect="equal")


class Square(Panel):
    """Paths of points in the plane inside the square |delta|_inf <= epsilon, and beside them one curve.

    names: of the paths. reach: half the side of the plane shown. x, y: (label, low, high) of the curve's axes, x
    logarithmic. mark: what the vertical line in the curve is called, point: what the dot on it is called.
    """

    def __init__(self, names, reach, x, y, mark, point):
        super().__init__((1, 1.25), (WIDE, 4.2))
        plane, side = self.axes
        plane.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="δ₁", ylabel="δ₂")
        self.square = plane.add_patch(Rectangle((0, 0), 0, 0, fill=False, linewidth=2, edgecolor="#777777"))
        self.paths = _lines(plane, names, marker=MARKERS, markersize=9)
        (self.curve,) = _prepare(side, [y[0]], x, (" ", *y[1:]), "x")
        self.mark = side.axvline(x[1], color=VERMILION, linestyle="--", label=mark)
        (self.point,) = side.plot([], [], "o", color=BLACK, markersize=10, label=point)
        named = [*self.paths, self.curve, self.mark, self.point]
        self.figure.legend(handles=named, loc="outside upper center", ncols=2, labelspacing=0.2)
        self.moves(self.square, *self.paths, self.curve, self.mark, self.point)

    def update(self, epsilon, paths, x, values, mark, point, alt):
        """paths: arrays (steps + 1, 2). x, values: the curve. mark: where its line stands. point: (x, value) of the dot."""
        self.square.set_bounds(-epsilon, -epsilon, 2 * epsilon, 2 * epsilon)
        for line, path in zip(self.paths, paths, strict=True):
            line.set_data(*np.asarray(path).T)
        self.curve.set_data(x, values)
        self.mark.set_xdata([mark, mark])
        self.point.set_data([point[0]], [point[1]])
        return self.showing(alt)


class Search(Panel):
    """An image with points on it, the changed image, and a curve of progress below a horizontal line.

    steps: length of the curve. label: of its axis. low, high: its range. line: height of the line, named by ``best``.
    """

    def __init__(self, steps, label, low, high, line, best):
        super().__init__((1, 1, 1.5), (WIDE, 3.4))
        self.images = [Pixels(axes) for axes in self.axes[:2]]
        for axes, title in zip(self.axes, ("candidates", "the best of them"), strict=False):
            axes.set_title(title, fontsize=14)
        self.dots = self.axes[0].scatter([], [], s=25, color=ORANGE, edgecolors=BLACK, linewidths=0.5)
        (self.curve,) = _prepare(self.axes[2], [None], ("generation", 0, steps), (label, low, high))
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
        return self.showing(alt)


class Regions(Panel):
    """Planes side by side, each divided by the sign of a function, with points of two classes on it.

    titles: of the planes. x, y: (label, low, high) of their axes. names: of the classes, -1 and +1.
    """

    def __init__(self, titles, x, y, names, size=(WIDE, 3.6)):
        super().__init__([1] * len(titles), size)
        for axes, title in zip(self.axes, titles, strict=True):
            axes.set_title(title, fontsize=14)
        self.fields = [_plane(axes, x, y) for axes in self.axes]
        self.dots = [_lines(axes, names, CLASSES, marker=MARKERS, markersize=4) for axes in self.axes]
        for field, dots in zip(self.fields, self.dots, strict=True):
            self.moves(field, *dots)
        self.moves(self.axes[0].legend(loc="lower left", markerscale=2, borderpad=0, handletextpad=0))

    def update(self, fields, points, labels, alt):
        """fields: one array a plane, rows from low to high y, positive in the second class. points: (n, 2). labels: -1, +1."""
        for artist, dots, values in zip(self.fields, self.dots, fields, strict=True):
            artist.set_data(PALE[(np.asarray(values) > 0).astype(int)])
            for line, label in zip(dots, (-1, 1), strict=True):
                line.set_data(*np.asarray(points)[np.asarray(labels) == label].T)
        return self.showing(alt)


class Scatter(Panel):
    """Points of two kinds or more over the diagonal on which the two coordinates are equal. x, y: (label, low, high)."""

    def __init__(self, names, x, y, size=(6.5, 5)):
        super().__init__(size=size)
        (axes,) = self.axes
        axes.set(xlabel=x[0], xlim=x[1:], ylabel=y[0], ylim=y[1:])
        axes.axline((0, 0), slope=1, color="#777777", linewidth=2, label="equal")
        self.dots = _lines(axes, names, [(c, "none") for c, _ in STYLES], marker=MARKERS, markersize=6, alpha=0.7)
        axes.legend(loc="lower right")
        self.moves(*self.dots)

    def update(self, points, alt):
        """points: one array (n, 2) a name."""
        for line, values in zip(self.dots, points, strict=True):
            line.set_data(*np.asarray(values).T)
        return self.showing(alt)


class Matrix(Panel):
    """A matrix of numbers as colours, zero in the middle of the scale: orange below, purple above.

    shape: (rows, columns). rows, columns: labels of the axes. name: of the numbers. reach: the scale goes from -reach to reach.
    """

    def __init__(self, shape, rows, columns, name, reach, size=(6.6, 4.9)):
        super().__init__(size=size)
        (axes,) = self.axes
        axes.grid(False)
        axes.set(xlabel=columns, ylabel=rows)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        corners = (0.5, shape[1] + 0.5, shape[0] + 0.5, 0.5)  # rows and columns are counted from 1
        options = {"cmap": "PuOr", "vmin": -reach, "vmax": reach, "interpolation": "nearest", "aspect": "equal"}
        self.colours = axes.imshow(np.zeros(shape), extent=corners, **options)
        self.figure.colorbar(self.colours, label=name)
        self.moves(self.colours)

    def update(self, values, alt):
        """values: an array of that shape."""
        self.colours.set_data(np.asarray(values))
        return self.showing(alt)


class Planes(Panel):
    """Planes side by side, coloured where a function is positive, 0 and negative; circles around 0, and named points.

    columns: how many. x, y: (label, low, high) of their axes. regions: names of the positive, zero, negative part.
    points: names of the points. circles: names of the circles.
    """

    def __init__(self, columns, x, y, regions, points, circles, size=(WIDE, 4.5)):
        super().__init__([1] * columns, size)
        self.fields, self.circles, self.points = [_plane(axes, x, y) for axes in self.axes], [], []
        self.titles = [axes.set_title("\n", fontsize=14) for axes in self.axes]
        for axes in self.axes:
            looks = zip(circles, CIRCLES, strict=False)
            rings = [Circle((0, 0), 0.0, fill=False, lw=2.5, ls=style, ec=colour, label=name) for name, (colour, style) in looks]
            self.circles.append([axes.add_patch(ring) for ring in rings])
            self.points.append(_lines(axes, points, [(BLACK, "none")] * 4, marker="os^X", markersize=10))
        parts = [Patch(facecolor=c, edgecolor=BLACK, label=name) for name, c in zip(regions, REGIONS / 255, strict=True)]
        lines = [Line2D([], [], color=c, linestyle=s, label=name) for name, (c, s) in zip(circles, CIRCLES, strict=False)]
        self.figure.legend(handles=[*parts, *self.points[0], *lines], loc="outside lower center", ncols=3, labelspacing=0.2)
        for field, rings, points, title in zip(self.fields, self.circles, self.points, self.titles, strict=True):
            self.moves(field, *rings, *points, title)

    def update(self, fields, radii, points, titles, alt):
        """For each plane: numbers on a grid, the bottom row first; the circles' radii; (x, y) of each point; its title."""
        for plane, (field, title) in enumerate(zip(fields, titles, strict=True)):
            self.fields[plane].set_data(REGIONS[1 - np.sign(np.asarray(field)).astype(int)])
            for ring, radius in zip(self.circles[plane], radii[plane], strict=True):
                ring.set_radius(radius)
            for dot, place in zip(self.points[plane], points[plane], strict=True):
                dot.set_data([place[0]], [place[1]])
            self.titles[plane].set_text(title)
        return self.showing(alt)


class Distribution(Curves):
    """Histograms of samples over one axis, and beside them ``Curves``.

    samples: names of the histograms. density: name of a smooth line over them, or None. edges: name of vertical lines, or None.
    values: (label, low, high) of the histograms' axis; what lies outside is counted in the first and the last bin.
    height: of the histograms, as a density. names, x, y, log: of the curves, as in ``Curves``.
    """

    def __init__(self, samples, values, height, names, x, y, log="", density=None, edges=None, size=(WIDE, 4.1)):
        super().__init__(names, x, y, log, size, widths=(1, 1.1))
        left, self.grid = self.axes[0], np.linspace(*values[1:], 49)
        left.set(xlabel=values[0], xlim=values[1:], ylim=(0, height), ylabel="density")
        looks = {"fill": True, "alpha": 0.35}, {"linewidth": 2.5}  # of the first histogram, and of the others
        self.steps = [
            left.stairs(0 * self.grid[1:], self.grid, color=c, linestyle=s, label=name, **looks[i > 0])
            for i, (name, (c, s)) in enumerate(zip(samples, STYLES, strict=False))
        ]
        self.density = [left.plot([], [], color=BLACK, linewidth=2, label=density)[0]] if density else []
        line = {"color": VERMILION, "linestyle": "--"}
        self.edges = [left.axvline(0, label=label, **line) for label in (edges, None)] if edges else []
        over = {"loc": "lower left", "bbox_to_anchor": (-0.1, 1.0), "borderpad": 0, "labelspacing": 0.2}
        for axes in self.axes:
            axes.legend(**over)
        self.moves(*self.steps, *self.density, *self.edges)

    def update(self, samples, x, curves, mark, alt, density=None, edges=None):
        """samples: one sequence a histogram. x, curves: of the curves, mark: where their vertical line stands.

        density: (x, values) of the smooth line. edges: where the two vertical lines stand.
        """
        for artist, sample in zip(self.steps, samples, strict=True):
            counts, _ = np.histogram(np.clip(sample, self.grid[0], self.grid[-1]), self.grid)
            artist.set_data(counts / (len(sample) * np.diff(self.grid)))
        for line in self.density:
            line.set_data(*density)
        for line, place in zip(self.edges, edges or (), strict=True):
            line.set_xdata([place, place])
        return super().update(x, curves, alt, mark)
