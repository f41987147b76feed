"""What sheets say: complete, alike in all languages, and drawn in letters that the font has."""

import string
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.ft2font import FT2Font

from bluepeace_gis.errors import BadInput
from bluepeace_gis.maps import texts
from bluepeace_gis.maps.texts import NOTHING, figure, percent, span, texts_in

TEXTS = texts.table()["texts"]
LANGUAGES = ("en", "ru", "kk", "ky", "tg", "tk", "uz")
FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"
# The letters that a language has beyond those of English and Russian.
LETTERS = {
    "en": string.ascii_letters,
    "ru": "абвгдеёжзийклмнопрстуфхцчшщъыьэюяАБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ№",
    "kk": "әғқңөұүһіӘҒҚҢӨҰҮҺІ",
    "ky": "ңөүҢӨҮ",
    "tg": "ғӣқӯҳҷҒӢҚӮҲҶ",
    "tk": "äçňöşüýžÄÇŇÖŞÜÝŽ",
    "uz": "OoGg\N{MODIFIER LETTER TURNED COMMA}\N{MODIFIER LETTER APOSTROPHE}",
}
SIGNS = "°²±…→«»<>*/%:;№\N{PRIME}\N{MINUS SIGN}\N{EN DASH}\N{NARROW NO-BREAK SPACE}\N{NO-BREAK SPACE}"


@pytest.mark.parametrize("key", TEXTS)
def test_every_text_is_there_in_every_language_and_takes_the_same_values(key):
    assert set(TEXTS[key]) == set(LANGUAGES)

    def values(text):
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    for code, text in TEXTS[key].items():
        assert text.strip(), code
        assert values(text) == values(TEXTS[key]["en"]), code


@pytest.mark.parametrize(
    "key", [key for key in TEXTS if len(TEXTS[key]["en"]) > 25 and key not in ("not_reviewed", "scale")]
)
def test_no_language_borrows_the_text_of_another(key):
    # what is left in English or Russian by oversight would be taken for a translation
    assert len(set(TEXTS[key].values())) == len(LANGUAGES)


@pytest.mark.parametrize("name", ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique"])
def test_the_font_has_every_letter_of_the_seven_languages(name):
    letters = FT2Font(str(FONTS / f"{name}.ttf")).get_charmap()
    needed = set(SIGNS).union(*LETTERS.values(), *(text for each in TEXTS.values() for text in each.values()))

    assert {letter for letter in needed if ord(letter) not in letters} <= {"\n"}


def test_only_english_and_russian_count_as_reviewed():
    told = {code: texts.unreviewed(code) for code in LANGUAGES}

    assert [code for code, text in told.items() if not text] == ["en", "ru"]
    assert all("not reviewed" in told[code] for code in LANGUAGES[2:])


def test_languages_are_said_in_the_order_asked_for_and_equal_texts_once():
    both = texts_in("ru, en")

    assert both.line("legend") == "Условные обозначения / Legend"
    assert texts_in("kk,ru").line("km") == "км"


@pytest.mark.parametrize("asked", ["", "de", "en,ru,kk", ","])
def test_other_languages_are_refused_with_a_list(asked):
    with pytest.raises(BadInput, match="en, ru, kk, ky, tg, tk, uz"):
        texts_in(asked)


@pytest.mark.parametrize(
    ("value", "digits", "sign", "text"),
    [
        (1234567.89, 1, False, "1 234 567.9"),
        (-0.004, 2, True, "0.00"),
        (-12.345, 2, True, "\N{MINUS SIGN}12.35"),
        (12.0, 0, True, "+12"),
        (float("nan"), 1, False, NOTHING),
        (float("inf"), 1, False, NOTHING),
    ],
)
def test_numbers_are_written_alike_everywhere(value, digits, sign, text):
    assert figure(value, digits, sign=sign).replace("\N{NARROW NO-BREAK SPACE}", " ") == text


def test_a_little_is_not_nothing_and_nearly_all_is_not_all():
    assert [percent(value) for value in (0, 0.01, 0.05, 50, 99.96, 100)] == [
        "0.0", "<0.1", "0.1", "50.0", ">99.9", "100.0",
    ]  # fmt: skip
    assert span(1, float("nan")) == NOTHING
