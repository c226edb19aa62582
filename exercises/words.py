"""The few sentences that `make exercise` and `make check` say themselves."""

from __future__ import annotations

from lab.language import Language

WORDS: dict[str, dict[Language, str]] = {
    "exercise": {"en": "Exercise", "pt": "Exercício"},
    "minutes": {"en": "minutes", "pt": "minutos"},
    "list": {
        "en": "Begin one with make exercise E=1, and check it with make check E=1.",
        "pt": "Comece um com make exercise E=1, e confira com make check E=1.",
    },
    "write": {
        "en": "Write each answer after its colon. make check E={number} checks them, and the machines.",
        "pt": "Escreva cada resposta depois dos dois-pontos. make check E={number} confere as respostas e as máquinas.",
    },
    "begin": {
        "en": "Your answers go into {sheet}. When you are done: make check E={number}",
        "pt": "Suas respostas vão em {sheet}. Quando terminar: make check E={number}",
    },
    "ready": {
        "en": "The lab is in its starting state.",
        "pt": "O laboratório está no estado inicial.",
    },
    "mend": {
        "en": "The lab is not in its starting state:\n{problems}\nStarting what is stopped.",
        "pt": "O laboratório não está no estado inicial:\n{problems}\nIniciando o que está parado.",
    },
    "reset": {
        "en": "Not enough:\n{problems}\nReturning all machines to the snapshot {name}, also their logs and data.",
        "pt": "Não basta:\n{problems}\nVoltando todas as máquinas ao snapshot {name}, também logs e dados.",
    },
    "provision": {
        "en": "Not enough:\n{problems}\nApplying the roles again (less than a minute).",
        "pt": "Não basta:\n{problems}\nAplicando os papéis de novo (menos de um minuto).",
    },
    "save": {
        "en": "This exercise breaks things. Saving all machines once as the snapshot {name}: they stop for a moment.",
        "pt": "Este exercício quebra coisas. Salvando as máquinas no snapshot {name}, uma vez: elas param um instante.",
    },
    "ok": {"en": "ok", "pt": "ok"},
    "missed": {"en": "missed", "pt": "falta"},
    "found": {"en": "found", "pt": "encontrado"},
    "hint": {"en": "hint", "pt": "dica"},
    "points": {"en": "{points} of {of} points", "pt": "{points} de {of} pontos"},
    "no answer": {"en": "no answer", "pt": "sem resposta"},
    "no file": {"en": "no file {name}", "pt": "nenhum arquivo {name}"},
    "nothing": {"en": "nothing", "pt": "nada"},
    "yes": {"en": "yes", "pt": "sim"},
    "no": {"en": "no", "pt": "não"},
    "not begun": {"en": "not begun", "pt": "não iniciado"},
    "extra": {"en": "extra", "pt": "extra"},
    "mark": {
        "en": "Final mark: {points} of {of} points, {percent} %",
        "pt": "Nota final: {points} de {of} pontos, {percent} %",
    },
}


def say(words: str, spoken: Language, **values: object) -> str:
    """One of WORDS in the user's language."""
    return WORDS[words][spoken].format(**values)
