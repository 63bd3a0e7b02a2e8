"""``wbatch completion``: the script by which a shell completes commands, flags and paths."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from batch.cli.caller import Caller
from batch.cli.shape import argument, make_command

SHELLS: Final[dict[str, type[ShellComplete]]] = {
    "bash": BashComplete,
    "zsh": ZshComplete,
    "fish": FishComplete,
}
PROGRAM: Final = "wbatch"
# The variable in which the script asks this program what may come next.
ASKED_BY: Final = "_WBATCH_COMPLETE"
EXAMPLES: Final = """
eval "$(wbatch completion bash)"       # in this shell; in ~/.bashrc: in each
wbatch completion bash > ~/.local/share/bash-completion/completions/wbatch
eval "$(wbatch completion zsh)"        # in ~/.zshrc, after compinit
wbatch completion fish > ~/.config/fish/completions/wbatch.fish
"""


@make_command(usage="", endings=(("Examples", EXAMPLES),))
@argument("shell", type=click.Choice(tuple(SHELLS)), metavar="bash|zsh|fish")
@click.pass_context
def command(ctx: click.Context, /, shell: str) -> None:
    """Write the script that lets a shell complete commands, flags, their choices and paths.

    It asks wbatch itself, and so need not be written again when wbatch is another version. bash
    must be 4.4 or later; that of macOS is older.
    """
    script = SHELLS[shell](ctx.command, {}, PROGRAM, ASKED_BY)
    # Not the class's own method: that of bash starts a bash to ask how old it is.
    text = ShellComplete.source(script)
    ctx.ensure_object(Caller).emit(text.encode(), "the script")
