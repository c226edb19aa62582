"""One thread asks at a time, and the others do not ask again."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from revezamento.remembered import Remembered


class Question:
    """Answers 1, 2, 3 …, each only when it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self) -> int:
        self.asked += 1
        answer = self.asked
        assert self.may_answer.wait(5)
        return answer


def test_an_answer_is_used_until_it_is_too_old() -> None:
    """Then it is asked for again."""
    question = Question()
    remembered = Remembered(question, 0.1)
    assert [remembered.get() for _ in range(5)] == [1] * 5
    time.sleep(0.1)
    assert remembered.get() == 2


def test_threads_wait_for_the_one_that_asks() -> None:
    """A slow answer is asked for once, however many need it."""
    question = Question()
    question.may_answer.clear()
    remembered = Remembered(question, 60)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(remembered.get) for _ in range(8)]
        question.may_answer.set()
        assert [answer.result(5) for answer in answers] == [1] * 8
    assert question.asked == 1


def test_a_question_that_fails_is_asked_again() -> None:
    """An error is no answer, and blocks nobody."""
    numbers = iter([0, 2])
    remembered = Remembered(lambda: 14 // next(numbers), 60)
    with pytest.raises(ZeroDivisionError):
        remembered.get()
    assert remembered.get() == 7
