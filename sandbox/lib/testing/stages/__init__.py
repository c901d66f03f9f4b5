"""The contract of Spark ML: what every stage keeps, Spark's own too; one function a clause."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ..tools import require
from . import columns, files, params
from .case import StageCase

__all__ = ["STAGE_CLAUSES", "StageCase", "check_stage"]

Clause: TypeAlias = Callable[[StageCase], None]


def check_stage(case: StageCase) -> None:
    """Check the whole contract of a stage.

    Raises
    ------
    AssertionError : tells of all clauses that do not hold.

    Examples
    --------
    >>> case = StageCase(make, frame, {"maxIter": 3}, {"maxIter": "many"}, ("features",), folder)
    ... # doctest: +SKIP
    >>> check_stage(case)  # doctest: +SKIP
    """
    broken = []
    for name, clause in STAGE_CLAUSES.items():
        try:
            clause(case)
        except AssertionError as error:
            broken.append(f"{name}: {error}")
        except Exception as error:
            broken.append(f"{name}: {error!r}")
    require(not broken, "\n".join([f"{type(case.given[0]).__name__}:", *broken]))


STAGE_CLAUSES: dict[str, Clause] = {
    clause.__name__: clause
    for clause in (
        params.params_are_named_and_explained,
        params.each_stage_has_its_own_uid,
        params.defaults_are_no_values,
        params.setters_give_the_stage,
        params.keywords_are_as_setters,
        params.wrong_values_are_refused_when_set,
        params.unknown_params_are_refused,
        params.copies_are_equal_and_apart,
        params.maps_win_over_values_over_defaults,
        params.maps_of_other_stages_do_not_count,
        columns.fitting_changes_nothing,
        columns.models_are_called_as_their_estimators,
        columns.several_maps_fit_several_models,
        columns.columns_are_added,
        columns.rows_are_kept,
        columns.transforming_is_lazy,
        columns.transforming_takes_a_map,
        columns.taken_columns_are_refused,
        columns.missing_columns_are_refused,
        columns.no_rows_are_transformed_into_none,
        columns.empty_places_are_refused,
        columns.threads_transform_alike,
        files.stages_are_written_and_read,
        files.files_are_overwritten_only_when_asked,
        files.metadata_is_sparks,
        files.paths_of_nothing_are_refused,
        files.pipelines_take_the_stage,
    )
}
