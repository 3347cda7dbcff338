"""The English order of texts, by which npm sorts lockfiles, queues and peers.

JavaScript's ``localeCompare(…, "en")`` is the Unicode Collation Algorithm with ICU's root order: first punctuation,
then digits, then letters, whatever their case; only texts that are level so far are told apart by accents, and then by
case, lower before upper. Package names and paths are ASCII but for oddities, so the ASCII part of that order is
written out here. Other characters are decomposed; what is no accented letter comes behind the ASCII letters by code
point, which is ICU's order of scripts for most of them, but not for all.

Source: Unicode Technical Standard 10; measured against ICU 78 in Node.js.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

#: Compare these instead of the texts: primary weights, accents, case.
CollationKey: TypeAlias = tuple[str, str, str]

_WHITESPACE = "\t\n\v\f\r\u0085\u2028\u2029"
_ORDER = _WHITESPACE + " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_IGNORED = {code: None for code in (*range(32), *range(0x7F, 0xA0)) if chr(code) not in _WHITESPACE}

_WEIGHTS = {ord(character): chr(weight) for weight, character in enumerate(_ORDER, start=1)}
_PRIMARY = {**_IGNORED, **_WEIGHTS, **{ord(letter.upper()): _WEIGHTS[ord(letter)] for letter in _LETTERS}}


@lru_cache(maxsize=1 << 16)
def english_key(text: str) -> CollationKey:
    """The key by which texts come in English order, as npm's ``localeCompare`` has it; cached."""
    if text.isascii():
        # with the cases swapped, a lower case letter is below its upper case one
        return text.translate(_PRIMARY), "", text.swapcase()
    from unicodedata import combining, normalize

    decomposed = normalize("NFD", text)
    base = "".join(character for character in decomposed if not combining(character))
    accents = "".join(character if combining(character) else " " for character in decomposed)
    return base.lower().translate(_PRIMARY), accents, base.swapcase()


def english_sorted(texts: list[str]) -> list[str]:
    """The texts in English order; texts that are level keep their order."""
    return sorted(texts, key=english_key)
