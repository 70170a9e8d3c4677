"""Wrong definitions, as data: each gets exactly the messages that stand below it."""

from __future__ import annotations

from pathlib import Path

import pytest

import headrace as hr
from tests.definitions.cases import Case, cases, write_config

CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_wrong_definition_is_told_so_that_it_can_be_mended(case: Case, tmp_path: Path) -> None:
    config = write_config(tmp_path / "config", case.body)
    with pytest.raises(hr.ProjectError) as caught:
        hr.load(config)
    assert "\n".join(map(str, caught.value.errors)) == case.expected


def test_the_catalogue_has_at_least_sixty_cases_of_different_titles() -> None:
    titles = {str(case) for case in CASES}
    assert len(titles) == len(CASES) >= 60


def test_the_good_file_beside_each_wrong_one_has_no_mistake(tmp_path: Path) -> None:
    config = write_config(tmp_path / "config", "")
    assert list(hr.load(config).views) == ["spend"]
