"""Ctrl-C reaches the commands under test even where the suite itself was started in the background of a shell."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # which every process it starts would inherit
    signal.signal(signal.SIGINT, signal.default_int_handler)
