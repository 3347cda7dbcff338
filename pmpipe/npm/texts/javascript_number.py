"""Numbers as JavaScript writes them.

Source: ECMAScript, Number::toString.
"""

from __future__ import annotations

#: From here on JavaScript writes an exponent; below `_SMALLEST_PLAIN`, too.
_PLAIN_BELOW = 1e21
_SMALLEST_PLAIN = 1e-6


def number_text(value: float) -> str:
    """A number of a JSON text as JavaScript writes it back: it knows doubles only, and ``1.0`` as ``1``."""
    try:
        number = float(value)
    except OverflowError:
        return "null"
    if number in (float("inf"), float("-inf")):
        return "null"
    size = abs(number)
    if number.is_integer() and size < _PLAIN_BELOW:
        # the digits that tell it from its neighbours, then zeros
        mantissa, _, exponent = repr(size).partition("e")
        digits = mantissa.removesuffix(".0").replace(".", "")
        places = int(exponent or 0) + 1 if exponent else len(digits)
        return ("-" if number < 0 else "") + digits.ljust(places, "0")
    text = repr(number)
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text
    if _SMALLEST_PLAIN <= size < 1:
        return f"{number:.{len(mantissa.replace('.', '').lstrip('-')) - int(exponent) - 1}f}"
    mantissa = mantissa.removesuffix(".0")
    return f"{mantissa}e{'-' if exponent.startswith('-') else '+'}{exponent.lstrip('+-').lstrip('0')}"
