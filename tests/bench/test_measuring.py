"""Rates come from the steady part of a run; reports keep what was not run."""

from __future__ import annotations

import os

import pytest

from bench.costs import rows_added
from bench.measuring import Sample, Spread, TooShortError, cpu_of, rss_of, steady, tree
from bench.process import metric
from bench.reports import replaced
from bench.throughput import asked
from bench.workloads import WORKLOADS


def test_start_up_and_tail_are_left_out_of_a_rate() -> None:
    samples = [
        Sample(0.0, 100, 0, 5.0, 10.0),  # slow: starting
        Sample(9.0, 400, 100, 6.0, 30.0),
        Sample(10.0, 900, 350, 6.5, 20.0),
        Sample(20.0, 1000, 360, 16.0, 20.0),  # slow: the tail
    ]
    rate = steady(samples)
    assert (rate.events, rate.wall, rate.cpu, rate.emitted, rate.rss) == (1000, 500.0, 1000.0, 0.5, 30.0)


def test_a_run_without_a_steady_part_has_no_rate() -> None:
    with pytest.raises(TooShortError):
        steady([Sample(1.0, 10, 0, 0.0, 1.0), Sample(2.0, 1000, 0, 1.0, 1.0)])


def test_a_spread_is_the_median_between_least_and_greatest() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([2_000.0, 1_000.0, 4_000.0]).text() == "2,000 (1,000-4,000)"
    assert Spread.of([0.25]).text(form=".2f") == "0.25"


def test_a_process_is_in_its_own_tree_and_one_that_is_gone_costs_nothing() -> None:
    assert os.getpid() in tree([os.getpid()])
    assert tree([2**22 + 1]) == []
    assert cpu_of(2**22 + 1) == 0.0
    assert rss_of(2**22 + 1) == 0.0
    assert rss_of(os.getpid(), peak=True) >= rss_of(os.getpid()) > 1


def test_a_metric_is_summed_over_its_labels() -> None:
    text = '# HELP x\nx_total{topic="a",partition="0"} 3.0\nx_total{topic="a",partition="1"} 4.0\nx_total_more 9.0\n'
    assert metric(text, "x_total") == 7.0
    assert metric(text, "y_total") == 0.0


def test_the_rows_of_a_commit_are_those_of_the_files_it_adds() -> None:
    commit = '{"commitInfo":{}}\n{"add":{"stats":"{\\"numRecords\\":5}"}}\n{"add":{"stats":"{\\"numRecords\\":7}"}}'
    assert rows_added(commit) == 12


def test_a_section_of_the_page_is_replaced_and_the_rest_stays() -> None:
    page = "a\n<!-- bench: x -->\nold\n<!-- end of bench -->\nb\n<!-- bench: y -->\nkept\n<!-- end of bench -->\n"
    found = replaced(page, "x", ["new"])
    assert found == page.replace("old", "new")
    with pytest.raises(ValueError, match="bench: z"):
        replaced(page, "z", ["new"])


def test_a_workload_is_held_to_what_was_asked_of_it() -> None:
    medians = {"w1": 200_000.0, "w1-lz4": 180_000.0, "w1-gzip": 120_000.0}
    assert asked(WORKLOADS["w1"], medians) == "300,000: not reached"
    assert asked(WORKLOADS["w1-lz4"], medians) == "within 15% of w1: -10%, yes"
    assert asked(WORKLOADS["w1-gzip"], medians) == "within 25% of w1: -40%, no"
