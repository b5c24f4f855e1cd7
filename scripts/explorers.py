"""An output of a cell as HTML: what is printed, a picture, or sliders over frames, which explorer.js moves."""

import base64
import html
import io
import json

from PIL import Image

from frames import frames_name
from lecture_utils.plots import mime


def output(one, section, folder, live=None):
    """Return one output of a cell as HTML. live: the name of the explorer that computes where it can."""
    if one.output_type == "stream":
        return f'<pre class="printed">{html.escape(one.text)}</pre>'
    if kind := next((kind for kind in one.data if kind.startswith("image/")), None):
        content, alt = base64.b64decode(one.data[kind]), one.data["text/plain"]
        frames = folder / frames_name(content, alt)
        if not frames.exists():
            return f'<figure class="still">{picture(content, alt)}</figure>'
        stored = json.loads(frames.read_text(encoding="utf-8"))
        read = stored.pop("read")
        section.frames[frames.stem] = embedded(json.dumps(stored, ensure_ascii=False))
        if live:
            section.live[live] = read
        return explorer(frames.stem, stored["sliders"], content, alt, live)
    return one.data.get("text/html") or f'<pre class="printed">{html.escape(one.data["text/plain"])}</pre>'


def embedded(text):
    """Return JSON as it may stand in a script element: there "</script" ends it, and "<!--" begins what may never end."""
    return text.replace("<", "\\u003c")


def picture(content, alt):
    """Return a picture, given the bytes of its file, as HTML, as WebP where that is smaller; no pixel changes."""
    image, buffer = Image.open(io.BytesIO(content)), io.BytesIO()
    image.convert("RGB").save(buffer, "WEBP", lossless=True, method=4)
    kind, content = min((mime(content), content), ("image/webp", buffer.getvalue()), key=lambda pair: len(pair[1]))
    source = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    size = f'width="{image.width}" height="{image.height}"'
    ratio = f"--ratio: {image.width / image.height:.3f}"
    return f'<div class="picture" style="{ratio}"><img src="{source}" {size} alt="{html.escape(alt)}"></div>'


def explorer(name, sliders, content, alt, live=None):
    """Return sliders over frames as HTML; explorer.js moves them. live: what computing.js puts in their place."""
    controls = []
    for number, slider in enumerate(sliders):
        texts, start, own = slider["texts"], slider["start"], f"{name}-{number}"
        value = html.escape(texts[start])
        controls.append(
            f'<div class="control"><label for="{own}">{html.escape(slider["label"])}</label>'
            f'<input type="range" id="{own}" min="0" max="{len(texts) - 1}" value="{start}" aria-valuetext="{value}">'
            f'<output for="{own}">{value}</output></div>'
        )
    caption = f'<figcaption aria-live="polite">{html.escape(alt)}</figcaption>'
    inside = f'<div class="sliders">{"".join(controls)}</div>{picture(content, alt)}{caption}'
    computes = f' data-live="{live}"' if live else ""
    return f'<figure class="explorer" id="{name}"{computes}>{inside}</figure>'
