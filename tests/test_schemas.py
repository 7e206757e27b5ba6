import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

ROOT = Path(__file__).parents[1]


def test_the_schemas_are_those_of_the_types():
    done = subprocess.run(
        [sys.executable, "tools/schemas.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "path", sorted((ROOT / "schemas").glob("*.json")), ids=lambda path: path.stem
)
def test_each_schema_is_one_and_refuses_other_things(path: Path):
    schema = json.loads(path.read_text())
    validator = jsonschema.Draft202012Validator
    validator.check_schema(schema)
    assert not validator(schema).is_valid({"schema_version": "one"})
    assert "://" not in schema["$id"]
