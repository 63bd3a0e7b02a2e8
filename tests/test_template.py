import pytest

from batch.errors import BadBody, BadConfig
from batch.template import Text

ROW = {"text": "好的", "n": 1.5, "nothing": None, "list": [1, None], "yes": True, "d": {"e": "E"}}

FILLED = [
    ("a field", "Say {{ text }}.", "Say 好的."),
    ("the last line break is the editor's", "{{ text }}\n", "好的"),
    ("a line of a statement leaves none", "{% if yes %}\nyes\n{% endif %}\nend\n", "yes\nend"),
    ("a number", "{{ n }}", "1.5"),
    ("JSON for what is no text", "{{ list }} {{ yes }} {{ d }}", '[1,null] true {"e":"E"}'),
    ("a part of a field", "{{ d.e }}", "E"),
    ("a name that is no word", "{{ row['d']['e'] }}", "E"),
    ("a default for null", "{{ nothing or 'unknown' }}", "unknown"),
    ("a default for a field that is missing", "{{ absent | default('none') }}", "none"),
    ("markup stays as it is", "{{ '<b>' }} {{ '<b>' | tojson }}", '<b> "<b>"'),
]

FAULTY = [
    ("a field that is missing", "{{ txt }}", 'uses "txt", which is not there. Was "text" meant?'),
    ("the fields that there are", "{{ q }}", 'There are "text", "n", "nothing"'),
    ("in a condition", "{% if q %}{% endif %}", 'uses "q"'),
    ("in a loop", "{% for x in q %}{% endfor %}", 'uses "q"'),
    ("in a filter", "{{ q | upper }}", 'uses "q"'),
    ("in a comparison", "{{ q == 1 }}", 'uses "q"'),
    ("joined to a text", "{{ 'a' ~ q }}", 'uses "q"'),
    ("a part that is missing", "{{ d.x }}", 'uses "x", which is not there. There is "e"'),
    ("a part of a text", "{{ text.x }}", 'uses "x" of something that has no such part'),
    ("a null", "{{ nothing }}", 'a field that is null: "nothing"'),
    ("what cannot be reckoned", "{{ 1 / 0 }}", "division by zero"),
    ("another file", "{% include 'a.txt' %}", "no other file"),
    ("a way out of the sandbox", "{{ text.__class__.__mro__ }}", "no such part"),
]


@pytest.mark.parametrize(
    ("text", "written"), [row[1:] for row in FILLED], ids=[row[0] for row in FILLED]
)
def test_a_template_is_filled_with_a_row(text, written):
    assert Text("p.txt", text).render(ROW) == written


@pytest.mark.parametrize(
    ("text", "why"), [row[1:] for row in FAULTY], ids=[row[0] for row in FAULTY]
)
def test_what_a_row_cannot_fill_is_named_with_the_template(text, why):
    with pytest.raises(BadBody) as fault:
        Text("p.txt", text).render(ROW)

    assert str(fault.value).startswith("p.txt")
    assert why in str(fault.value)
    assert fault.value.code == "template_error"


@pytest.mark.parametrize("text", ["{{ text", "{% if %}", "{{ text | random }}", "{% endfor %}"])
def test_what_is_no_template_is_refused_with_its_line(text):
    with pytest.raises(BadConfig, match=r"^p\.txt:2: .*[^.]\.$"):
        Text("p.txt", f"First.\n{text}")


def test_no_template_asks_chance():
    with pytest.raises(BadBody, match="lipsum"):
        Text("p.txt", "{{ lipsum() }}").render(ROW)


def test_a_field_outranks_what_templates_know_by_themselves():
    assert Text("p.txt", "{{ range }} {{ row }}").render({"range": "a", "row": "b"}) == "a b"


def test_a_digest_tells_texts_apart():
    one, same, other = (Text("p.txt", text) for text in ("a", "a", "b"))

    assert one.digest == same.digest != other.digest
