"""The simulated machine asks (scenario `prompt`), and people, scripts or nobody answer."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import kdnb

if TYPE_CHECKING:
    from kdnb.results.events import DebugPrint

pytest.importorskip("unicorn", reason="needs the extra `sim`")


def test_a_person_is_asked_on_the_main_thread_while_it_waits() -> None:
    questions: list[str] = []
    prints: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return "i" if len(questions) == 1 else "b"

    with kdnb.connect("sim:scenario=prompt") as kd:
        kd.ask_prompts(ask)
        kd.events.on_print(lambda event: prints.append(event.text))
        stop = kd.go(timeout=30.0)
        assert stop is not None
        assert stop.reason == "break"
        assert stop.symbol.startswith("nt!DbgBreakPoint")
    assert len(questions) == 2
    assert "Break, Ignore (bi)?" in questions[0]
    shown = "".join(prints)
    assert "the answer was i" in shown
    assert "the answer was b" in shown


def test_a_fixed_answer_and_a_function_serve_headless_runs() -> None:
    answers: list[str] = []

    def answer(question: str) -> str:
        answers.append(question)
        return "b"

    with kdnb.connect("sim:scenario=prompt") as kd:
        kd.answer_prompts("b")
        assert kd.go(timeout=30.0) is not None
        kd.answer_prompts(answer)
        assert kd.go(timeout=30.0) is not None
    assert answers


def test_a_question_that_nobody_can_be_asked_gets_the_default() -> None:
    """An `ask` that fails (a frontend without input) is kept as a failure; the target goes on."""
    seen: list[DebugPrint] = []

    def broken(question: str) -> str:
        raise RuntimeError("no input here")

    def note(event: DebugPrint) -> None:
        seen.append(event)
        if "the answer was" in event.text:
            kd.request_break()

    with kdnb.connect("sim:scenario=prompt") as kd:
        kd.ask_prompts(broken)
        kd.events.on_print(note)
        assert kd.go(timeout=30.0) is not None
        assert "no input here" in str(kd.events.failures[-1])
    assert "the answer was o" in "".join(event.text for event in seen)


def test_exec_answers_with_its_prompt_default() -> None:
    command = [sys.executable, "-m", "kdnb", "exec", "sim:scenario=prompt", "-c", "g", "--prompt-default", "b"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert "the answer was b" in done.stdout
    assert "nt!DbgBreakPoint" in done.stdout
