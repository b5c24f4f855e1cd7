"""A picture of the reader's own: what the pad and the upload button give to an explorer, and what they refuse."""

import asyncio
import io
import subprocess
import sys

import pytest
import torch
from PIL import Image

import frames
from lecture_utils import data, networks, own, plots
from lecture_utils.explore import explore, slider

CAT = data.centre(data.photo("cat"), 32)


def choose(upload, content, name="mine.png"):
    """Do what the browser does with one chosen file."""
    file = {"name": name, "type": "image/png", "size": len(content), "content": memoryview(content), "last_modified": 0}
    upload.file.set_state({"value": [file]})


def png(colour, size=(40, 30)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def middle_of_mass(image):
    mass = image[0, 0].double()
    places = torch.arange(28, dtype=torch.float64)
    return (mass.sum(1) @ places / mass.sum()).item(), (mass.sum(0) @ places / mass.sum()).item()


# ---- strokes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("shift", [(0, 0), (30, -20)])
def test_a_digit_is_scaled_and_centred_as_in_mnist(scale, shift):
    strokes = [[(scale * x + shift[0], scale * y + shift[1]) for x, y in stroke] for stroke in own.SEVEN]
    image = own.digit(strokes)
    assert image.shape == (1, 1, 28, 28) and image.dtype == torch.float32 and 0 <= image.min() and 0.9 < image.max() <= 1
    rows, columns = (image[0, 0].sum(axis).nonzero() for axis in (1, 0))
    assert 20 == max(int(rows.max() - rows.min()), int(columns.max() - columns.min())) + 1
    assert middle_of_mass(image) == pytest.approx((13.5, 13.5), abs=0.51)


def test_the_place_on_the_pad_does_not_matter():
    moved = [[(x + 17, y - 23) for x, y in stroke] for stroke in own.SEVEN]
    assert torch.equal(own.digit(own.SEVEN), own.digit(moved))


def test_a_stroke_is_as_wide_as_the_pen_from_end_to_end():
    image = own.digit([[(140, 60), (140, 140), (140, 220)]])[0, 0]
    height = 220 - 60 + own.PEN  # with its round ends, which is 20 pixels of the image
    widths = image.sum(1)[image.sum(1) > 0] * height / 20
    assert len(widths) == 20 and (widths - own.PEN).abs().max() < 6  # the image's pixels are 9 of the pad's


@pytest.mark.parametrize("strokes", [[], [[]]])
def test_no_strokes_are_a_black_image(strokes):
    assert torch.equal(own.digit(strokes), torch.zeros(1, 1, 28, 28))


@pytest.mark.parametrize("stroke", [[(140, 140)], [(0, 0), (280, 0)], [(5, 5), (5, 275)], [(-50, 100), (400, 100)]])
def test_a_dot_a_line_and_a_stroke_over_the_edge_are_images(stroke):
    image = own.digit([stroke])
    assert image.shape == (1, 1, 28, 28) and 0 <= image.min() and 0.9 < image.max() <= 1


@pytest.mark.parametrize("name", ["mnist-standard", "mnist-robust"])
def test_the_networks_read_the_seven_that_stands_on_the_pad(name):
    assert networks.load(name)(own.digit(own.SEVEN)).argmax(1).item() == 7


# ---- the pad -----------------------------------------------------------------------------------------


@pytest.fixture
def pad():
    made = own.Pad()
    made.seen = []
    made.changed = lambda: made.seen.append(made.value)
    return made


def test_the_first_own_stroke_takes_the_place_of_what_stands_there(pad):
    assert torch.equal(pad.value, own.digit(own.SEVEN)) and torch.equal(pad.default, pad.value)
    pad.press(50, 50)
    pad.drag(50, 200)
    pad.lift()
    pad.press(150, 50)
    pad.drag(150, 200)
    assert torch.equal(pad.value, own.digit([[(50, 50), (50, 200)], [(150, 50), (150, 200)]]))
    assert torch.equal(pad.seen[-1], pad.value) and torch.equal(pad.default, own.digit(own.SEVEN))


def test_a_click_leaves_a_dot(pad):
    pad.press(100, 100)
    pad.lift()
    assert torch.equal(pad.value, own.digit([[(100, 100)]])) and pad.value.max() > 0


def test_a_pointer_that_is_not_down_draws_nothing(pad):
    pad.drag(10, 10)
    pad.press(50, 50)
    pad.lift()
    before = pad.value
    pad.drag(200, 200)
    assert torch.equal(pad.value, before)


def test_what_the_browser_sends_draws_and_clears(pad):
    def sent(event, **content):
        pad.canvas._handle_frontend_event(pad.canvas, {"event": event} | content, [])

    sent("mouse_down", x=50, y=50)
    sent("mouse_move", x=60, y=200)
    sent("mouse_up", x=60, y=200)
    sent("touch_start", touches=[{"x": 150, "y": 50}])
    sent("touch_move", touches=[{"x": 160, "y": 200}])
    sent("touch_end", touches=[])
    sent("mouse_move", x=250, y=250)
    assert torch.equal(pad.value, own.digit([[(50, 50), (60, 200)], [(150, 50), (160, 200)]]))
    held = {"shift_key": False, "ctrl_key": False, "meta_key": False}
    sent("key_down", key="a", **held)
    assert pad.value.max() > 0
    sent("key_down", key="Escape", **held)
    assert pad.value.max() == 0
    sent("mouse_down", x=50, y=50)
    pad.button.click()
    assert pad.value.max() == 0 and pad.seen[-1].max() == 0


def test_many_strokes_at_once_cost_one_picture_and_it_is_the_last_one(pad):
    async def draw():
        pad.press(20, 20)
        for step in range(200):
            pad.drag(20 + step, 20)
        assert not pad.seen
        await asyncio.sleep(5 * own.PAUSE)

    asyncio.run(draw())
    assert len(pad.seen) == 1 and torch.equal(pad.seen[0], own.digit(pad.strokes))
    assert pad.strokes[0][-1] == (219, 20)


# ---- the upload button -------------------------------------------------------------------------------


@pytest.fixture
def upload():
    made = own.Upload(CAT, 32)
    made.seen = []
    made.changed = lambda: made.seen.append(made.value)
    return made


def test_a_chosen_file_is_the_new_picture_until_ours_is_wanted_back(upload):
    choose(upload, png((255, 0, 0)))
    assert upload.value.shape == (1, 3, 32, 32)
    assert torch.equal(upload.value.mean((2, 3)), torch.tensor([[1.0, 0.0, 0.0]]))
    assert "mine.png" in upload.said.value and len(upload.seen) == 1
    upload.back.click()
    assert torch.equal(upload.value, CAT) and upload.said.value == "" and len(upload.seen) == 2


@pytest.mark.parametrize("content", [b"", b"no picture", png((0, 0, 255))[:-30]])
def test_a_file_that_is_no_picture_is_refused_in_words_and_the_last_picture_stays(upload, content):
    choose(upload, png((255, 0, 0)))
    before = upload.value
    choose(upload, content, "<b>odd</b>.png")
    assert 'role="alert"' in upload.said.value and "&lt;b&gt;odd&lt;/b&gt;.png: " in upload.said.value
    assert torch.equal(upload.value, before) and len(upload.seen) == 1
    choose(upload, png((0, 255, 0)))
    assert "alert" not in upload.said.value and upload.value[0, 1].min() == 1


# ---- in an explorer ----------------------------------------------------------------------------------


def test_an_explorer_draws_the_readers_picture_and_stores_ours():
    upload, panel = own.Upload(CAT, 32), plots.Images(1)
    explorer = explore(
        lambda picture, epsilon: panel.update([picture], [""], f"mean {picture.mean():.3f}, ε = {epsilon}"),
        picture=upload, epsilon=slider([0.1, 0.2], 0.1),
    )  # fmt: skip
    ours = f"mean {CAT.mean():.3f}, ε = "
    assert ours + "0.1" in explorer._picture.value
    choose(upload, png("white"))
    assert "mean 1.000, ε = 0.1" in explorer._picture.value
    explorer.move(epsilon=0.2)
    assert "mean 1.000, ε = 0.2" in explorer._picture.value
    assert explorer.frame()[1] == ours + "0.1" and frames.exported(explorer)["alts"] == [ours + "0.1", ours + "0.2"]
    assert len(frames.exported(explorer)["sliders"]) == 1


def test_a_word_of_a_list_is_taken_when_it_is_whole_and_one_that_is_not_there_changes_nothing():
    goal, panel, drawn = own.Choice(["espresso", "ostrich", "panda"], "ostrich", "towards"), plots.Images(1), []

    def draw(goal, epsilon):
        drawn.append(goal)
        return panel.update([CAT], [""], f"towards {goal}, ε = {epsilon}")

    explorer = explore(draw, goal=goal, epsilon=slider([0.1, 0.2], 0.1))
    for typed in ("pan", "", "panda", "panda"):
        goal.widget.value = typed
    assert drawn == ["ostrich", "panda"] and "towards panda, ε = 0.1" in explorer._picture.value
    assert explorer.frame()[1] == "towards ostrich, ε = 0.1"


def test_a_control_that_is_neither_slider_nor_input_is_refused():
    with pytest.raises(TypeError, match=r"epsilon must be made by slider\(values, default\), got list"):
        explore(lambda epsilon: None, epsilon=[0.1, 0.2])


# ---- other front ends ---------------------------------------------------------------------------------


def test_without_ipycanvas_the_pad_says_so_and_its_digit_stands_in(monkeypatch):
    monkeypatch.setattr(own, "Canvas", None)
    seen = []
    panel = plots.Images(columns=1, rows=1)
    made = explore(lambda digit: seen.append(digit) or panel.update([digit], ["a digit"], "a digit"), digit=own.Pad())
    assert torch.equal(seen[0], own.digit(own.SEVEN)) and "ipycanvas" in made.inputs["digit"].widget.value


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["ipycanvas", "colab"])
def test_it_is_imported_without_ipycanvas_and_asks_colab_to_show_widgets(setting):
    prepare = {
        "ipycanvas": "sys.modules['ipycanvas'] = None; asked = lambda: own.Canvas is None",
        "colab": "colab = sys.modules['google.colab'] = unittest.mock.Mock(); "
        "asked = lambda: colab.output.enable_custom_widget_manager.called",
    }[setting]
    code = f"import sys, unittest.mock; {prepare}; from lecture_utils import own; assert asked()"
    subprocess.run([sys.executable, "-c", code], check=True)
