"""Words of texts, as searching compares them: letter case, accents and spelling variants folded.

Cutting and folding happen here and not in a database, so that every engine finds the same. What
comes out has only the characters a-z and 0-9: there is nothing left that an engine's own rules
for words could split, drop or fold.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice

MAX_SEARCH_LETTERS = 200
MAX_SEARCH_WORDS = 10

# How much counts: an index has room for so much (PostgreSQL's for 1 MB of words of up to 2 kB),
# and folding must not hold up other requests.
_LETTERS_OF_A_TEXT = 10_000
_LETTERS_OF_A_WORD = 64
_WORDS = 1_000
_LETTERS_OF_A_NAME = 100
_ASCII_RUNS = re.compile("[a-z0-9]+")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxy0123456789")  # without the z that begins an escape


def search_words(search: str) -> tuple[str, ...]:
    """The words of what a person searches for, each once; none for a text without any.

    Raises:
        ValueError: it is too long; the message is a phrase for the person who wrote it.
    """
    if len(search) > MAX_SEARCH_LETTERS:
        raise ValueError(f"must have at most {MAX_SEARCH_LETTERS} characters, not {len(search)}")
    words = tuple(words_of([search]))
    if len(words) > MAX_SEARCH_WORDS:
        raise ValueError(f"must have at most {MAX_SEARCH_WORDS} words, not {len(words)}")
    return words


def words_of(texts: Iterable[str]) -> dict[str, None]:
    """The words of the texts in the order in which they first occur, each once.

    A word is a run of letters and digits. Where a script puts no space between words, each
    ideograph or kana is one. The first 10,000 characters of each text count, the first 64 letters
    of each word, and the first 1,000 words in all. Spelled in ASCII, a folded word begins another
    exactly if it did so before.
    """
    words: dict[str, None] = {}
    for text in texts:
        words |= dict.fromkeys(
            _words_of_name(text) if len(text) <= _LETTERS_OF_A_NAME else _words_of_text(text)
        )
    return words if len(words) <= _WORDS else dict.fromkeys(islice(words, _WORDS))


def _words_of_text(text: str) -> tuple[str, ...]:
    folded = _folded(text[:_LETTERS_OF_A_TEXT])
    strange = () if folded.isascii() else set(_NOT_ASCII.findall(folded))
    if any(letter.isalnum() or _is_mark(letter) for letter in strange):
        return tuple(
            "".join(_spelled(letter) for letter in word[:_LETTERS_OF_A_WORD])
            for word in _runs(folded)
        )
    # The same for words of ASCII letters alone, several times as fast: most texts are.
    return tuple(
        word[:_LETTERS_OF_A_WORD].replace("z", "zz") for word in _ASCII_RUNS.findall(folded)
    )


# Names of products and customers come again and again.
_words_of_name = lru_cache(maxsize=4_096)(_words_of_text)


def _folded(text: str) -> str:
    """Without case, accents, ligatures and invisible characters."""
    return text.lower() if text.isascii() else text.translate(_FOLDED)


class _Folded:
    """What becomes of each character, whatever stands beside it, for `str.translate`."""

    @staticmethod
    @lru_cache(maxsize=4_096)
    def __getitem__(code: int) -> str:
        # To upper case first: it alone makes one of the dotless and the dotted i, and other pairs.
        return _without_marks(_without_marks(chr(code)).upper().casefold())


_FOLDED = _Folded()


def _without_marks(text: str) -> str:
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(letter) and unicodedata.category(letter) != "Cf"
    )


def _runs(text: str) -> Iterator[str]:
    run = ""
    for letter in text:
        if _stands_alone(letter):
            if run:
                yield run
            run = ""
            yield letter
        elif letter.isalnum() or (run and _is_mark(letter)):
            run += letter  # a vowel sign that stands in a word belongs to it
        elif run:
            yield run
            run = ""
    if run:
        yield run


def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter).startswith("M")


def _stands_alone(letter: str) -> bool:
    return letter > "\u3000" and unicodedata.name(letter, "").startswith(
        ("CJK UNIFIED", "HIRAGANA LETTER", "KATAKANA LETTER")
    )


def _spelled(letter: str) -> str:
    """The letter in ASCII. None's spelling begins another's, so words keep their beginnings."""
    if letter in _PLAIN:
        return letter
    return "zz" if letter == "z" else f"z{ord(letter):05x}"
