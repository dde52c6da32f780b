"""Times of the day and dates: `4:30 p.m.`, 15:00, `May 5, 2020`, 5月3日."""

from __future__ import annotations

import calendar
import re

from k15.graders.math.algebra.values import number
from k15.graders.math.read.kinds import Quantity, Ratio, Words
from k15.graders.math.read.tokens import TEXT

TEXTS = re.compile(TEXT + r"\{([^{}]*)\}")
CLOCK = re.compile(
    r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?(?: ?([ap])\.? ?m\.?)?|(\d{1,2}) ?([ap])\.? ?m\.?", re.I
)
MONTHS = {
    name.lower(): place
    for names in (calendar.month_name, calendar.month_abbr)
    for place, name in enumerate(names)
    if name
}
MONTH = rf"({'|'.join(sorted(MONTHS, key=len, reverse=True))})\.?"
DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
DATES = [
    re.compile(pattern, re.I)
    for pattern in (
        rf"(?P<m>{MONTH}) ?(?:the )?(?P<d>{DAY})(?:,? ?(?P<y>\d{{4}}))?",
        rf"(?:the )?(?P<d>{DAY}) (?:of )?(?P<m>{MONTH})(?:,? ?(?P<y>\d{{4}}))?",
        r"(?:(?P<y>\d{4})年)?(?P<m>\d{1,2})月(?P<d>\d{1,2})[日号]",
        r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)",
    )
]


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", TEXTS.sub(r" \1 ", text)).strip()


def clock_of(text: str) -> Ratio | None:
    found = CLOCK.fullmatch(plain(text))
    if not found:
        return None
    hour, minute, second = int(found[1] or found[5]), int(found[2] or 0), int(found[3] or 0)
    half = (found[4] or found[6] or ("a" if hour == 0 else "p" if 12 < hour < 24 else "")).lower()
    parts = [hour, minute, second] if found[3] else [hour, minute]
    seconds = hour % 12 * 3600 + minute * 60 + second
    return Ratio(tuple(Quantity(number(part)) for part in parts), (seconds, half))


def date_of(text: str) -> Words | None:
    """A day as year-month-day, the year left out where there is none."""
    words = plain(text)
    found = next((match for date in DATES if (match := date.fullmatch(words))), None)
    if not found:
        return None
    month = MONTHS.get(found["m"].lower().rstrip(".")) or int(found["m"])
    day = int(re.sub(r"\D", "", found["d"]))
    return Words(f"{found['y'] or ''}-{month}-{day}")
