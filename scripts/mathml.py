"""TeX formulas as MathML, which browsers draw by themselves, with TeX's spacing; and the font to draw them in.

latex2mathml converts; what it leaves out is added here: limits below operators, alphabets as characters of Unicode (browsers
know no other way), and the space around signs, bars, names of functions.
"""

import base64
import html
import importlib.util
import io
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from fontTools import subset, ttLib
from latex2mathml.converter import convert

FONT = Path(importlib.util.find_spec("ziamath").origin).parent / "fonts" / "STIXTwoMath-Regular.ttf"  # SIL Open Font License
FUNCTIONS = {"argmax", "argmin", "cos", "det", "exp", "inf", "lim", "log", "max", "min", "sign", "sin", "sup", "Var"}
LIMITS = {"argmax", "argmin", "inf", "lim", "max", "min", "sup"}  # take their subscript below in a displayed formula
CLOSE = {")", "]", "}", "⟩", "!"}
SPACELESS = {"/", "|", "‖", "∥"}
LETTERS = {"∞", "⊤", "∃", "∀"}  # operators to latex2mathml, letters to TeX
PRIMES = {"′", "″", "‴"}
SMALL = {"mfrac", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable"}


def mathml(tex, display=False):
    """Return a formula as a <math> element. Raises ValueError for a command that is not understood."""
    tex = re.sub(r"\\(mathbb|mathcal)\s*([A-Za-z])(?![A-Za-z])", r"\\\1{\2}", tex.strip())
    root = ElementTree.fromstring(re.sub(r' xmlns="[^"]*"', "", convert(tex, display="block" if display else "inline")))
    if wrong := [one.text for one in root.iter() if "\\" in (one.text or "")]:
        raise ValueError(f"the formula ${tex}$ has a command that cannot be shown: {', '.join(wrong)}")
    _repair(root, display)
    return ElementTree.tostring(root, encoding="unicode")


def lines(tex):
    """Return the parts of a displayed formula between its wide spaces, which a narrow page shows one below the other."""
    if "\\begin" in tex or "\\left" in tex:
        return [tex]
    parts, depth = [""], 0
    for token in re.findall(r"\\qquad(?![A-Za-z])|\\.|.", tex, flags=re.DOTALL):
        depth += (token == "{") - (token == "}")
        if token == "\\qquad" and depth == 0:
            parts.append("")
        else:
            parts[-1] += token
    return [part for part in parts if part.strip()]


def _repair(element, display):
    if element.tag in ("msup", "msubsup"):
        _prime(element)
    for child in list(element):
        _repair(child, display and element.tag not in SMALL)
    _rename(element)
    parts = list(element)
    if element.tag == "mrow" and len(parts) > 1 and all(_upright(part) for part in parts):
        _replace(element, "mi", "".join(part.text for part in parts))  # letters of one word
    elif element.tag == "mrow" and len(parts) == 1 and parts[0].tag == "mo" and parts[0].text == ",":
        _replace(element, "mn", ",")  # as in 10{,}000
    elif element.tag == "msub" and display and parts[0].text in LIMITS:
        element.tag = "munder"
    elif element.tag == "mover" and parts[1].tag == "mo":
        element.set("accent", "true")
    elif element.tag in ("math", "mrow", "msqrt", "mstyle", "mtd"):
        _space(element)


def _prime(one):
    """Set a prime at full size behind what it belongs to: the font's prime is a raised one, and as a superscript tiny."""
    above = one[-1]
    prime = above[0] if above.tag == "mrow" else above
    if prime.text not in PRIMES:
        return
    sign, primed = ElementTree.Element("mo", lspace="0", rspace="0"), ElementTree.Element("mrow")
    sign.text = prime.text
    primed[:] = [one[0], sign]
    one[0] = primed
    if above is prime:
        one.remove(prime)
        one.tag = "mrow" if one.tag == "msup" else "msub"
    else:
        above.remove(prime)


def _rename(one):
    """Make one leaf what TeX means by it."""
    if one.tag == "mi" and one.text in ("⟨", "⟩"):
        one.tag = "mo"
        one.attrib = {"stretchy": "false", "form": "prefix" if one.text == "⟨" else "postfix"}
    elif one.tag == "mi" and one.text == "~":
        one.tag, one.text = "mo", "∼"
    elif one.tag == "mi" and len(one.text) == 1 and one.text in "ΓΔΘΛΞΠΣΦΨΩ":
        one.set("mathvariant", "normal")
    elif one.tag == "mo" and (one.text in LETTERS or one.text in FUNCTIONS):
        one.tag, one.attrib = "mi", {}
    elif one.tag == "mo" and one.text in SPACELESS:
        one.attrib |= {"lspace": "0", "rspace": "0", "stretchy": "true" if "minsize" in one.attrib else "false"}


def _space(row):
    """Give signs their form, and the names of functions a thin space towards their neighbours."""
    for end, side in ((row[:1], "lspace"), (row[-1:], "rspace")):
        if end and end[0].tag == "mo" and end[0].text not in CLOSE:
            end[0].set(side, "0")
    done = []
    for one in list(row):
        before = next((part for part in reversed(done) if part.tag != "mspace"), None)
        touching = bool(done) and done[-1].tag != "mspace"
        leads = before is None or (before.tag == "mo" and before.text not in CLOSE | SPACELESS)
        if one.tag == "mo" and one.text in ("−", "+", "±") and leads:
            one.set("form", "prefix")
        thin_before = _base(one) in FUNCTIONS and touching and not leads
        thin_after = touching and before is not None and _base(before) in FUNCTIONS and one.tag not in ("mspace", "mo")
        if thin_before or thin_after:
            done.append(ElementTree.Element("mspace", width="0.167em"))
        done.append(one)
    row[:] = done


def _base(one):
    """Return the text of an element, or of what its subscript belongs to."""
    return _base(one[0]) if one.tag in ("msub", "msup", "munder", "msubsup") else one.text


def _upright(one):
    return one.tag == "mi" and one.get("mathvariant") == "normal" and (one.text or "").isascii()


def _replace(element, tag, text):
    element[:] = []
    element.tag, element.text, element.attrib = tag, text, {}


def font(page):
    """Return as base64 the part of the font that the formulas of a page of HTML need: WOFF, with its rules for formulas."""
    text = "".join(re.findall(r"<math.*?</math>", page, flags=re.DOTALL))
    used = {ord(letter) for letter in html.unescape(re.sub("<[^>]*>", "", text))}
    italic = {*range(0x1D434, 0x1D468), 0x210E, *range(0x1D6E2, 0x1D71C)}  # what browsers show for a letter
    whole = ttLib.TTFont(FONT, lazy=True, recalcTimestamp=False)
    _narrow_roots(whole)
    cutter = subset.Subsetter(subset.Options(layout_features=["*"], notdef_outline=True))
    cutter.populate(unicodes=used | italic | {0x221A})  # and the root, which no text contains
    cutter.subset(whole)
    whole.flavor = "woff"
    buffer = io.BytesIO()
    whole.save(buffer)
    return base64.b64encode(buffer.getvalue()).decode()


def _narrow_roots(whole):
    """Make the tall root signs as wide as the small one: Chromium leaves room for the widest behind every root."""
    variants, glyphs, metrics = whole["MATH"].table.MathVariants, whole["glyf"], whole["hmtx"]
    small = whole.getBestCmap()[0x221A]
    root = variants.VertGlyphConstruction[variants.VertGlyphCoverage.glyphs.index(small)]
    tall = {one.VariantGlyph for one in root.MathGlyphVariantRecord} | {one.glyph for one in root.GlyphAssembly.PartRecords}
    width = metrics[small][0]
    for name in tall - {small}:
        glyph, (own, _) = glyphs[name], metrics[name]
        glyph.coordinates.scale((width / own, 1))
        glyph.coordinates.toInt()
        glyph.recalcBounds(glyphs)
        metrics[name] = (width, glyph.xMin)
