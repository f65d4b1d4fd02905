"""One frame is one write, and what a person types is read key by key. The terminal itself is in test_watch.py."""

import os
import socket

from realm.cli.screen import BEGIN, END, Screen


def test_a_frame_is_one_write_that_draws_over_the_last_one() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # each write is a message of its own
    with ours, theirs:
        Screen(0, theirs.fileno(), 0).draw(["first", "second " * 2000])
        content = ours.recv(1 << 20).decode()
    assert content == f"{BEGIN}first\x1b[K\r\n{'second ' * 2000}\x1b[K{END}"
    assert "\x1b[2J" not in content  # an empty screen between two frames would flicker


def test_keys_are_told_and_an_arrow_is_no_letter() -> None:
    keyboard, typed = os.pipe()
    signals, came = os.pipe()
    screen = Screen(keyboard, 1, signals)
    try:
        assert screen.keys(0.0) == ""
        os.write(typed, b"pq")
        assert screen.keys(60.0) == "pq"
        os.write(typed, b"\x1b[q")
        assert screen.keys(60.0) == "\x1b"
        os.write(came, b"\x1c")
        assert screen.keys(60.0) == ""  # at once: the size has changed
        assert screen.keys(0.0) == ""
    finally:
        for descriptor in (keyboard, typed, signals, came):
            os.close(descriptor)
