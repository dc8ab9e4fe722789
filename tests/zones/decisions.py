#!/usr/bin/env python3
"""Every decision in every zone of the database, around every change of its clock from
2020 to 2037, and what names are known: the engine's answers (decisions.c) against an
independent reading of the same data by Python's zoneinfo. Last line: N passed, N failed.

The reading here is the rules' text, not the engine's code: a window is closed from the
first instant that shows its start to the last one that shows its end; what the clock
never shows is the first instant after the gap (Q4)."""
import datetime as dt
import os
import subprocess
import sys
import zoneinfo

WINDOWS = ["22:00-06:00", "02:00-03:00", "01:30-02:30", "00:00-24:00", "02:30-02:00",
           "23:30-00:30", "01:00-02:00", "03:00-01:00", "00:00-00:15", "02:15-02:45"]
FOLDER = "/usr/share/zoneinfo"
UTC = dt.timezone.utc
EPOCH = dt.datetime(1970, 1, 1)
DAY = 86400


def moment(s):
    return dt.datetime.fromtimestamp(s, UTC)


class Zone:
    def __init__(self, name):
        self.tz = zoneinfo.ZoneInfo(name)
        self.walls, self.days, self.stretches = {}, {}, {}

    def offset(self, s):
        return int(moment(s).astimezone(self.tz).utcoffset().total_seconds())

    def change_in(self, low, high):
        """The first second of (low, high] with another offset than low's."""
        before = self.offset(low)
        while high - low > 1:
            middle = (low + high) // 2
            if self.offset(middle) == before:
                low = middle
            else:
                high = middle
        return high

    def changes(self, first_year, last_year):
        s = int(dt.datetime(first_year, 1, 1, tzinfo=UTC).timestamp())
        end = int(dt.datetime(last_year + 1, 1, 1, tzinfo=UTC).timestamp())
        before = self.offset(s)
        while s < end:
            if self.offset(s + 2 * DAY) != before:
                s = self.change_in(s, s + 2 * DAY)
                before = self.offset(s)
                yield s
            else:
                s += 2 * DAY

    def shown(self, wall):
        """All instants that show the wall time, and the end of its gap if none does."""
        local = EPOCH + dt.timedelta(seconds=wall)
        guesses = [wall - int(self.tz.utcoffset(local.replace(fold=fold)).total_seconds())
                   for fold in (0, 1)]
        true = sorted({s for s in guesses if s + self.offset(s) == wall})
        return true or [self.change_in(min(guesses) - 1, max(guesses))]

    def first(self, wall):
        if wall not in self.walls:
            self.walls[wall] = self.shown(wall)
        return self.walls[wall][0]

    def last(self, wall):
        self.first(wall)
        return self.walls[wall][-1]

    def closed(self, window, s):
        """The closed stretches of a window in the days around an instant."""
        start, end = window
        if s not in self.days:
            self.days[s] = (s + self.offset(s)) // DAY
        today = self.days[s]
        if (window, today) not in self.stretches:
            pairs = [(self.first(day * DAY + start),
                      self.last((day + (end <= start)) * DAY + end))
                     for day in range(today - 2, today + 4)]
            self.stretches[window, today] = [(low, high) for low, high in pairs if low < high]
        return self.stretches[window, today]

    def closed_until(self, window, s):
        return max((high for low, high in self.closed(window, s) if low <= s < high), default=s)

    def next_close(self, window, s):
        return min((max(low, s) for low, high in self.closed(window, s) if high > s), default=None)


def seconds(text):
    return int(text[:2]) * 3600 + int(text[3:]) * 60


def parsed(window):
    return seconds(window[:5]), seconds(window[6:])


def next_open(zones, window, s, limit):
    """The first end of a window, or s itself, that is outside the window in all zones."""
    while s < limit:
        later = max(zone.closed_until(window, s) for zone in zones)
        if later == s:
            return s
        s = later
    return None


def names_of_tzdata():
    names = set()
    with open(FOLDER + "/tzdata.zi") as file:
        for line in file:
            word = line.split()
            if word and word[0] == "Z":
                names.add(word[1])
            elif word and word[0] == "L":
                names.add(word[2])
    return names


def other_names(known):
    """Everything else that a library finds in the folder, and what it would parse."""
    for folder, _, files in os.walk(FOLDER):
        for file in files:
            name = os.path.relpath(os.path.join(folder, file), FOLDER)
            if name not in known:
                yield name
    yield from ("posix/Europe/Paris", "right/UTC", "localtime", "posixrules", "+02:00", "-05",
                "UTC+3", "UTC0", "CET-1CEST", "EST5EDT4", "europe/paris", "Europe/paris",
                "EUROPE/PARIS", "Europe/Paris/", "/Europe/Paris", "./Europe/Paris", "Z",
                "/usr/share/zoneinfo/Europe/Paris", ":Europe/Paris", "../zoneinfo/UTC", "Paris")


def expected(zones, ms):
    s = ms // 1000
    parts = [str(zones[0].offset(s))]
    for window in map(parsed, WINDOWS):
        # windows begin and end on whole seconds: what is so at s is so at ms
        opens = next_open(zones, window, s, s + 4 * DAY)
        closes = min(filter(lambda c: c is not None,
                            (zone.next_close(window, s) for zone in zones)), default=None)
        parts.append("-" if opens is None else str(ms if opens == s else opens * 1000))
        parts.append("-" if closes is None else str(ms if closes == s else closes * 1000))
    return " ".join(parts)


def questions(known):
    """Zones that share a file are asked all, and read here once."""
    by_file = {}
    for name in sorted(known):
        with open(os.path.join(FOLDER, name), "rb") as file:
            by_file.setdefault(file.read(), []).append(name)
    for names in by_file.values():
        zone = Zone(names[0])
        instants = {int(dt.datetime(year, month, 15, 3, tzinfo=UTC).timestamp()) * 1000
                    for year in (2020, 2026, 2037) for month in (1, 4, 7, 10)}
        for change in zone.changes(2020, 2037):
            instants.update((change + step * 900) * 1000 for step in range(-8, 9))
            instants.add(change * 1000 - 1)
        for ms in sorted(instants):
            answer = expected([zone], ms)
            for name in names:
                yield name, ms, answer
    countries = {}
    with open(FOLDER + "/zone.tab") as file:
        for line in file:
            if not line.startswith("#"):
                fields = line.rstrip("\n").split("\t")
                countries.setdefault(fields[0], []).append(fields[2])
    paris = Zone("Europe/Paris")
    for joined in ("ES", "PT", "AU+CC+CX", "KZ+RU", "RE+YT", "CA+US", "NZ+PN", "AX+FI"):
        zones = [Zone(name) for country in joined.split("+") for name in countries[country]]
        for change in [*paris.changes(2026, 2027), *zones[0].changes(2026, 2027)]:
            for step in range(-8, 9, 2):
                ms = (change + step * 900) * 1000
                yield "=" + joined, ms, expected(zones, ms)


def main():
    known = names_of_tzdata()
    asked = list(questions(known))
    asked += [(name, 0, "unknown") for name in other_names(known) if " " not in name]
    out = subprocess.run([sys.argv[1], *WINDOWS], text=True, capture_output=True, check=True,
                         input="".join(f"{name} {ms}\n" for name, ms, _ in asked)).stdout
    answers = out.splitlines()
    wrong = [(a, got) for a, got in zip(asked, answers) if a[2] != got]
    for (name, ms, answer), got in wrong[:10]:
        print(f"{name} {moment(ms / 1000)}\n  engine {got}\n  python {answer}")
    decisions = sum(1 for _, _, answer in asked if answer != "unknown") * len(WINDOWS)
    print(f"{len(known)} zones, {decisions} decisions")
    failed = len(wrong) + abs(len(asked) - len(answers))
    print(f"{len(asked) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
