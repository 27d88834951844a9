#!/usr/bin/env python3
"""Turns `tmux capture-pane -e -p` on standard input into an SVG of a terminal window.

Colours are those that the program wrote: 16, 256 and 24-bit, bold and dim. Block characters of a
progress bar are drawn as rectangles, so that they join whatever font the reader has.
"""
import re
import sys
from html import escape

COLUMNS, CELL, LINE, SIZE, PAD, BAR = 80, 8.4, 19, 14, 16, 34
BACK, FRONT, FRAME = "#0f1b24", "#d5dee5", "#1b2c39"
BASE = ["#4a5b68", "#f07178", "#8fd18b", "#f2c572", "#6fb7f2", "#c79bf0", "#5fd0c9", "#d5dee5",
        "#748794", "#ff8b92", "#a9e6a4", "#ffd98f", "#8fcbff", "#dbb5ff", "#7fe6df", "#ffffff"]
# Block characters, and how solid they are.
SHADES = {"█": "", "▓": ".75", "▒": ".5", "░": ".25"}


def colour(codes):
    """The colour after a 38 or 48; takes its parameters off `codes`."""
    if codes.pop(0) == 2:
        return "#%02x%02x%02x" % (codes.pop(0), codes.pop(0), codes.pop(0))
    index = codes.pop(0)
    if index < 16:
        return BASE[index]
    if index >= 232:
        return "#" + "%02x" % (8 + 10 * (index - 232)) * 3
    level = [0, 95, 135, 175, 215, 255]
    index -= 16
    return "#%02x%02x%02x" % (level[index // 36], level[index // 6 % 6], level[index % 6])


def cells(line, style):
    """(character, style) for each cell; `style` is changed and carried on."""
    for escape_codes, char in re.findall(r"\x1b\[([\d;]*)m|([^\x1b\x0e\x0f])", line):
        if char:
            yield char, dict(style)
            continue
        codes = [int(code or 0) for code in escape_codes.split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                style.clear()
            elif code == 1:
                style["bold"] = True
            elif code == 2:
                style["dim"] = True
            elif code == 22:
                style.pop("bold", None), style.pop("dim", None)
            elif 30 <= code <= 37 or 90 <= code <= 97:
                style["fill"] = BASE[code - 30 if code < 90 else code - 82]
            elif code == 39:
                style.pop("fill", None)
            elif code == 38:
                style["fill"] = colour(codes)
            elif code == 48:
                colour(codes)


def attributes(style):
    text = ' fill="%s"' % style["fill"] if "fill" in style else ""
    return text + ' font-weight="bold"' * ("bold" in style) + ' opacity=".6"' * ("dim" in style)


def draw(row, line, style):
    y = BAR + PAD + row * LINE
    column, run, out = 0, None, []
    for char, now in cells(line, style):
        kind = char if char in SHADES else "text"
        if run is None or (run[0], run[1]) != (kind, now):
            run = [kind, now, column, ""]
            out.append(run)
        run[3] += char
        column += 1
    for kind, now, start, text in out:
        x = PAD + start * CELL
        if kind == "text":
            # One element per word keeps columns in place if the font is a little wider.
            for word in re.finditer(r"\S+(?: \S+)*", text):
                at = x + word.start() * CELL
                yield '<text x="%.1f" y="%d" textLength="%.1f" lengthAdjust="spacing"%s>%s</text>' % (
                    at, y + 14, len(word.group()) * CELL, attributes(now), escape(word.group()))
        else:
            dim = ' opacity="%s"' % SHADES[kind] if SHADES[kind] else ""
            yield '<rect x="%.1f" y="%d" width="%.1f" height="11" fill="%s"%s/>' % (
                x, y + 4, len(text) * CELL, now.get("fill", FRONT), dim)


def main():
    lines = [line.rstrip("\n") for line in sys.stdin]
    while lines and not re.sub(r"\x1b\[[\d;]*m", "", lines[-1]).strip():
        lines.pop()
    width, height = 2 * PAD + COLUMNS * CELL, BAR + 2 * PAD + len(lines) * LINE
    print('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
          'role="img" aria-label="shoal get downloading in a terminal, with a map of pieces and a table of peers">'
          % (width, height, width, height))
    print('<rect width="100%%" height="100%%" rx="9" fill="%s"/>' % BACK)
    print('<path d="M0 %d V9 a9 9 0 0 1 9 -9 H%d a9 9 0 0 1 9 9 V%d z" fill="%s"/>'
          % (BAR, width - 9, BAR, FRAME))
    for index in range(3):
        print('<circle cx="%d" cy="%d" r="5.5" fill="#3d5363"/>' % (22 + 20 * index, BAR // 2))
    print('<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="%d" fill="%s">'
          % (SIZE, FRONT))
    style = {}
    for row, line in enumerate(lines):
        for element in draw(row, line, style):
            print(element)
    print("</g>\n</svg>")


main()
