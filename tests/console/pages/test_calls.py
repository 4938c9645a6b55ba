"""The ladder of a call as it is drawn, and the list of calls without a service."""

from proxy.console.pages.calls import drawing_of
from proxy.recorder.ladder import Peer, Step

CLIENT = Peer("tcp", "10.1.0.9:40000", "client")
ENDS = [Peer("udp", f"10.0.0.{n}:5060", f"fe{n}") for n in (1, 2)]


def step(peer, is_in, label="INVITE"):
    return Step(1.0, peer, is_in, label, "tcp")


def test_the_caller_stands_left_of_us_and_everybody_else_right():
    steps = [step(0, True), step(1, False), step(2, False), step(2, True, "200 OK")]
    drawing = drawing_of([CLIENT, *ENDS], steps)
    left, ours, *right = drawing.places
    assert left < ours < right[0] < right[1] < drawing.width
    assert [(x.x1, x.x2) for x in drawing.rungs] == [
        *((left, ours), (ours, right[0])),
        *((ours, right[1]), (right[1], ours)),
    ]
    assert [x.y for x in drawing.rungs] == sorted({x.y for x in drawing.rungs})
    assert all(x.y < drawing.height for x in drawing.rungs)


def test_an_arrow_points_where_it_goes():
    there, back = drawing_of([CLIENT], [step(0, True), step(0, False)]).rungs
    for rung in (there, back):
        tip, *rest = (int(each.split(",")[0]) for each in rung.head.split())
        assert tip == rung.x2
        assert all((x < tip) == (rung.x1 < rung.x2) for x in rest)


def test_words_of_ours_have_no_arrow_and_a_long_label_an_end():
    ours, long = drawing_of([CLIENT], [step(-1, False), step(0, True, "x" * 900)]).rungs
    assert ours.x1 == ours.x2
    assert len(long.label) < 40


def test_without_a_service_the_page_says_so(sign_in):
    page = sign_in().get("/calls", params={"aor": "<script>x</script>"})
    assert page.status_code == 200
    assert "No calls can be shown" in page.text and "<script>x" not in page.text


def test_an_instant_that_is_none_is_told(sign_in):
    page = sign_in().get("/calls", params={"since": "<yesterday>"})
    assert page.status_code == 200
    assert "is no instant" in page.text and "<yesterday>" not in page.text


def test_who_called_whom_is_for_no_scope(sign_in):
    browser = sign_in("operator", domains=("contoso.test",))
    assert browser.get("/calls").status_code == 403
    assert browser.get("/calls/call", params={"id": "x"}).status_code == 403
