"""The benchmark of writing holds like against like, and says so where it does not."""

from bench.writing import table
from bench.writing.cases import Case
from bench.writing.table import Record

CASE = Case(300, 104)
SPENT = {
    table.OURS_WARM: (1.0, 2.0),
    table.THEIRS_WARM: (10.0, 10.0),
    table.OURS: (3.0, 4.0),
    table.THEIRS: (12.0, 16.0),
    table.DCMQI: (6.0, 8.0),
    table.MEASURING: (1.5, 2.5),
}
RECORDS = [
    Record(number, CASE.title, writer, wall, cpu, 0.0, None, 0)
    for number in (1, 2)
    for writer, (cpu, wall) in SPENT.items()
]


def test_both_times_are_judged_and_a_process_is_held_against_a_process():
    said = {one.what.split(": ", 1)[1]: one for one in table.judged([CASE], RECORDS)}
    assert {what: (one.bound, one.measured, one.met) for what, one in said.items()} == {
        "CPU of radnode, warm to highdicom, warm": (0.2, 0.1, True),
        "wall of radnode, warm to highdicom, warm": (0.2, 0.2, True),
        "CPU of radnode, process to highdicom, process": (0.2, 0.25, False),
        "wall of radnode, process to highdicom, process": (0.2, 0.25, False),
        "CPU of radnode, process to dcmqi, process": (0.25, 0.5, False),
        "wall of radnode, process to dcmqi, process": (0.25, 0.5, False),
        "CPU of radnode, warm to dcmqi, process (unlike)": (0.25, 1 / 6, True),
        "wall of radnode, warm to dcmqi, process (unlike)": (0.25, 0.25, True),
        "measured in seconds of CPU": (2.0, 1.5, True),
        "measured in seconds of wall": (2.0, 2.5, False),
    }


def test_the_table_shows_cpu_and_wall_beside_each_peer(capsys):
    table.show(CASE, RECORDS)
    line = next(one for one in capsys.readouterr().out.splitlines() if table.DCMQI in one)
    assert "2.00 [2.00-2.00]" in line
    assert line.count("[") == 2
