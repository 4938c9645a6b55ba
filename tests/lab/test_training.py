"""The work of a profile-guided build reaches what is to be laid out by it."""

import asyncio

import pytest

from proxy.lab import training


def test_all_kinds_of_calls_go_through(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[tuple[str, str], set[int]] = {}
    ask = training.Trainee.request

    async def listening(self, request):  # type: ignore[no-untyped-def]
        answer = await ask(self, request)
        asked.setdefault((self.transport, request.method), set()).add(answer.status)
        return answer

    monkeypatch.setattr(training.Trainee, "request", listening)
    monkeypatch.setattr(training, "CLIENTS", 2)

    # Half of the time the first front end refuses: the second serves those calls.
    monkeypatch.setattr(training, "FAILING", 0.5)
    assert asyncio.run(training.train(2.0)) > 10

    for transport in ("udp", "tcp"):
        for method in ("INFO", "BYE", "SUBSCRIBE", "REGISTER"):
            assert asked[transport, method] == {200}
        assert asked[transport, "INVITE"] == {200, 404}
    assert not capsys.readouterr().err
