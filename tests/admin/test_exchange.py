"""An import is one change, or none; an export is every endpoint, in order."""

import pytest

from proxy.admin import control, history
from proxy.admin.control import ControlError
from proxy.admin.exchange import export_endpoints, import_endpoints
from proxy.location.binding import Binding, BindingChange

CSV = b"SipAddress,PoolFqdn\nb@contoso.test,p.test\na@contoso.test,p.test\n"


async def bind(operator, aor: str) -> None:
    made = Binding(aor, b"k", b"sip:x", b"<sip:x>", 1.0, 900.0, 1.0, b"c", 1)
    await operator.store.save_bindings([BindingChange(aor, b"k", made)])


async def addresses(operator) -> list[str]:
    return [x.endpoint.key for x in await control.get_endpoints(operator)]


async def test_a_dry_run_says_what_would_be_and_makes_nothing(operator) -> None:
    report = await import_endpoints(operator, CSV, what_if=True)
    assert [line.verdict for line in report.lines] == ["create", "create"]
    assert report.outcome.what_if and report.number is None
    assert await addresses(operator) == []


async def test_all_rows_are_one_change_that_can_be_taken_back(operator) -> None:
    report = await import_endpoints(operator, CSV)
    assert await addresses(operator) == ["a@contoso.test", "b@contoso.test"]
    assert report.number is not None
    await history.undo_batch(operator, report.number)
    assert await addresses(operator) == []


async def test_a_bad_row_stops_everything_unless_it_is_skipped(operator) -> None:
    bad = CSV + b"nonsense,p.test\n"
    with pytest.raises(ControlError, match="line 4: nonsense"):
        await import_endpoints(operator, bad)
    assert await addresses(operator) == []
    report = await import_endpoints(operator, bad, skip_refused=True)
    assert [x.verdict for x in report.lines] == ["create", "create", "refused"]
    assert len(await addresses(operator)) == 2


async def test_who_is_registered_is_imported_by_force_alone_and_that_is_audited(
    operator,
) -> None:
    await bind(operator, "a@contoso.test")
    with pytest.raises(ControlError, match="somebody is registered"):
        await import_endpoints(operator, CSV)
    await import_endpoints(operator, CSV, force=True)
    (row, *_) = await operator.store.history("a@contoso.test")
    assert row.verb == "endpoint.import --force"


async def test_force_without_need_is_an_ordinary_import(operator) -> None:
    await import_endpoints(operator, CSV, force=True)
    assert {row.verb for row in await operator.store.history()} == {"endpoint.import"}


async def test_nothing_to_change_has_no_number(operator) -> None:
    await import_endpoints(operator, CSV)
    report = await import_endpoints(operator, CSV)
    assert {x.verdict for x in report.lines} == {"same"} and report.number is None


@pytest.mark.parametrize("form", ["csv", "json"])
async def test_what_is_exported_is_imported_as_it_was(operator, form: str) -> None:
    await import_endpoints(operator, CSV)
    text = await export_endpoints(operator, form)
    assert text.index("a@contoso.test") < text.index("b@contoso.test")
    report = await import_endpoints(operator, text.encode())
    assert {x.verdict for x in report.lines} == {"same"}
