"""How commands are added to the command line: each with an example at the end of its help, and with a plain usage line.

typer writes a required argument as `{NAME}` in the usage line, and adds its type to the list of arguments. Here it is
`NAME`, and the list has names and help texts only. `--input` takes several values, which typer cannot express.
"""

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

F = TypeVar("F", bound=Callable[..., None])


class Command(TyperCommand):
    """A command whose help names its arguments plainly: `Usage: avfer run [OPTIONS] PIPELINE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words after the name of the command; see `repeat_input`."""
        parameters: list[Any] = self.get_params(ctx)
        options = [one for one in parameters if one.param_type_name == "option" and not one.is_flag]
        valued = {name for option in options for name in option.opts}
        return super().parse_args(ctx, repeat_input(args, valued) if "--input" in valued else args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage line after the name of the command."""
        names = [_name(one) if one.required else f"[{_name(one)}]" for one in self._arguments(ctx)]
        return ["[OPTIONS]", *names]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the lists of arguments and of options."""
        if arguments := self._arguments(ctx):
            with formatter.section("Arguments"):
                formatter.write_dl([(_name(one), one.help) for one in arguments])
        options = [one.get_help_record(ctx) for one in self.get_params(ctx) if one.param_type_name == "option"]
        with formatter.section("Options"):
            formatter.write_dl([record for record in options if record is not None])

    def _arguments(self, ctx: Any) -> list[Any]:
        return [one for one in self.get_params(ctx) if one.param_type_name == "argument"]


def repeat_input(words: list[str], valued: Collection[str]) -> list[str]:
    """Return the words of a command with `--input a b c` written as `--input a --input b --input c`.

    Values of `--input` are the words up to the next option. If the command has no other argument, the last of several
    values is the pipeline: in `--input a b aver`, "aver".

    valued: names of the options that take a value.

    >>> repeat_input(["aver", "--input", "a.mp4", "b.mp4", "--quiet"], {"--input"})
    ['aver', '--input', 'a.mp4', '--input', 'b.mp4', '--quiet']
    """
    repeated: list[str] = []
    num_arguments, last = 0, -1  # arguments outside of --input; where the last further value of --input is repeated
    option, after_input = "", False  # the option whose value comes next; whether further values of --input may come
    for word in words:
        if option:
            option = ""
        elif word.startswith("-"):
            option, after_input = word if word in valued else "", word == "--input"
        elif after_input:
            last = len(repeated)
            repeated.append("--input")
        else:
            num_arguments += 1
        repeated.append(word)
    if not num_arguments and last >= 0:
        del repeated[last]
    return repeated


def command(app: typer.Typer, name: str, *, example: str, note: str = "") -> Callable[[F], F]:
    """Return a decorator that adds a function to a group as the command `name`.

    note: a paragraph below the options; example: the last line of the help.
    """
    return app.command(name, cls=Command, epilog=_epilog(example, note))


def command_group(summary: str, *, example: str) -> typer.Typer:
    """Return a group of commands, such as `avfer models`.

    summary: one line about the group; example: the last line of its help.
    """
    return typer.Typer(
        help=summary,
        epilog=_epilog(example),
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def _epilog(example: str, note: str = "") -> str:
    """Return the end of a help text; the example is a line of its own, however long."""
    last = f"\b\nExample: {example}"  # \b: click leaves the lines of this paragraph as they are
    return f"{note}\n\n{last}" if note else last


def _name(argument: Any) -> str:
    """Return the name of an argument, with dots if it can be given several times."""
    return (argument.metavar or argument.name.upper()) + ("..." if argument.nargs == -1 else "")
