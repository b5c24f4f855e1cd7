"""A picture of one's own becomes an image in [0, 1], upright and opaque, or is refused in one sentence, whatever its bytes."""

import builtins
import io
import random
import struct
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from lecture_utils import data

pytestmark = pytest.mark.filterwarnings("error::UserWarning", "error::RuntimeWarning")  # all that Pillow warns with
LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True, "exact": True}}
DAMAGED = "file is damaged or incomplete: "
AT_END = None  # the value of an EXIF entry that comes after all entries


def smooth(height=12, width=20):
    """Return pixels (height, width, 3) that change slowly, so that JPEG keeps them, and that no turn or flip leaves alone."""
    down, right = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return (255 * np.stack([down, right, (down + right**2) / 2], -1)).round().astype(np.uint8)


def encoded(pixels, format, mode=None, **options):
    """Return the bytes of a file that holds the pixels."""
    file, picture = io.BytesIO(), Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(file, format, **options)
    return file.getvalue()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, depth, colour, rows, *chunks):
    """Return a PNG of a kind that Pillow does not write; colour: 0 grey, 2 RGB; rows: compressed."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *chunks, chunk(b"IDAT", rows), chunk(b"IEND", b"")])


def riff(*chunks):
    body = b"WEBP" + b"".join(name + struct.pack("<I", len(content)) + content for name, content in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def exif(orientation, *entries, after=b""):
    """Return EXIF with an orientation and further entries (tag, type, count, value); AT_END as value is what comes after."""
    entries = [(0x0112, 3, 1, struct.pack("<HH", orientation, 0)), *entries]
    end = struct.pack("<I", 8 + 2 + 12 * len(entries) + 4)
    directory = b"".join(struct.pack("<HHI", *entry[:3]) + (entry[3] or end) for entry in entries)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4) + after


def pixels_of(source, size=None):
    """Return what read_image makes of a file as whole numbers (h, w, 3), after a look at type, shape and range."""
    x = data.read_image(source, size)
    assert x.dim() == 4 and x.shape[:2] == (1, 3) and x.dtype == torch.float32
    assert 0 <= x.min() and x.max() <= 1 and (size is None or x.shape[2:] == (size, size))
    assert torch.equal((255 * x).round() / 255, x)
    return (255 * x[0]).round().permute(1, 2, 0).numpy().astype(int)


def assert_refused(source, message, error=ValueError):
    with pytest.raises(error, match=message) as caught:
        data.read_image(source, 8)
    told = str(caught.value)
    assert len(told.splitlines()) == 1 and len(told) < 300 and " object at 0x" not in told and not told.endswith(": ")


# ---- what is read ------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", LOSSLESS)
def test_a_lossless_file_gives_its_pixels_back(format):
    pixels = np.random.default_rng(0).integers(256, size=(9, 14, 3), dtype=np.uint8)
    assert (pixels_of(encoded(pixels, format, **LOSSLESS[format])) == pixels).all()


@pytest.mark.parametrize(("format", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("WEBP", {"quality": 95})])
def test_a_lossy_file_gives_its_pixels_back_nearly(format, options):
    assert abs(pixels_of(encoded(smooth(48, 64), format, **options)) - smooth(48, 64)).max() <= 12


def test_bytes_and_paths_are_read_alike_and_the_name_says_nothing(tmp_path):
    content = encoded(smooth(), "PNG")
    every_second = memoryview(np.repeat(np.frombuffer(content, np.uint8), 2))[::2]
    for source in (content, bytearray(content), memoryview(content), every_second):
        assert (pixels_of(source) == smooth()).all()
    for name in ("picture.png", "picture.jpg", "picture.gif", "picture.txt", "picture", "Übung 1.PNG"):
        (tmp_path / name).write_bytes(content)
        assert (pixels_of(tmp_path / name) == pixels_of(str(tmp_path / name))).all()
        assert (pixels_of(tmp_path / name) == smooth()).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_every_colour_mode_becomes_rgb(mode):
    expected = np.asarray(Image.fromarray(smooth()).convert(mode).convert("RGB"))
    assert len(np.unique(expected.reshape(-1, 3), axis=0)) >= 2
    assert (pixels_of(encoded(smooth(), "PNG", mode)) == expected).all()


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_every_colour_mode_of_jpeg_becomes_rgb(mode):
    expected = np.asarray(Image.fromarray(smooth(48, 64)).convert(mode).convert("RGB")).astype(int)
    assert abs(pixels_of(encoded(smooth(48, 64), "JPEG", mode, quality=95)) - expected).max() <= 12


def test_sixteen_bits_of_grey_are_scaled_and_not_clipped():
    grey = np.array([[0, 127, 128, 129, 255, 256, 257, 1000, 32767, 32768, 65406, 65407, 65534, 65535]], dtype=np.uint16)
    found = pixels_of(encoded(grey, "PNG"))
    assert abs(found / 255 - grey[..., None] / 65535).max() <= 0.5 / 255 + 1e-9
    assert found[0, 0, 0] == 0 and found[0, -1, 0] == 255


def test_sixteen_bits_of_colour_are_scaled_and_not_clipped():
    colours = np.array([[0, 255, 256], [32768, 65279, 65535]], dtype=">u2")
    found = pixels_of(png(2, 1, 16, 2, zlib.compress(b"\0" + colours.tobytes())))
    assert abs(found[0] / 255 - colours / 65535).max() <= 1 / 255


def test_phones_put_further_pictures_into_a_jpeg_and_the_first_is_read():
    first, second = Image.fromarray(smooth(48, 64)), Image.new("RGB", (64, 48), "red")
    file = io.BytesIO()
    first.save(file, "MPO", save_all=True, append_images=[second])
    assert Image.open(file).n_frames == 2
    assert abs(pixels_of(file.getvalue()) - smooth(48, 64)).max() <= 12


def test_the_caller_may_change_what_it_gave_and_what_it_gets():
    content = bytearray(encoded(smooth(), "PNG"))
    x = data.read_image(content)
    content[:] = bytes(len(content))
    assert x.max() == 1
    x.zero_()
    assert data.read_image(encoded(smooth(), "PNG")).max() == 1


# ---- transparency ------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", LOSSLESS)
def test_transparency_is_laid_over_white(format):
    alpha = np.linspace(0, 255, smooth().shape[0] * smooth().shape[1]).round().reshape(*smooth().shape[:2], 1)
    found = pixels_of(encoded(np.concatenate([smooth(), alpha], -1).astype(np.uint8), format, **LOSSLESS[format]))
    assert abs(found - (alpha * smooth() + (255 - alpha) * 255) / 255).max() <= 1
    assert (found[0, 0] == 255).all() and (found[-1, -1] == smooth()[-1, -1]).all()


def test_transparent_grey_is_laid_over_white():
    grey = np.array([[[0, 255], [0, 0], [0, 128], [100, 255]]], dtype=np.uint8)
    assert (pixels_of(encoded(grey, "PNG"))[0] == np.array([[0], [255], [127], [100]])).all()


@pytest.mark.parametrize(("transparency", "expected"), [(1, [0, 255, 200]), (bytes([0, 255, 0]), [255, 90, 255])])
def test_transparent_colours_of_a_palette_are_white(transparency, expected):
    picture, file = Image.new("P", (3, 1)), io.BytesIO()
    picture.putpalette([0, 0, 0, 90, 90, 90, 200, 200, 200])
    picture.putdata([0, 1, 2])
    picture.save(file, "PNG", transparency=transparency)
    assert (pixels_of(file.getvalue())[0] == np.array(expected)[:, None]).all()


def test_half_transparent_colours_of_a_palette_are_mixed_with_white():
    picture, file = Image.new("P", (2, 1)), io.BytesIO()
    picture.putpalette([0, 0, 0, 200, 0, 0])
    picture.putdata([0, 1])
    picture.save(file, "PNG", transparency=bytes([128, 64]))
    assert abs(pixels_of(file.getvalue())[0] - np.array([[127, 127, 127], [241, 191, 191]])).max() <= 1


@pytest.mark.parametrize(
    ("depth", "row", "clear", "expected"),
    [
        (1, [0b01000000], 0, [255, 255]),
        (2, [0b10010000], 2, [255, 85]),
        (4, [0x3C], 12, [51, 255]),
        (8, [7, 8], 7, [255, 8]),
        (16, [0x75, 0x30, 0x10, 0x00], 0x7530, [255, 16]),
    ],
)
def test_the_grey_that_a_png_names_transparent_is_white_at_every_depth(depth, row, clear, expected):
    content = png(2, 1, depth, 0, zlib.compress(bytes([0, *row])), chunk(b"tRNS", struct.pack(">H", clear)))
    assert (pixels_of(content)[0] == np.array(expected)[:, None]).all()


def test_a_grey_of_16_bits_is_white_only_where_all_of_them_are_the_transparent_one():
    rows = zlib.compress(bytes([0, 0, 0, 0, 200]))  # 0, which is transparent, and 200, which would be 1 of 255
    assert (pixels_of(png(2, 1, 16, 0, rows, chunk(b"tRNS", struct.pack(">H", 0))))[0] == [[255] * 3, [1] * 3]).all()


def test_a_transparent_colour_of_16_bits_is_refused():
    content = png(1, 1, 16, 2, zlib.compress(bytes(7)), chunk(b"tRNS", struct.pack(">HHH", 0, 0, 0)))
    with pytest.raises(ValueError, match="must have 8 bits a channel where one of its colours is transparent"):
        data.read_image(content)


def test_the_colour_that_a_png_names_transparent_is_white():
    content = png(2, 1, 8, 2, zlib.compress(bytes([0, 9, 8, 7, 9, 8, 6])), chunk(b"tRNS", struct.pack(">HHH", 9, 8, 7)))
    assert (pixels_of(content)[0] == [[255, 255, 255], [9, 8, 6]]).all()


# ---- upright -----------------------------------------------------------------------------------------

# Where EXIF says that the stored row 0 and column 0 are to be seen, for pixels indexed [row, column]
STORED = {
    1: lambda upright: upright,  # row 0 at the top, column 0 on the left
    2: lambda upright: upright[:, ::-1],  # top, right
    3: lambda upright: upright[::-1, ::-1],  # bottom, right
    4: lambda upright: upright[::-1],  # bottom, left
    5: lambda upright: upright.swapaxes(0, 1),  # left, top
    6: lambda upright: upright.swapaxes(0, 1)[::-1],  # right, top
    7: lambda upright: upright.swapaxes(0, 1)[::-1, ::-1],  # right, bottom
    8: lambda upright: upright.swapaxes(0, 1)[:, ::-1],  # left, bottom
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("format", ["PNG", "WEBP", "JPEG"])
def test_a_picture_stands_upright_as_its_exif_asks(format, orientation):
    stored = np.ascontiguousarray(STORED[orientation](smooth(48, 64)))
    found = pixels_of(encoded(stored, format, exif=exif(orientation), **LOSSLESS.get(format, {})))
    assert found.shape == (48, 64, 3) and abs(found - smooth(48, 64)).max() <= (0 if format in LOSSLESS else 12)


def test_a_palette_and_sixteen_bits_are_turned_too():
    grey = (257 * np.arange(6, dtype=np.uint16)).reshape(2, 3)
    assert (pixels_of(encoded(grey, "PNG", exif=exif(8)))[..., 0] == np.rot90(grey // 257)).all()
    palette = pixels_of(encoded(smooth(), "PNG", "P", exif=exif(3)))
    assert (palette[::-1, ::-1] == pixels_of(encoded(smooth(), "PNG", "P"))).all()


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation):
    assert (pixels_of(encoded(smooth(), "PNG", exif=exif(orientation))) == smooth()).all()


@pytest.mark.parametrize(
    "content",
    [
        exif(6, (0x829A, 10, 1, AT_END), after=struct.pack("<ii", -1, 0)),  # an exposure of -1 / 0 seconds
        exif(6, (0x8825, 5, 1, AT_END), after=struct.pack("<II", 1, 1)),  # a fraction for the place of the GPS entries
        exif(6, (0xA005, 2, 4, b"abc\0")),  # letters for the place of further entries
    ],
    ids=["exposure", "GPS", "further entries"],
)
def test_odd_entries_of_the_exif_do_not_hinder_the_turn(content):
    stored = np.ascontiguousarray(STORED[6](smooth()))
    assert (pixels_of(encoded(stored, "PNG", exif=content)) == smooth()).all()


# ---- size --------------------------------------------------------------------------------------------


def photograph():
    """Return the cat's pixels and its tensor; one side is odd, so that no square is quite in the centre."""
    x = data.photo("cat")
    return (255 * x[0]).round().permute(1, 2, 0).numpy().astype(np.uint8), x


@pytest.mark.parametrize("size", [1, 8, 28, 32, 224, 300, 500])
def test_the_central_square_is_resized_as_centre_does_it(size):
    pixels, x = photograph()
    for pixels_, x_ in ((pixels, x), (pixels.swapaxes(0, 1), x.transpose(2, 3))):
        read = data.read_image(encoded(np.ascontiguousarray(pixels_), "PNG"), size)
        difference = (read - data.centre(x_, size)).abs()
        assert difference.max() <= 1 / 255 and difference.mean() <= 0.3 / 255  # Pillow rounds to 8 bits


def test_the_square_is_cut_from_the_upright_picture():
    pixels, x = photograph()
    stored = np.ascontiguousarray(STORED[6](pixels))
    read = data.read_image(encoded(stored, "PNG", exif=exif(6)), 32)
    assert (read - data.centre(x, 32)).abs().max() <= 1 / 255


def test_without_a_size_the_whole_picture_is_kept():
    pixels, x = photograph()
    assert torch.equal(data.read_image(encoded(pixels, "PNG")), x)


def test_one_pixel_is_a_picture():
    one = np.array([[[10, 20, 30]]], dtype=np.uint8)
    assert (pixels_of(encoded(one, "PNG"), 4) == [10, 20, 30]).all()


@pytest.mark.parametrize("size", [0, -1, 32.0, "32", (32, 32)])
def test_sizes_that_are_no_counts_are_refused(size):
    with pytest.raises(ValueError, match="size must be an integer >= 1, got"):
        data.read_image(encoded(smooth(), "PNG"), size)


# ---- other formats -----------------------------------------------------------------------------------

OTHERS = [
    ("GIF", encoded(smooth(), "GIF")),
    ("BMP", encoded(smooth(), "BMP")),
    ("TIFF", encoded(smooth(), "TIFF")),
    ("PDF", encoded(smooth(), "PDF")),
    ("HEIC or AVIF", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)),
    ("HEIC or AVIF", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(100)),
    ("SVG", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    ("SVG", b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a drawing -->\n<svg xmlns="http://www.w3.org/2000/svg"/>'),
    ("text", "Grüße aus Göttingen, und kein Bild.\n".encode()),
    ("text", b"<!DOCTYPE html>\n<html><body>404: the picture was not found</body></html>"),
    ("text", b"data:image/png;base64,iVBORw0KGgo="),
    ("an unknown format", encoded(smooth(), "PPM") + bytes(range(256))),
    ("an unknown format", bytes(1000)),
    ("an empty file", b""),
]


@pytest.mark.parametrize(("name", "content"), OTHERS, ids=[name for name, _ in OTHERS])
def test_other_formats_are_refused_by_name_whatever_the_file_is_called(tmp_path, name, content):
    (tmp_path / "cat.png").write_bytes(content)
    for source in (content, tmp_path / "cat.png"):
        assert_refused(source, f"^the picture must be a PNG, JPEG or WebP file, got {name}$")


def test_no_decoder_but_those_of_the_three_formats_is_started(monkeypatch):
    names, open_ = [], Image.open
    monkeypatch.setattr(Image, "open", lambda file, formats: names.extend(formats) or open_(file, formats=formats))
    for format in ("PNG", "JPEG", "WEBP"):
        pixels_of(encoded(smooth(), format))
    assert [name.upper() for name in names] == ["PNG", "PNG", "JPEG", "JPEG", "WEBP", "WEBP"]
    for _, content in OTHERS:
        assert_refused(content, "must be a PNG, JPEG or WebP file")
    assert len(names) == 6


@pytest.mark.parametrize("format", ["PNG", "WebP"])
def test_animations_are_refused_by_name(format):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    file = io.BytesIO()
    frames[0].save(file, format, save_all=True, append_images=frames[1:], duration=100)
    assert_refused(file.getvalue(), f"^the picture must be a still one, got an animated {format} with 3 frames$")


# ---- limits ------------------------------------------------------------------------------------------


def test_twenty_megabytes_are_read_and_a_byte_more_is_refused(tmp_path, monkeypatch):
    content = encoded(smooth(), "PNG").ljust(20_000_000, b"\0")
    (tmp_path / "long.png").write_bytes(content)
    assert (pixels_of(content) == smooth()).all() and (pixels_of(tmp_path / "long.png") == smooth()).all()
    with open(tmp_path / "long.png", "ab") as file:
        file.write(b"\0")
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("the file was read"))
    monkeypatch.setattr(Image, "open", lambda *args, **options: pytest.fail("the file was decoded"))
    for source in (content + b"\0", memoryview(content + b"\0"), tmp_path / "long.png"):
        assert_refused(source, "^the picture's file must have at most 20 MB, got 20,000,001 bytes$")


def one_bit(width, height):
    """Return a black PNG of one bit a pixel, small whatever its size: the decompressed rows are never held at once."""
    compressor, left = zlib.compressobj(1), height * (1 + (width + 7) // 8)
    rows = [compressor.compress(bytes(min(10**6, left - start))) for start in range(0, left, 10**6)]
    return png(width, height, 1, 0, b"".join([*rows, compressor.flush()]))


def too_large():
    """Return files of all formats whose headers promise more than 40 megapixels."""
    jpeg = bytearray(encoded(smooth(), "JPEG"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65500, 65500)
    lossless = b"\x2f" + struct.pack("<I", 16382 | 16382 << 14) + bytes(19)
    canvas = bytes(4) + struct.pack("<I", 16382)[:3] + struct.pack("<I", 16382)[:3]
    return {
        "30000 x 30000": one_bit(30_000, 30_000),
        "40000001 x 1": one_bit(40_000_001, 1),
        "65500 x 65500": bytes(jpeg),
        "16383 x 16383": riff((b"VP8L", lossless)),
        "16383 x 16383 ": riff((b"VP8X", canvas), (b"VP8L", lossless)),
    }


@pytest.mark.parametrize("limit", [None, 10, Image.MAX_IMAGE_PIXELS])
def test_more_than_forty_megapixels_are_refused_before_pixels_are_decoded(monkeypatch, limit):
    contents = too_large()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)  # Pillow's own, which warns or raises: neither is ever seen
    for kind in (ImageFile.ImageFile, Image.Image):
        monkeypatch.setattr(kind, "load", lambda self: pytest.fail("pixels were decoded"))
    for size, content in contents.items():
        assert len(content) < 1_000_000
        assert_refused(content, f"^the picture must have at most 40 megapixels, got {size.strip()} pixels$")
    assert Image.MAX_IMAGE_PIXELS == limit


@pytest.mark.parametrize("limit", [None, 10])
def test_forty_megapixels_are_read(monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert (pixels_of(one_bit(8000, 5000), 8) == 0).all()
    assert Image.MAX_IMAGE_PIXELS == limit


def test_a_picture_without_pixels_is_refused():
    assert_refused(png(0, 5, 8, 0, zlib.compress(b"")), f"PNG {DAMAGED}its header cannot be read")


# ---- damage ------------------------------------------------------------------------------------------

SMALL = {
    "PNG": encoded(smooth(), "PNG", exif=exif(6)),
    "PNG, palette": encoded(smooth(), "PNG", "P", transparency=3),
    "JPEG": encoded(smooth(), "JPEG", exif=exif(6)),
    "JPEG, progressive": encoded(smooth(), "JPEG", "CMYK", progressive=True),
    "WebP": encoded(smooth(), "WEBP", exif=exif(6)),
    "WebP, lossless": encoded(smooth(), "WEBP", "RGBA", lossless=True),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_file_cut_short_anywhere_is_refused(name):
    whole = SMALL[name]
    missing = 5 if name.startswith("PNG") else 1  # a PNG's last four bytes are the checksum of nothing
    for kept in range(16, len(whole) - missing + 1):
        assert_refused(whole[:kept], f"^the {name.split(',')[0]} {DAMAGED}")
    for kept in range(16):
        assert_refused(whole[:kept], f"must be a PNG, JPEG or WebP file|{DAMAGED}")


@pytest.mark.parametrize("name", ["PNG", "PNG, palette"])
def test_one_wrong_byte_in_a_png_is_refused(name):
    for place in range(8, len(SMALL[name]) - 12):  # up to the last chunk, which is empty
        content = bytearray(SMALL[name])
        content[place] ^= 1 << place % 8
        assert_refused(content, f"^the PNG {DAMAGED}")


@pytest.mark.parametrize("name", SMALL)
def test_damaged_bytes_give_an_image_or_one_sentence(name):
    random_, images = random.Random(0), 0
    for _ in range(400):
        content = bytearray(SMALL[name])
        for _ in range(random_.choice([1, 1, 2, 8])):
            content[random_.randrange(len(content))] = random_.randrange(256)
        content = content[: random_.choice([len(content), random_.randrange(len(content))])]
        try:
            pixels_of(content, 8)
            images += 1
        except ValueError:
            assert_refused(content, f"must be |{DAMAGED}")
    assert images < 400


@pytest.mark.parametrize(
    "error", [KeyError("mode"), EOFError(), RuntimeError("a"), OverflowError("b"), zlib.error("c"), MemoryError()]
)
def test_whatever_a_decoder_raises_is_told_in_one_sentence(monkeypatch, error):
    def load(self):
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert_refused(SMALL["PNG"], f"^the PNG {DAMAGED}.")


def test_what_pillow_only_warns_of_is_read_without_a_warning():
    stored = np.ascontiguousarray(STORED[6](smooth()))
    places = exif(6, (0x011A, 5, 1, struct.pack("<I", 60_000)))  # a resolution to be found behind the end
    assert (pixels_of(encoded(stored, "PNG", exif=places)) == smooth()).all()
    no_frames = chunk(b"acTL", bytes(8))
    assert (pixels_of(png(2, 1, 8, 0, zlib.compress(b"\0\7\x09"), no_frames))[0, :, 0] == [7, 9]).all()


def test_a_text_that_unpacks_to_a_bomb_is_refused():
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(10**7)))
    assert_refused(png(1, 1, 8, 0, zlib.compress(bytes(2)), text), f"PNG {DAMAGED}(?i:decompressed data too large)")


# ---- sources -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [None, 3, ["cat.png"], np.zeros((8, 8, 3)), torch.zeros(1, 3, 8, 8), io.BytesIO(b"")])
def test_what_is_neither_bytes_nor_a_path_is_refused(source):
    name = type(source).__name__
    assert_refused(source, f"^source must be a path or the bytes of a picture's file, got {name}$", TypeError)


def test_a_file_that_does_not_exist_is_refused(tmp_path):
    for source in (tmp_path / "none.png", str(tmp_path / "none.png"), tmp_path, "", "none\0.png", "A" * 10_000):
        assert_refused(source, "^source must name an existing file, got '", FileNotFoundError)


# ---- no trace ----------------------------------------------------------------------------------------


def attempt(content):
    try:
        return data.read_image(content, 8)
    except ValueError as error:
        return error


def test_nothing_is_written_and_nothing_stays_changed(tmp_path, monkeypatch):
    def open_(file, mode="r", *args, **options):
        assert mode in ("r", "rb"), f"{file} was opened to write"
        return open_before(file, mode, *args, **options)

    def state():
        return Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters), torch.get_rng_state().tolist()

    paths = [tmp_path / f"{number}.png" for number in range(len(SMALL) + 1)]
    for path, content in zip(paths, [*SMALL.values(), b"text"], strict=True):
        path.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before, open_before = state(), open
    monkeypatch.setattr(builtins, "open", open_)
    monkeypatch.setattr(io, "open", open_)
    results = [attempt(source) for path in paths for source in (path, SMALL["JPEG"][:-9], one_bit(7000, 7000))]
    assert sum(isinstance(result, torch.Tensor) for result in results) == len(SMALL)
    assert state() == before and sorted(tmp_path.iterdir()) == paths
    assert [path.read_bytes() for path in paths] == [*SMALL.values(), b"text"]


def test_nothing_stays_changed_when_several_are_read_at_a_time(monkeypatch):
    def open_(file, formats):
        inside.append(file)
        time.sleep(0.001)  # another thread may run
        assert len(inside) == 1, "two threads change the limit at a time, and one restores what the other set"
        return open_before(inside.pop(), formats=formats)

    inside, open_before = [], Image.open
    monkeypatch.setattr(Image, "open", open_)
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(attempt, [SMALL["PNG"], SMALL["PNG"][:99], SMALL["WebP"]] * 40))
    assert sum(isinstance(result, torch.Tensor) for result in read) == 80
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before
