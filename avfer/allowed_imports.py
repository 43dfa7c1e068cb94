"""Which modules a name such as `package.module:Name` may import. Importing a module runs its code.

A configuration can come from a stranger, so a name imports only

- modules of avfer,
- the user's own files: modules that Python finds outside of site-packages, such as a folder on PYTHONPATH, the current
  folder under `python -m`, or an editable installation; and `__main__`, which runs already,
- installed packages that declare avfer among their requirements, as a package of networks or stages for avfer does.

Never imported: the standard library, and all other installed packages, those that avfer itself requires included.
"""

import re
import site
import sys
import sysconfig
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from avfer.errors import ConfigError

MODULE = re.compile(r"(?!__main__\.)[^\W\d]\w*(\.(?!__)[^\W\d]\w*)*")  # no part after the first begins with "__"
OWN = "avfer"


def check_import(module: str) -> None:
    """Raise ConfigError, without importing anything, if a configuration may not import a module.

    module: its full name, such as "my_package.stages". The error says what was found in place of the user's own code.
    """
    if not MODULE.fullmatch(module):
        raise ConfigError(f"'{module}' is not the name of a module; write package.module:Name")
    top = module.partition(".")[0]
    if top in {OWN, "__main__"}:
        return
    if top in sys.stdlib_module_names:
        raise ConfigError(f"'{module}' is part of Python's standard library; name a class of your own or of avfer")
    _check_places(module, _places(top))


def _places(top: str) -> list[Path]:
    """Return the files or folders of a top-level module. Raises ConfigError if Python finds none."""
    try:
        spec = find_spec(top)
    except (ImportError, ValueError, AttributeError) as error:
        raise ConfigError(f"no module '{top}' can be found: {error}") from error
    if spec is None:
        raise ConfigError(f"no module '{top}' can be found; install it, or add its folder to PYTHONPATH")
    places = list(spec.submodule_search_locations or ()) or [spec.origin or ""]
    return [Path(place).resolve() for place in places]


def _check_places(module: str, places: list[Path]) -> None:
    """Raise ConfigError if a module lies in the standard library, or in an installed package that is not for avfer."""
    installed = _folders("purelib", "platlib") | {Path(path).resolve() for path in _site_packages()}
    if any(_is_below(place, installed) for place in places):
        _check_distributions(module)
    elif not places or any(
        _is_below(place, _folders("stdlib", "platstdlib")) or not place.exists() for place in places
    ):
        raise ConfigError(f"'{module}' is part of Python's standard library; name a class of your own or of avfer")


def _check_distributions(module: str) -> None:
    """Raise ConfigError unless each installed package with this top-level module requires avfer."""
    names = metadata.packages_distributions().get(module.partition(".")[0], [])
    if names and all(_requires_avfer(name) for name in names):
        return
    owner = f"the installed package {names[0]}" if names else "no installed package"
    raise ConfigError(
        f"'{module}' belongs to {owner}, which does not require avfer; only your own files and packages that require "
        "avfer are imported"
    )


def _requires_avfer(distribution: str) -> bool:
    requirements = metadata.requires(distribution) or []
    return any(re.match(rf"{OWN}(?![\w.-])", text.strip(), re.IGNORECASE) for text in requirements)


def _site_packages() -> list[str]:
    return [*site.getsitepackages(), site.getusersitepackages()]


def _folders(*names: str) -> set[Path]:
    return {Path(sysconfig.get_path(name)).resolve() for name in names}


def _is_below(place: Path, folders: set[Path]) -> bool:
    return any(place.is_relative_to(folder) for folder in folders)
