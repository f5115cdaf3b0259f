"""What `python -m bench.swap` makes of the answers that its clients had."""

from bench.swap_clients import Answer, Clients
from bench.swap_expected import Expected
from bench.swap_rounds import Round, figures, outcome

EXPECTED = Expected({"old": {"p": "a"}, "new": {"p": "b"}}, ["p"])
TIMINGS = {"stage_s": 0.1, "drain_s": 0.9, "commit_s": 0.06, "check_s": 0.04, "gated_s": 1.0}


def answer(sent_s: float, first_s: float, ended_s: float, version: str = "old", client: int = 0) -> Answer:
    text = EXPECTED.texts[version]["p"]
    return Answer(client, "p", sent_s, first_s, ended_s, version, text, failure=None)


def clients_with(*answers: Answer) -> Clients:
    clients = Clients("http://127.0.0.1:1", "key", EXPECTED.prompts, 2)
    clients.answers.extend(answers)
    return clients


def test_an_answer_counts_as_mixed_unless_it_is_that_of_the_model_in_its_header() -> None:
    right, wrong, unnamed, unknown = (answer(0, 1, 2) for _ in range(4))
    wrong.version, unnamed.version, unknown.text = "new", None, "aab"
    failed = Answer(0, "p", 0.0, text="a")
    found = outcome([right, wrong, unnamed, unknown, failed], EXPECTED)
    assert found == {"requests": 5, "failed": 1, "mixed": 3}


def test_a_stall_is_the_wait_at_the_gate_beyond_the_usual_one() -> None:
    swapped = Round("new", 10.0, 12.0, TIMINGS)
    clients = clients_with(
        answer(1, 1.1, 2),
        answer(2, 2.1, 3),
        answer(9.5, 9.6, 10.9, client=1),  # ran on while the gate was closed
        answer(10.2, 11.8, 13, "new", client=0),
        answer(11.0, 11.8, 13, "new", client=1),
    )
    found = figures([swapped], clients, EXPECTED)
    assert (found["stall_max"], found["stall_p50"]) == (1.5, 1.1)
    assert (found["stall_bar_s"], found["stalls_over_bar"]) == (1.9, 0)
    assert (found["drain_s"], found["first_text_s"], found["answer_s"]) == (0.9, 0.1, 1.0)


def test_each_stall_is_compared_with_the_answers_that_ran_then() -> None:
    clients = clients_with(
        answer(1, 1.1, 2),
        answer(9.9, 10, 10.2),
        answer(10.3, 11.8, 13, "new"),
        answer(19, 19.1, 25),
        answer(20.3, 25.8, 26, "new", client=1),
    )
    found = figures([Round("new", 10, 12, TIMINGS), Round("new", 20, 25.8, TIMINGS)], clients, EXPECTED)
    assert (found["stall_bar_s"], found["stalls_over_bar"]) == (6.5, 1)
