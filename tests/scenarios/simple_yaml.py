"""Plain YAML as the scenarios use it: block mappings and sequences by indentation, flow
collections on one or more lines, plain and quoted scalars, comments. No anchors, tags,
block scalars or documents: what is not understood is an error with its line."""

import re


class YamlError(Exception):
    pass


def load(text):
    return _Reader(text).document()


_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?$")
_KEY = re.compile(r"""((?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s{}\[\],#&*!|>%@`"'][^:#{}\[\],]*?))\s*:(?:\s+|$)""")


def _plain(word):
    if word in ("null", "~", ""):
        return None
    if word in ("true", "false"):
        return word == "true"
    if _NUMBER.match(word):
        return float(word) if "." in word else int(word)
    return word


def _unquote(word):
    if word.startswith("'"):
        return word[1:-1].replace("''", "'")
    import json
    return json.loads(word)


def _strip_comment(line):
    quote = None
    for i, c in enumerate(line):
        if quote:
            if c == quote and not (quote == '"' and line[i - 1] == "\\"):
                quote = None
        elif c in "\"'" and (i == 0 or line[i - 1] in " [{,:"):
            quote = c
        elif c == "#" and (i == 0 or line[i - 1] in " \t"):
            return line[:i].rstrip()
    return line.rstrip()


class _Reader:
    def __init__(self, text):
        self.lines = []  # (number, indent, text)
        for number, raw in enumerate(text.split("\n"), 1):
            if "\t" in raw:
                raise YamlError(f"line {number}: a tab")
            line = _strip_comment(raw)
            if line.strip():
                self.lines.append((number, len(line) - len(line.lstrip()), line.strip()))
        self.at = 0

    def fail(self, word):
        number = self.lines[min(self.at, len(self.lines) - 1)][0] if self.lines else 0
        raise YamlError(f"line {number}: {word}")

    def document(self):
        if not self.lines:
            return None
        value = self.block(self.lines[0][1])
        if self.at < len(self.lines):
            self.fail("indentation does not fit")
        return value

    def block(self, indent):
        if self.lines[self.at][2].startswith("- ") or self.lines[self.at][2] == "-":
            return self.sequence(indent)
        return self.mapping(indent)

    def sequence(self, indent):
        out = []
        while self.at < len(self.lines):
            number, depth, text = self.lines[self.at]
            if depth != indent or not (text.startswith("- ") or text == "-"):
                break
            rest = text[1:].lstrip()
            inner = depth + len(text) - len(rest)
            if rest == "":
                self.at += 1
                out.append(self.nested(indent))
            elif rest[0] not in "{[\"'" and _KEY.match(rest):
                self.lines[self.at] = (number, inner, rest)
                out.append(self.mapping(inner))
            else:
                out.append(self.inline(rest))
        return out

    def mapping(self, indent):
        out = {}
        while self.at < len(self.lines):
            _, depth, text = self.lines[self.at]
            if depth != indent:
                break
            match = _KEY.match(text)
            if not match:
                self.fail("expected `key: value`")
            key = match.group(1)
            key = _unquote(key) if key[0] in "\"'" else key
            if key in out:
                self.fail(f"`{key}` stands here twice")
            rest = text[match.end():]
            if rest:
                out[key] = self.inline(rest)
            else:
                self.at += 1
                out[key] = self.nested(indent)
        return out

    def nested(self, indent):
        if self.at >= len(self.lines) or self.lines[self.at][1] < indent:
            return None
        _, depth, text = self.lines[self.at]
        if depth == indent and not text.startswith("- "):
            return None
        return self.block(depth)

    def inline(self, text):
        """A scalar or a flow collection, which may go on over the next lines."""
        if text[0] in "{[":
            while True:
                flow = _Flow(text)
                try:
                    value = flow.value()
                    break
                except IndexError:
                    self.at += 1
                    if self.at >= len(self.lines):
                        self.fail("a bracket is not closed")
                    text += " " + self.lines[self.at][2]
            if flow.text[flow.at:].strip():
                self.fail("something stands after a closing bracket")
        elif text[0] in "\"'":
            value = _unquote(text)
        elif text[0] in "&*!|>%@`":
            self.fail(f"`{text[0]}` is beyond this reader")
        else:
            value = _plain(text)
        self.at += 1
        return value


class _Flow:
    def __init__(self, text):
        self.text, self.at = text, 0

    def blank(self):
        while self.text[self.at] == " ":
            self.at += 1

    def value(self):
        self.blank()
        c = self.text[self.at]
        if c == "{":
            return self.mapping()
        if c == "[":
            return self.sequence()
        return self.scalar(",]}")

    def scalar(self, ends):
        self.blank()
        c = self.text[self.at]
        if c in "\"'":
            end = self.at + 1
            while self.text[end] != c or (c == '"' and self.text[end - 1] == "\\"):
                end += 1
            word = self.text[self.at:end + 1]
            self.at = end + 1
            return _unquote(word)
        end = self.at
        while self.text[end] not in ends:
            # a colon is a value's own unless a blank follows
            end += 1
        word = self.text[self.at:end].strip()
        self.at = end
        return _plain(word)

    def key(self):
        self.blank()
        if self.text[self.at] in "\"'":
            word = self.scalar(":")
        else:
            end = self.at
            while not (self.text[end] == ":" and self.text[end + 1] in " {["):
                end += 1
            word = self.text[self.at:end].strip()
            self.at = end
        self.blank()
        if self.text[self.at] != ":":
            raise YamlError(f"expected a colon after {word}")
        self.at += 1
        return word

    def mapping(self):
        out = {}
        self.at += 1
        while True:
            self.blank()
            if self.text[self.at] == "}":
                self.at += 1
                return out
            key = self.key()
            out[key] = self.value()
            self.blank()
            if self.text[self.at] == ",":
                self.at += 1

    def sequence(self):
        out = []
        self.at += 1
        while True:
            self.blank()
            if self.text[self.at] == "]":
                self.at += 1
                return out
            out.append(self.value())
            self.blank()
            if self.text[self.at] == ",":
                self.at += 1
