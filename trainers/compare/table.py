"""The report on a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gym_adapters.text import one_line, printable
from trainers.compare.report import Report, Section, show
from trainers.records.words import counted


def print_report(report: Report, console: Console) -> None:
    """Print every section and then the notes."""
    for section in report.sections:
        console.print(figures(section))
        for sentence in section.sentences:
            console.print(f"  {printable(sentence)}", highlight=False, markup=False)
        if section.differences:
            console.print(differences(section))
        else:
            console.print("The configurations do not differ.", style="dim")
        console.print()
    for note in report.notes:
        console.print(f"note: {printable(note)}", highlight=False, soft_wrap=True, markup=False)


def figures(section: Section) -> Table:
    """Return the table of figures, with a column for each group."""
    table = Table(
        title=Text(one_line(section.title)),
        caption=caption(section),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("")
    for group in section.groups:
        table.add_column(Text(f"{one_line(group.name)}\n{counted(len(group.runs), 'seed')}"), justify="right")
    for row in section.rows:
        table.add_row(row.label, *(show(cell, row.style) for cell in row.cells))
    return table


def differences(section: Section) -> Table:
    """Return the table of the keys whose values differ."""
    table = Table(title="keys that differ", title_justify="left")
    table.add_column("key")
    for group in section.groups:
        table.add_column(Text(one_line(group.name)), justify="right")
    for key, values in section.differences.items():
        table.add_row(*(Text(one_line(text)) for text in (key, *values)))
    return table


def caption(section: Section) -> str:
    """Return the explanation of the figures."""
    several = any(len(group.runs) > 1 for group in section.groups)
    spread = "Median over seeds (smallest … largest). " if several else ""
    return (
        f"{spread}Final and at the end: mean of the summaries in the last tenth of the steps. "
        "Levels: fractions of the difference between the first and the best summary of all runs."
    )
