"""The options that commands share, and which setting each of them is."""

from batch.cli.options.asked import (
    first_look_options,
    label_options,
    media_options,
    request_options,
    row_options,
)
from batch.cli.options.conducted import (
    asking_options,
    budget_options,
    job_options,
    nightly_options,
    notice_options,
    prices_option,
    read_tags,
    run_argument,
)
from batch.cli.options.places import PLACES
from batch.cli.options.reached import limit_options, patience_options, way_options
from batch.cli.options.sections import (
    ASKED,
    CAPPED,
    CONDUCTED,
    FILED,
    LABELED,
    LIMITED,
    MADE,
    NIGHTLY,
    PRICED,
    REACHED,
    REHEARSED,
    TOLD,
)

__all__ = [
    "ASKED",
    "CAPPED",
    "CONDUCTED",
    "FILED",
    "LABELED",
    "LIMITED",
    "MADE",
    "NIGHTLY",
    "PLACES",
    "PRICED",
    "REACHED",
    "REHEARSED",
    "TOLD",
    "asking_options",
    "budget_options",
    "first_look_options",
    "job_options",
    "label_options",
    "limit_options",
    "media_options",
    "nightly_options",
    "notice_options",
    "patience_options",
    "prices_option",
    "read_tags",
    "request_options",
    "row_options",
    "run_argument",
    "way_options",
]
