"""Functions of Spark that can never be a row expression, and why; and those that are just not there.

Aggregates, window functions and generators need more than one row, or make several; the clock and the
session are no part of an event, so a replay would give another value.
"""

from __future__ import annotations

AGGREGATES = frozenset(
    [
        "any",
        "any_value",
        "approx_count_distinct",
        "approx_percentile",
        "array_agg",
        "avg",
        "bit_and",
        "bit_or",
        "bit_xor",
        "bitmap_construct_agg",
        "bitmap_or_agg",
        "bool_and",
        "bool_or",
        "collect_list",
        "collect_set",
        "corr",
        "count",
        "count_if",
        "count_min_sketch",
        "covar_pop",
        "covar_samp",
        "every",
        "first",
        "first_value",
        "grouping",
        "grouping_id",
        "histogram_numeric",
        "hll_sketch_agg",
        "hll_union_agg",
        "kurtosis",
        "last",
        "last_value",
        "max",
        "max_by",
        "mean",
        "median",
        "min",
        "min_by",
        "mode",
        "percentile",
        "percentile_approx",
        "percentile_cont",
        "percentile_disc",
        "regr_avgx",
        "regr_avgy",
        "regr_count",
        "regr_intercept",
        "regr_r2",
        "regr_slope",
        "regr_sxx",
        "regr_sxy",
        "regr_syy",
        "skewness",
        "some",
        "std",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "sum",
        "try_avg",
        "try_sum",
        "var_pop",
        "var_samp",
        "variance",
    ]
)
WINDOWS = frozenset(
    ["cume_dist", "dense_rank", "lag", "lead", "nth_value", "ntile", "percent_rank", "rank", "row_number"]
)
GENERATORS = frozenset(
    [
        "explode",
        "explode_outer",
        "inline",
        "inline_outer",
        "json_tuple",
        "posexplode",
        "posexplode_outer",
        "stack",
    ]
)
CLOCK = frozenset(
    [
        "current_date",
        "curdate",
        "current_timestamp",
        "now",
        "localtimestamp",
        "current_timezone",
        "monotonically_increasing_id",
        "spark_partition_id",
        "input_file_name",
    ]
)
SESSION = frozenset(
    [
        "current_user",
        "user",
        "session_user",
        "current_catalog",
        "current_database",
        "current_schema",
        "version",
    ]
)

_ABSENT = """
aes_decrypt aes_encrypt array_insert array_sort arrays_zip assert_true bitmap_bit_position bitmap_bucket_number
bitmap_count convert_timezone elt from_csv from_utc_timestamp hll_sketch_estimate hll_union input_file_block_length
input_file_block_start java_method luhn_check make_dt_interval make_interval make_timestamp_ltz make_timestamp_ntz
make_ym_interval map_zip_with mask parse_url raise_error reflect schema_of_csv schema_of_json sentences
session_window shuffle to_binary to_char to_csv to_number to_timestamp_ntz to_utc_timestamp to_varchar
transform_keys try_aes_decrypt try_to_binary try_to_number typeof url_decode url_encode window window_time xpath
xpath_boolean xpath_double xpath_float xpath_int xpath_long xpath_number xpath_short xpath_string zip_with
"""
ABSENT = frozenset(_ABSENT.split())
"""Of Spark 3.5's functions of one row, those that are not supported. A Python function may take the name."""


def reason_to_refuse(name: str) -> tuple[str, str, str] | None:
    """Message, reason and hint for a function that is refused for what it is; None for any other."""
    base = name.removesuffix(" distinct").removesuffix(" all")
    if base in AGGREGATES:
        return (
            f"`{base}` is an aggregate over rows, and an expression sees one row",
            "aggregate",
            f"Use an aggregate of the feature view, such as `hr.{_ours(base)}(..., over='1h')`.",
        )
    if base in WINDOWS:
        return (
            f"`{base}` is a window function over rows, and an expression sees one row",
            "window",
            "Use an aggregate of the feature view, such as `hr.latest(...)`.",
        )
    if base in GENERATORS:
        return (
            f"`{base}` makes several rows of one, and an expression gives one value",
            "generator",
            "Use an array function, such as `element_at` or `array_contains`.",
        )
    if base in CLOCK:
        return (
            f"`{base}` depends on when it is computed, so a replay would give another value",
            "unsupported",
            "Use the event's own time.",
        )
    if base in SESSION:
        return (f"`{base}` is no property of an event", "unsupported", "Use a column.")
    return None


def _ours(name: str) -> str:
    return {"mean": "avg", "first_value": "first", "last": "latest", "last_value": "latest"}.get(name, name)
