"""A `sitecustomize.py` for both sides: the package's random ids become a counter, and its code must be that of its tree.

Lots are added up in the order of their ids, and the order of a sum decides its last digits. Only `uuid.uuid4` and
`uuid.uuid5` called from the package are counted; Dagster's ids stay random, since another number of Dagster calls must
not move ours.
"""

PREFIX = "5a5a5a5a-5a5a-4a5a-8a5a-"
COUNTER, TREE = "SAME_COUNTER", "SAME_TREE"

SITECUSTOMIZE = f'''
import importlib.util, os, sys, uuid

_random, _hashed = uuid.uuid4, uuid.uuid5

def _from_the_package():
    return sys._getframe(2).f_globals.get("__name__", "").startswith("sigma_assets.")

def _counted():
    path = os.environ["{COUNTER}"]
    try:
        with open(path) as file:
            number = int(file.read()) + 1
    except FileNotFoundError:
        number = 1
    with open(path, "w") as file:
        file.write(str(number))
    return uuid.UUID(f"{PREFIX}{{number:012x}}")

uuid.uuid4 = lambda: _counted() if _from_the_package() else _random()
uuid.uuid5 = lambda space, name: _counted() if _from_the_package() else _hashed(space, name)

_found = importlib.util.find_spec("sigma_assets")
_tree = os.environ["{TREE}"]
if _found is None or not os.path.realpath(_found.origin).startswith(os.path.realpath(_tree) + os.sep):
    sys.stderr.write(f"sigma_assets would be imported from {{_found and _found.origin}}, expected it below {{_tree}}\\n")
    sys.stderr.flush()
    os._exit(70)
'''
