"""``python -m trainers.config``: check a training file and print it with all defaults."""

import argparse
import sys
from collections.abc import Sequence

from gym_adapters.commands import CommandParser, program_name
from gym_adapters.errors import UserError, exit_status, refusal_named
from gym_adapters.files import write_text
from trainers.config.docs import docs_text
from trainers.config.doubts import doubts, needed_elsewhere
from trainers.config.dump import dump_settings, refused_there
from trainers.config.loader import load_settings
from trainers.config.migration import from_mlagents
from trainers.config.options import add_overrides, path_option
from trainers.config.schema import schema_text


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 2 after an error that the user can fix."""
    parser = _build_parser()
    arguments = parser.parse_args(argv)
    writes = {arguments.write_schema: schema_text, arguments.write_docs: docs_text}
    writes.pop(None, None)
    of_a_file = bool(arguments.overrides or arguments.for_mlagents)
    if arguments.from_mlagents is not None:
        if arguments.file is not None or writes or of_a_file:
            parser.error(
                "--from-mlagents takes --curriculum and --sampler only; its output is a training file"
            )
        return _migrate(arguments)
    if arguments.curriculum or arguments.sampler:
        parser.error("--curriculum and --sampler need --from-mlagents")
    if arguments.file is None and (of_a_file or not writes):
        parser.error("give a training file, or --write-schema or --write-docs alone")
    try:
        for path, text in writes.items():
            with refusal_named(path):
                write_text(path, text())
        if arguments.file is not None:
            settings = load_settings(arguments.file, arguments.overrides)
            sys.stdout.write(dump_settings(settings, for_mlagents=arguments.for_mlagents))
            lost = refused_there(settings) if arguments.for_mlagents else ()
            for line in (*doubts(settings), *needed_elsewhere(settings), *lost):
                sys.stderr.write(f"warning: {line}\n")
    except (UserError, KeyboardInterrupt) as error:
        return exit_status(error)
    return 0


def _migrate(arguments: argparse.Namespace) -> int:
    """Print today's file for one of earlier ML-Agents releases, and return the exit status."""
    try:
        text, notes = from_mlagents(arguments.from_mlagents, arguments.curriculum, arguments.sampler)
    except (UserError, KeyboardInterrupt) as error:
        return exit_status(error)
    sys.stdout.write(text)
    for note in notes:
        sys.stderr.write(f"warning: {note}\n")
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog=program_name("trainers.config"),
        description="Check a training file and print it with all defaults.",
    )
    parser.add_argument("file", nargs="?", type=path_option, metavar="FILE", help="training file (.yaml)")
    add_overrides(parser, "set any key, for example behaviors.Walker.max_steps=1e6; it may be repeated")
    parser.add_argument(
        "--for-mlagents", action="store_true", help="print only what mlagents-learn 1.1.0 accepts"
    )
    parser.add_argument(
        "--from-mlagents",
        type=path_option,
        metavar="OLD.yaml",
        help="print today's file for one of ML-Agents 0.5 to 1.x",
    )
    parser.add_argument(
        "--curriculum",
        action="append",
        default=[],
        type=path_option,
        metavar="FILE",
        help="with --from-mlagents, a curriculum file of that time, .yaml or .json; it may be repeated",
    )
    parser.add_argument(
        "--sampler",
        type=path_option,
        metavar="FILE",
        help="with --from-mlagents, a sampler file of that time",
    )
    parser.add_argument(
        "--write-schema", type=path_option, metavar="PATH", help="write the JSON Schema of training files"
    )
    parser.add_argument(
        "--write-docs", type=path_option, metavar="PATH", help="write the reference page of all keys"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
