"""What a model takes is known without what fits it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from musktracker.models import registry

ASK = """
import sys
from musktracker.errors import UsageError
from musktracker.models import registry
for name in registry.names():
    registry.read(name)
try:
    registry.read("negative_binomial", {"harmonics": "12"})
except UsageError as error:
    print(error.message)
print([name for name in ("numpy", "scipy", "statsmodels") if name in sys.modules])
"""


def test_a_value_that_cannot_be_is_refused_without_numbers_being_imported() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "negative_binomial: harmonics must be 1 to 11, not 12\n[]\n"


@pytest.mark.parametrize("name", registry.names())
def test_a_model_has_the_hyperparameters_that_are_told_of_it(name: str) -> None:
    assert registry.hyperparameters(registry.create(name)) == registry.hyperparameters(registry.read(name))
    assert registry.create(name).name == name
