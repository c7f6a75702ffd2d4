"""The commands in what programs print, and running them."""

import importlib
import shlex
import warnings

from packaging.requirements import Requirement

from gym_adapters.commands import interpreter, shell_line

MAINS = {
    "trainers": "trainers.training.cli",
    "trainers.evaluate": "trainers.playback.evaluation",
    "trainers.keep": "trainers.playback.keep",
    "bridge.onnx_export": "bridge.onnx_export",
}
"""The module of each command's `main`."""


def printed_commands(text: str) -> list[list[str]]:
    """The words of every command in a text. Each reaches to the end of its line or to one of ``; , )``."""
    start = f"{shell_line(interpreter())} -m "
    found = []
    for line in text.splitlines():
        for rest in line.split(start)[1:]:
            lexer = shlex.shlex(rest, posix=True, punctuation_chars=";,)`")
            lexer.whitespace_split = True
            lexer.commenters = ""
            words = list(lexer)
            end = next((i for i, word in enumerate(words) if set(word) <= set(";,)`")), len(words))
            found.append(words[:end])
    return found


def run_printed(words: list[str]) -> int:
    """Run a command in this process, as far as it goes without the network, and return its exit status."""
    module, arguments = words[0], words[1:]
    if module == "tensorboard.main":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            program = importlib.import_module("tensorboard.program")
        program.TensorBoard().configure(argv=["tensorboard", *arguments])
        return 0
    if module == "pip":
        assert arguments[0] == "install"
        assert [Requirement(package) for package in arguments[1:]]
        return 0
    status: int = importlib.import_module(MAINS[module]).main(arguments)
    return status
