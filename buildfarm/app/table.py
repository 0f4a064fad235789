"""Rows for people. No cell is ever cut or broken, so that every name can be copied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from buildfarm.app.harmless import harmless

Cell = str | Text


def print_table(console: Console, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print the rows in aligned columns.

    Where the terminal is too narrow, the last column stands on lines of its own, each below its row; what is no
    terminal gets one line for each row.
    """
    lines = [[_text(cell) for cell in row] for row in (header, *rows)]
    widths = [max(cell.cell_len for cell in column) for column in zip(*lines, strict=True)]
    below = console.is_terminal and sum(widths) + 2 * (len(widths) - 1) > console.width
    for number, line in enumerate(lines):
        *first, last = line
        row = Text("  ").join(_padded(cell, width) for cell, width in zip(first, widths, strict=False))
        if not below:
            row.append("  ").append_text(last)
        if number == 0:
            row.stylize("bold")
        row.rstrip()
        console.print(row, soft_wrap=True, highlight=False)
        if below and number and last:
            console.print(Text("  ").append_text(last), soft_wrap=True, highlight=False)


def _text(cell: Cell) -> Text:
    return Text(harmless(cell)) if isinstance(cell, str) else Text(harmless(cell.plain), cell.style)


def _padded(cell: Text, width: int) -> Text:
    padded = cell.copy()
    padded.pad_right(width - cell.cell_len)
    return padded
