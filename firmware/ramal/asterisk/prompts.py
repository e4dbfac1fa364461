"""Which sound files an office needs, and what is said in each.

Pure: a prompt is a path (relative to the prompts' folder, without ``.wav``) and a text in a language. ``speak`` (an
edge) makes the files. Our own sentences are ``<language>/<name>``; texts of the office file are
``office/<digest>``, so a changed text is a new file and a reload never plays half of each; Asterisk's own words
(digits, queue position) are ``<language>/asterisk/…`` because Asterisk ships none in Portuguese.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from ramal.core.office import Language, Office

FOLDER: dict[Language, str] = {"pt-BR": "pt_BR", "en": "en", "es": "es"}
"""Asterisk's name of each language."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """``path`` relative to the prompts' folder, without suffix; ``text`` spoken in ``language``."""

    path: str
    language: Language
    text: str


_SENTENCES: dict[str, dict[Language, str]] = {
    "closed": {
        "pt-BR": "No momento estamos fechados.",
        "en": "We are closed at the moment.",
        "es": "En este momento estamos cerrados.",
    },
    "nobody-free": {
        "pt-BR": "No momento não há atendentes disponíveis. Por favor, ligue mais tarde.",
        "en": "Nobody is free right now. Please call again later.",
        "es": "Ningún agente está libre ahora. Por favor, llame más tarde.",
    },
    "leave-message": {
        "pt-BR": "Deixe o seu recado depois do sinal.",
        "en": "Please leave a message after the tone.",
        "es": "Deje su mensaje después de la señal.",
    },
    "message-kept": {
        "pt-BR": "Recado gravado. Obrigado.",
        "en": "Your message is recorded. Thank you.",
        "es": "Mensaje grabado. Gracias.",
    },
    "wrong-key": {
        "pt-BR": "Opção inválida.",
        "en": "That is not an option.",
        "es": "Opción no válida.",
    },
    "logged-in": {
        "pt-BR": "Você entrou em serviço. Bom trabalho.",
        "en": "You are logged in.",
        "es": "Ha iniciado sesión. Buen trabajo.",
    },
    "logged-out": {"pt-BR": "Você saiu de serviço.", "en": "You are logged out.", "es": "Ha cerrado la sesión."},
    "paused": {"pt-BR": "Pausa iniciada.", "en": "You are paused.", "es": "Pausa iniciada."},
    "resumed": {
        "pt-BR": "Pausa encerrada. Você está disponível.",
        "en": "You are available again.",
        "es": "Pausa terminada. Está disponible.",
    },
    "not-logged-in": {
        "pt-BR": "Nenhum atendente está em serviço neste ramal. Para entrar, disque asterisco, quatro, cinco.",
        "en": "Nobody is logged in at this phone. To log in, dial star four five.",
        "es": "Nadie ha entrado en este teléfono. Para entrar, marque asterisco cuatro cinco.",
    },
    "no-agent-here": {
        "pt-BR": "Este telefone não tem atendente. Disque asterisco quatro cinco e o seu código.",
        "en": "This phone has no agent of its own. Dial star four five and your code.",
        "es": "Este teléfono no tiene agente. Marque asterisco cuatro cinco y su código.",
    },
    "enter-pin": {
        "pt-BR": "Digite a sua senha e tecle jogo da velha.",
        "en": "Enter your pin, then hash.",
        "es": "Marque su clave y luego la tecla numeral.",
    },
    "wrong-pin": {
        "pt-BR": "Código ou senha incorretos.",
        "en": "The code or the pin is wrong.",
        "es": "El código o la clave no son correctos.",
    },
    "unknown-code": {
        "pt-BR": "Este número não existe.",
        "en": "There is no such number.",
        "es": "Este número no existe.",
    },
    "echo": {
        "pt-BR": "Teste de eco. Fale e escute a sua voz.",
        "en": "Echo test. Speak and hear yourself.",
        "es": "Prueba de eco. Hable y escuche su voz.",
    },
}

_ASTERISK: dict[str, dict[Language, str]] = {
    "queue-youarenext": {"pt-BR": "Você é o próximo da fila.", "es": "Usted es el siguiente."},
    "queue-thereare": {"pt-BR": "Você é o número", "es": "Usted es el número"},
    "queue-callswaiting": {"pt-BR": "na fila de espera.", "es": "en la cola de espera."},
    "queue-thankyou": {"pt-BR": "Por favor, aguarde.", "es": "Por favor, espere."},
    "digits/pt-e": {"pt-BR": "e"},
    "digits/100E": {"pt-BR": "cento"},
    "digits/and": {"es": "y"},
    "digits/1M": {"es": "un"},
    "digits/100-and": {"es": "ciento"},
}
_SPOKEN_AS_FIGURES: dict[Language, tuple[int, ...]] = {
    "pt-BR": (*range(21), *range(30, 101, 10)),
    "es": (*range(31), *range(40, 101, 10)),
    "en": (),
}


def office_prompt(text: str, language: Language) -> str:
    """The path of a text of the office file."""
    digest = hashlib.sha256(f"{language}\n{text}".encode()).hexdigest()[:20]
    return f"office/{digest}"


def needed(office: Office) -> Iterator[Prompt]:
    """Every prompt this office can play, in a stable order, none twice."""
    language = office.language
    for name, texts in _SENTENCES.items():
        yield Prompt(f"{FOLDER[language]}/{name}", language, texts[language])
    for name, words in _ASTERISK.items():
        if language in words:
            yield Prompt(f"{FOLDER[language]}/asterisk/{name}", language, words[language])
    for figure in _SPOKEN_AS_FIGURES[language]:
        yield Prompt(f"{FOLDER[language]}/asterisk/digits/{figure}", language, str(figure))
    texts_of_office = [number.greeting for number in office.numbers if number.greeting]
    texts_of_office += [menu.text for menu in office.menus]
    for text in dict.fromkeys(texts_of_office):
        yield Prompt(office_prompt(text, language), language, text)
