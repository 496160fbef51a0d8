"""Find the application that a target such as "shop.wsgi:application" names."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterable
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

_DEFAULTS = ("application", "app")


class TargetError(Exception):
    """The target does not lead to an application; the text says why and what to do."""


class Found(NamedTuple):
    """An application and the interface it speaks."""

    app: Any
    interface: str


def load(target: str, directory: str, interface: str) -> Found:
    """Import the target. What the import raises comes out as it is, TargetError where the target itself is wrong."""
    name, colon, path = target.partition(":")
    if not name or (colon and not path) or not all(part.isidentifier() for part in name.split(".")):
        hint = ", without .py" if name.endswith(".py") else ""
        raise TargetError(f"{target!r} is not a target: it must be like module:attribute{hint}")
    module = _import(name, directory)
    if not path:
        path = _default(module)
    app = _attribute(module, name, path.removesuffix("()"))
    if path.endswith("()"):
        app = _call(app, target)
    if not callable(app):
        raise TargetError(
            f"{name}:{path} is not callable: it is {_article(type(app).__qualname__)}, not an application"
        )
    if not (_takes(app, 2) or _takes(app, 3)):
        hint = f"; if it makes one, write '{name}:{path}()'" if _takes(app, 0) else ""
        raise TargetError(
            f"{name}:{path} cannot be called as an application is, with two arguments (WSGI) or three (ASGI){hint}"
        )
    return Found(app, _interface(app, f"{name}:{path}", interface))


def _import(name: str, directory: str) -> ModuleType:
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing and (name == missing or name.startswith(missing + ".")):
            raise TargetError(_not_found(missing, directory)) from None
        raise
    return sys.modules[name]


def _not_found(missing: str, directory: str) -> str:
    package, _, last = missing.rpartition(".")
    folder = os.path.join(directory, *filter(None, package.split(".")))
    try:
        names = {e.name.removesuffix(".py") for e in os.scandir(folder) if e.name.endswith(".py") or e.is_dir()}
    except OSError:
        names = set()
    text = f"there is no module {missing!r} in {folder}, nor elsewhere on sys.path of {sys.executable}"
    return text + _near(last, (n for n in names if n.isidentifier()))


def _default(module: ModuleType) -> str:
    for name in _DEFAULTS:
        if hasattr(module, name):
            return name
    text = f"module {module.__name__!r} has neither 'application' nor 'app': name the attribute, as in"
    callables = [n for n, v in vars(module).items() if not n.startswith("_") and callable(v)]
    raise TargetError(f"{text} {module.__name__}:{callables[0] if callables else 'attribute'}")


def _attribute(module: ModuleType, name: str, path: str) -> Any:
    value: Any = module
    where = f"module {name!r}"
    for part in path.split("."):
        if not part.isidentifier():
            raise TargetError(f"{path!r} is not an attribute: it must be like name, name.name or factory()")
        try:
            value = getattr(value, part)
        except AttributeError:
            near = _near(part, (n for n in dir(value) if not n.startswith("__")))
            raise TargetError(f"{where} has no attribute {part!r}{near}") from None
        where = f"{name}:{part}"
    return value


def _call(factory: Any, target: str) -> Any:
    if not callable(factory):
        raise TargetError(f"{target!r} calls something that is not callable: leave out the parentheses")
    if not _takes(factory, 0):
        raise TargetError(
            f"{target!r} calls a function that needs arguments, {inspect.signature(factory)}: write a module that calls"
            " it, and name what it returned there"
        )
    return factory()


def _takes(function: Any, count: int) -> bool:
    """Whether it can be called with so many arguments, as far as that can be told for sure: of anything but a plain
    function another one may stand before it."""
    if type(function) not in (FunctionType, MethodType) or hasattr(function, "__signature__"):
        return True
    try:
        inspect.signature(function, follow_wrapped=False).bind(*range(count))
    except TypeError:
        return False
    return True


def _near(name: str, names: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, list(names), n=3)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


def _article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiouAEIOU' else 'a'} {noun}"


def _interface(app: Any, name: str, interface: str) -> str:
    """How the application is called: by its signature, unless that is settled."""
    if interface == "wsgi":
        return interface
    if isinstance(app, type):
        if _is_async(app.__call__):
            raise TargetError(_class(app, name))
        return "wsgi" if interface == "auto" else interface
    if interface == "asgi" or _is_async(app) or _is_async(type(app).__call__) or _required(app) == 3:
        return "asgi"
    return "wsgi"


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or hasattr(function, "_is_coroutine")


def _required(function: Any) -> int:
    """How many arguments it has to be called with, -1 if that cannot be said."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return -1
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return -1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is p.empty for p in parameters)


def _class(app: type, name: str) -> str:
    settle = ' (interface = "wsgi" settles it if it is a WSGI application after all)'
    if _required(app.__call__) == 3:
        return (
            f"{name} is a class with an async __call__(receive, send), as ASGI 2 had it, which is not served:"
            f" asgiref.compatibility.double_to_single_callable makes an ASGI 3 application of it{settle}"
        )
    return f"{name} is a class of ASGI applications: the target has to be an instance of it{settle}"
