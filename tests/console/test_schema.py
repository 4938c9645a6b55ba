"""schemathesis asks every route for what its document allows, and for what it does not.

No answer is a fault of ours, and none is outside the document.  WAYPOST_SCHEMA says how
many examples of each route: 2,000 requests and more in ``make soak``.
"""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.console import new_token, running_console
from tests.support.far_command import lines

EXAMPLES = int(os.environ.get("WAYPOST_SCHEMA", "4"))
NO_DNS = ("get_pool", "ask_doctor", "check_config", "drain")
"""Routes that ask name servers or front ends: each takes seconds to find nobody."""


@pytest.fixture
def console(config_file):
    with running_console(config_file, run_line=lines) as running:
        yield running


def judge_of(headers, asked):
    def ask(case):
        response = case.call(headers=headers, timeout=30)
        assert response.status_code != 500, case.as_curl_command()
        case.validate_response(
            response,
            checks=[
                content_type_conformance,
                response_schema_conformance,
                status_code_conformance,
            ],
        )
        name = case.operation.definition.raw["operationId"]
        asked.append((name, response.status_code))

    return ask


def test_every_route_answers_as_its_document_says(config_file, url):
    load_all_checks()
    token = new_token(config_file, "admin", "judge")
    headers = {"Authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json")
    asked = []
    for result in schema.get_all_operations():
        operation = result.ok()
        name = operation.definition.raw["operationId"]
        run = given(case=operation.as_strategy())(judge_of(headers, asked))
        run = settings(
            max_examples=1 if name in NO_DNS and EXAMPLES < 10 else EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(run)
        seed(16)(run)()
    assert len({name for name, _ in asked}) >= 35
    assert sum(status < 300 for _, status in asked) > 20
