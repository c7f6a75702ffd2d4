"""What MkDocs shows beyond the pages of this folder: README, changelog, commands and Python reference.

A link that leaves this folder leads to a copy of the file in the site, so that pages work on a code host and here.
"""

import contextlib
import importlib
import io
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from trainers import run_command
from trainers.commands import PROGRAMS

ROOT = Path(__file__).parents[1]
FRONT = {"README.md": "index.md", "CHANGELOG.md": "changelog.md"}
"""Pages of the repository's root, and what they are called in the site."""

LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[#)])")
PYTHON = {
    "trainers": "Train, play, and be told how it goes",
    "gym_adapters": "Environments",
    "bridge": "Unity for other trainers",
}
TO_SUBCLASS = (
    "trainers.algorithms.on_policy.OnPolicyLearner",
    "trainers.algorithms.rollout_learner.RolloutLearner",
    "trainers.algorithms.off_policy.OffPolicyLearner",
    "trainers.rewards.signal.RewardSignal",
    "trainers.rewards.learned.LearnedSignal",
    "trainers.experience.rows.Rows",
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and the files outside this folder that pages link to."""
    pages = {
        **{shown: (ROOT / path).read_text(encoding="utf-8") for path, shown in FRONT.items()},
        "reference/commands.md": commands_page(),
        "reference/python.md": python_page(),
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    for page in files.documentation_pages():
        for _, target in links(page.content_string, page.src_uri):
            shown = in_site(target)
            if files.get_file_from_path(shown) is None and (ROOT / target).is_file():
                files.append(File.generated(config, shown, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point the links of a page at the places that their targets have in the site."""
    home = posixpath.dirname(page.file.src_uri)
    for link, target in set(links(markdown, page.file.src_uri)):
        markdown = markdown.replace(f"]({link}", f"]({posixpath.relpath(in_site(target), home or '.')}")
    return markdown


def links(markdown: str, page: str) -> Iterator[tuple[str, str]]:
    """The links of a page to files, each with its target's path from the repository's root.

    Args:
        markdown: its text.
        page: its path in the site.
    """
    origin = {shown: path for path, shown in FRONT.items()}.get(page, f"docs/{page}")
    for link in LINK.findall(markdown):
        yield link, posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))


def in_site(path: str) -> str:
    """Where a file of the repository is in the site."""
    return FRONT.get(path) or (path[len("docs/") :] if path.startswith("docs/") else f"repository/{path}")


def commands_page() -> str:
    """Every command with its `--help`."""
    parts = [
        "# Commands",
        "What each command says with `--help`. `python -m trainers.ppo` is `bridge ppo`, and so on.",
    ]
    same = [f"`bridge {name}`" for name, program in PROGRAMS.items() if program.trainer_type]
    for name, program in PROGRAMS.items():
        if program.trainer_type is None:
            parts += [f"## bridge {name}", f"```text\n{help_of(name)}```"]
        if name == "train":
            parts.append(
                f"{', '.join(same)}: the same options, with that algorithm where no file names another."
            )
    return "\n\n".join(parts) + "\n"


def help_of(name: str) -> str:
    """What `bridge NAME --help` prints on a terminal of 80 columns without colours."""
    plain = {"COLUMNS": "82", "NO_COLOR": "1"}
    with (
        patch.dict(os.environ, plain),
        contextlib.redirect_stdout(io.StringIO()) as said,
        contextlib.suppress(SystemExit),
    ):
        run_command(PROGRAMS[name].module, f"bridge {name}", argv=["--help"])
    return said.getvalue()


def python_page() -> str:
    """What the packages export, and the classes to subclass, from their docstrings."""
    parts, shown = ["# Python"], set()
    for module, title in PYTHON.items():
        package: Any = importlib.import_module(module)
        names = [
            name for name in sorted(package.__all__, key=str.swapcase) if name not in shown
        ]  # functions first
        parts += [f"## {title}: `{module}`", *(f"::: {module}.{name}" for name in names)]
        shown |= {*package.__all__}
    parts += [
        "## To subclass",
        "[Extend it](../extending.md) has a whole example of each.",
        *(f"::: {name}" for name in TO_SUBCLASS),
    ]
    return "\n\n".join(parts) + "\n"
