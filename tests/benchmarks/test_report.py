"""Tables of what was measured."""

import pytest

from projects.threedgp.benchmarks.report import STEP, Measured, Results, comparison, rates, slopes, table
from projects.threedgp.errors import UserError


def measured(part, arm, seconds, share=0.0, images=8, peak_gb=1.0):
    return Measured(part, arm, "train" if share else "render", images, share, list(seconds), peak_gb)


RESULTS = Results(
    {"torch": "2"},
    [
        measured("G phase", "ours", [4.0, 4.0], 1.0, peak_gb=2.0),
        measured("R1", "ours", [16.0, 32.0], 1 / 16, peak_gb=3.0),
        measured("G phase", "theirs", [8.0, 8.0], 1.0, peak_gb=6.0),
        measured("frame", "ours", [0.5], images=1),
    ],
)


def test_whole_step_counts_each_part_by_its_share():
    steps = RESULTS.rows[STEP]
    assert steps["ours"].seconds == [5.0, 6.0] and steps["theirs"].seconds == [8.0, 8.0]
    assert steps["ours"].peak_gb == 3.0 and steps["ours"].images == 8


def test_table_compares_with_the_first_arm():
    lines = table(RESULTS).splitlines()
    assert lines[0] == "|  | ours, s | theirs, s | theirs: times as fast | ours, GiB | theirs, GiB |"
    assert lines[2] == "| G phase | 4 ± 0 % | 8 ± 0 % | 0.500 (0.500 to 0.500) | 2.00 | 6.00 |"
    assert lines[4] == "| frame | 0.5 ± 0 % |  |  | 1.00 |  |"


def test_rates_are_per_image():
    line = next(line for line in rates(RESULTS).splitlines() if line.startswith("| G phase"))
    assert line == "| G phase | 2 | 1 | 500 | 1000 |"


def test_results_come_back_from_their_file(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(RESULTS.as_json())
    assert Results.read(path) == RESULTS


@pytest.mark.parametrize("text", ["", "[]", '{"facts": {}}', '{"facts": {}, "measured": [{"part": 1}]}'])
def test_other_files_are_refused_by_name(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"results .*other\.json"):
        Results.read(path)


def test_comparison_with_an_earlier_run():
    before = Results({}, [measured("frame", "ours", [1.0, 1.0], images=1, peak_gb=4.0)])
    assert "| frame | ours | 2.000 (2.000 to 2.000) | 0.25 |" in comparison(RESULTS, before)


def test_comparison_needs_something_in_common():
    with pytest.raises(UserError, match="against"):
        comparison(RESULTS, Results({}, [measured("loading", "ours", [1.0])]))


def test_slopes_tell_how_time_and_memory_grow():
    sizes = {"resolution 32": 32, "resolution 64": 64}
    results = Results({}, [measured("frame", name, [size**2], peak_gb=size) for name, size in sizes.items()])
    assert "| frame | 2.00 | 1.00 |" in slopes(results, sizes, "resolution")
