from batch.api import Result as Result
from batch.api import Results as Results
from batch.api import Run as Run
from batch.api import Unfinished as Unfinished
from batch.api import read as read
from batch.api import run as run
from batch.api import run_sync as run_sync
from batch.errors import BadConfig as BadConfig
from batch.errors import BadData as BadData
from batch.errors import BadUsage as BadUsage
from batch.errors import BatchError as BatchError
from batch.errors import Busy as Busy
from batch.errors import CannotWrite as CannotWrite
from batch.errors import NoAccess as NoAccess
from batch.errors import NoInput as NoInput
from batch.errors import Refusal as Refusal
from batch.errors import Unavailable as Unavailable

__version__: str
