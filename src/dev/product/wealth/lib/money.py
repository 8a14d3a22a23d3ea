"""Amounts are whole rupees; rates are fractions of three decimals."""


def rate(fraction):
    """A fraction as it is shown: three decimals, and never a negative zero."""
    return round(fraction, 3) + 0.0


def rupees(amount):
    """An amount as people write it: 1545000 becomes 15,45,000."""
    sign, digits = ("-", str(-amount)) if amount < 0 else ("", str(amount))
    head, tail = digits[:-3], digits[-3:]
    groups = [head[max(0, end - 2):end] for end in range(len(head), 0, -2)]
    return sign + ",".join(groups[::-1] + [tail])
