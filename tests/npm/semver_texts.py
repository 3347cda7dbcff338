"""Makes versions and ranges for tests: sensible, odd but read by npm, and garbage; always the same for a seed."""

from __future__ import annotations

from random import Random

_SMALL = ["0", "0", "1", "1", "2", "3", "10"]
_ODD_NUMBERS = [
    "00", "01", "9007199254740990", "9007199254740991", "9007199254740992", "9007199254740993",
    "99999999999999999999", "999999999999999999999", "99999999999999999999999", "1" * 256, "1" * 257,
]  # fmt: skip
_IDENTIFIERS = [
    "0", "1", "2", "11", "alpha", "beta", "rc", "x", "a-b", "-", "--1", "0a", "X", "beta1", "01",
    "9007199254740990", "9007199254740991", "9007199254740992", "9007199254740993", "20230101123456789",
    "20230101123456790", "99999999999999999999999",
]  # fmt: skip
_SPACES = [" ", " ", " ", " ", "  ", "\t", "\n", "\u00a0", "\ufeff", "\x1c", "\x85", "\u2003"]
_OPERATORS = ["", "", "", "^", "^", "^", "~", "~", "~>", ">", ">=", "<", "<=", "="]
_ODD_OPERATORS = ["==", "=>", "=<", "><", "^^", "~~", "^~", "~=", "^=", "!", "!=", "~>=", "v", "=v", "@", "||", "-"]
_GARBAGE = [
    "latest", "", "*", "x", "X", "**", "-", "--", "a", "npm:x@1", "1..2", ".", "1.", "1.2.3.4", "x.1", "1.x.3", "*.1.2",
    "1.2.3*", ">*1.2.3", "*>=0.0.0", "+", "+a", "+a.b", "1.2.3+", "1.2.3++a", "1.2.3-", "1.2.3-.a", "\u0661.0.0", "é",
    ">=0.0.0-0", ">=0.0.0", "<0.0.0-0", "<0.0.0", "<0.0.0-beta", "1.2.3-" + "a" * 250, "1.2.3-" + "a" * 251,
    "|", "v", "=", "> ", "constructor", "1e3.0.0", "0x1.0.0", "<=1 ", "1.2.3-x.*",
    "\0", "NaN", "Infinity", "-1.0.0",
]  # fmt: skip


class Texts:
    """A source of texts; everything it makes is decided by the seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def rarely(self, chance: float = 0.03) -> bool:
        return self.random.random() < chance

    def number(self) -> str:
        return self.random.choice(_ODD_NUMBERS if self.rarely(0.01) else _SMALL)

    def x_number(self) -> str:
        return self.random.choice("xX*") if self.rarely(0.12) else self.number()

    def identifiers(self) -> str:
        return ".".join(self.random.choice(_IDENTIFIERS) for _ in range(self.random.randint(1, 3)))

    def suffix(self, chance: float) -> str:
        text = ""
        if self.rarely(chance):
            text += ("" if self.rarely(0.1) else "-") + self.identifiers()
        if self.rarely(0.06):
            text += "+" + self.identifiers()
        return text

    def spoiled(self, text: str) -> str:
        """The text with one character doubled, dropped or added."""
        at = self.random.randint(0, len(text))
        return self.random.choice(
            [
                text[:at] + text[at + 1 :],
                text[:at] + text[at : at + 1] + text[at:],
                text[:at] + self.any_character() + text[at:],
            ]
        )

    def any_character(self) -> str:
        return self.random.choice(["-", ".", "+", "x", "v", "=", "<", ">", "^", "~", "|", "*", "0", "9", "a", *_SPACES])

    def version(self) -> str:
        if self.rarely(0.02):
            return self.random.choice(_GARBAGE)
        text = ".".join(self.number() for _ in range(3)) + self.suffix(0.45)
        if self.rarely(0.05):
            text = self.random.choice(["v", "=", "=v", " ", "v ", "== "]) + text
        if self.rarely():
            text += self.random.choice(_SPACES)
        return self.spoiled(text) if self.rarely() else text

    def partial(self) -> str:
        """A version of which parts may be missing or placeholders."""
        parts = [self.x_number() for _ in range(self.random.choice([1, 2, 2, 3, 3, 3, 3]))]
        text = ".".join(parts) + (self.suffix(0.35) if len(parts) == 3 else "")
        return self.random.choice(["v", "=", "=v", "v ", "= "]) + text if self.rarely() else text

    def token(self) -> str:
        if self.rarely():
            return self.random.choice(_GARBAGE)
        operator = self.random.choice(_ODD_OPERATORS if self.rarely() else _OPERATORS)
        space = self.space() if self.rarely(0.1) else ""
        return operator + space + self.partial()

    def space(self) -> str:
        return "".join(self.random.choice(_SPACES) for _ in range(self.random.choice([1, 1, 1, 2])))

    def comparator_set(self) -> str:
        if self.rarely(0.12):
            return f"{self.partial()}{self.space()}-{self.space()}{self.partial()}"
        return self.space().join(self.token() for _ in range(self.random.choice([1, 1, 1, 2, 2, 3])))

    def requested_range(self) -> str:
        sets = [self.comparator_set() for _ in range(self.random.choice([1, 1, 1, 2, 3]))]
        text = self.random.choice(["||", " || ", " ||", "|| "]).join(sets)
        if self.rarely(0.05):
            text = self.space() + text + self.space()
        return self.spoiled(text) if self.rarely(0.08) else text
