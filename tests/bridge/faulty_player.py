"""A player that fails at a chosen moment: `python faulty_player.py FAULT WHEN [--once FILE] --mlagents-port PORT`.

FAULT is `exit:CODE`, `signal:NUMBER`, `hang`, `close` (the connection, and stays), `junk` (bytes that are no message)
or `quit` (tells the trainer, and stays). WHEN is the number of messages that the trainer has answered by then. With
`--once`, only the first of the players that share FILE fails.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import grpc
from messages import agent, opening, step

from bridge import wire


def fail(fault: str, channel: grpc.Channel) -> None:
    """Bring the fault about."""
    kind, _, number = fault.partition(":")
    call = channel.unary_unary(wire.METHOD)
    if kind == "exit":
        os._exit(int(number))
    if kind == "signal":
        os.kill(os.getpid(), int(number))
    if kind == "close":
        channel.close()
    if kind == "junk":
        call(b"\xff\xff\xff", timeout=60)
    if kind == "quit":
        call(wire.message(wire.QUIT).SerializeToString(), timeout=60)
    time.sleep(600)


def main() -> None:
    """Play until the trainer is gone, or fail."""
    parser = argparse.ArgumentParser()
    parser.add_argument("fault")
    parser.add_argument("when", type=int)
    parser.add_argument("--once", type=Path)
    parser.add_argument("--mlagents-port", type=int, required=True)
    arguments, _ = parser.parse_known_args()
    fails = arguments.once is None
    if arguments.once is not None:
        try:
            arguments.once.touch(exist_ok=False)
            fails = True
        except FileExistsError:
            pass
    sys.stdout.write("\x1b]0;title\x07\x1b[31mabout to fail\x1b[0m \u202e" + "x" * 10_000 + "\n")
    sys.stdout.flush()
    messages = [
        message.SerializeToString() for message in opening(agent(1, reward=1.0), agent(2, reward=1.0))
    ]
    later = step(agent(1, reward=1.0), agent(2, reward=1.0)).SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{arguments.mlagents_port}", wire.CHANNEL_OPTIONS) as channel:
        call = channel.unary_unary(wire.METHOD, response_deserializer=wire.UnityMessage.FromString)
        answered = 0
        while True:
            if fails and answered == arguments.when:
                fail(arguments.fault, channel)
            message = messages[answered] if answered < len(messages) else later
            if call(message, wait_for_ready=True, timeout=60).header.status != wire.OK:
                return
            answered += 1


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError:  # the trainer is gone
        sys.exit(0)
