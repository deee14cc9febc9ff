"""The progress bar on a terminal and in a log."""

from __future__ import annotations

import io

from bench.base.progress_bar import ProgressBar, format_megabytes


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_and_lines_elsewhere() -> None:
    now = [0.0]
    for stream, expected in (
        (io.StringIO(), ["[x]  50 %, 10.0 MB of 20.0 MB downloaded, 0.9 MB/s", "[x] note", "[x] 100 %,"]),
        (Terminal(), ["\r", "[x] note\n", "[x] " + "#" * 14 + "." * 14 + "  50 %"]),
    ):
        bar = ProgressBar("x", stream=stream, clock=lambda: now[0])
        for second, done in ((0, 1), (5, 5), (10, 10), (11, 11)):
            now[0] = float(second)
            bar.update("downloaded", done * 10**6, 20 * 10**6)
        bar.log("note")
        bar.update("downloaded", 20 * 10**6, 20 * 10**6)
        output = stream.getvalue()
        for text in expected:
            assert text in output
        assert output.endswith("\n")
        assert len(output.splitlines()) <= (3 if not stream.isatty() else 99)


def test_the_speed_of_a_resumed_transfer_counts_new_bytes_only() -> None:
    now, stream = [0.0], io.StringIO()
    bar = ProgressBar("x", stream=stream, clock=lambda: now[0])
    bar.update("downloaded", 90 * 10**6, 100 * 10**6)
    now[0] = 5.0
    bar.update("downloaded", 100 * 10**6, 100 * 10**6)
    assert stream.getvalue() == "[x] 100 %, 100.0 MB of 100.0 MB downloaded, 2.0 MB/s\n"


def test_megabytes() -> None:
    assert format_megabytes(1_234_567_890) == "1,234.6 MB"
