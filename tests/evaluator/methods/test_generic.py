from importlib import resources

import pytest

from clay_eval.evaluator.methods.support.generic import generic_texts, with_article


def test_the_names_are_many_and_different():
    texts = generic_texts()
    assert 900 <= len(texts) <= 1500
    assert len(set(texts)) == len(texts)
    assert all(text.startswith("a photo of ") and text == text.lower().strip() for text in texts)
    assert not [text for text in texts if "*" in text or "#" in text or "  " in text]
    assert {"a photo of a cat", "a photo of an owl", "a photo of scissors"} <= set(texts)


def test_the_file_says_where_it_comes_from():
    text = resources.files("clay_eval.prompts").joinpath("generic_names.txt").read_text("utf-8")
    assert text.startswith("# ")
    assert "no data set's class list" in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("apple", "an apple"),
        ("unicycle", "a unicycle"),
        ("ukulele", "a ukulele"),
        ("umbrella", "an umbrella"),
        ("hourglass", "an hourglass"),
        ("house", "a house"),
        ("yo-yo", "a yo-yo"),
        ("scissors *", "scissors"),
    ],
)
def test_articles(name, expected):
    assert with_article(name) == expected
