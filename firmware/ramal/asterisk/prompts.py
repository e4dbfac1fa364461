"""Which sound files an office needs, and what is said in each.

Pure: a prompt is a path (relative to the prompts' folder, without ``.wav``) and a text in a language. ``speak`` (an
edge) makes the files. Our own sentences are ``<language>/<name>``; texts of the office file are ``office/<digest>``
or, said in several languages, ``office/<language>/<digest>``, so a changed text is a new file and a reload never plays
half of each; Asterisk's own words (digits, queue position) are ``<language>/asterisk/…`` because Asterisk ships none
in Portuguese.

The dialplan plays a path without its language (``<prompts>/closed``): Asterisk looks for the call's language before the
last word (``<prompts>/es/closed``), then for the path itself, which ``fallbacks`` makes the office's own language. So
a sentence that is missing in one language is heard in another, and a call never depends on a file.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from ramal.core.office import SURVEY_PARTS, Language, Office, Saying, Voicemail
from ramal.core.ring_name import title_of
from ramal.core.spoken import all_pieces
from ramal.core.wording import disposition_menu

FOLDER: dict[Language, str] = {"pt-BR": "pt_BR", "en": "en", "es": "es"}
"""Asterisk's name of each language."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """``path`` relative to the prompts' folder, without suffix; ``text`` spoken in ``language``."""

    path: str
    language: Language
    text: str
    spelt: str = ""
    """What the voice is given instead of ``text``, where it would say that wrong."""
    within: tuple[float, float] | None = None
    """A piece of a sentence (``core.spoken``): cut close, with so many seconds of silence before and after it."""


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
    "restarting": {
        "pt-BR": "Nosso sistema telefônico está sendo reiniciado. Por favor, ligue de novo em cinco minutos.",
        "en": "Our telephone system is being restarted. Please call again in five minutes.",
        "es": "Nuestro sistema telefónico se está reiniciando. Por favor, llame de nuevo en cinco minutos.",
    },
    "blocked": {
        "pt-BR": "Não podemos atender ligações deste número.",
        "en": "We cannot take calls from this number.",
        "es": "No podemos atender llamadas de este número.",
    },
    "wait-short": {
        "pt-BR": "Sua espera será de até um minuto.",
        "en": "Your wait will be up to one minute.",
        "es": "Su espera será de hasta un minuto.",
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
    "message-short": {
        "pt-BR": "Não ouvimos nada. Fale depois do sinal.",
        "en": "We did not hear anything. Please speak after the tone.",
        "es": "No escuchamos nada. Hable después de la señal.",
    },
    "message-review": {
        "pt-BR": "Para guardar o recado, tecle um ou desligue. Para gravar de novo, tecle dois. "
        "Para ouvir, tecle três.",
        "en": "To keep your message, press one or hang up. To record it again, press two. To hear it, press three.",
        "es": "Para guardar el mensaje, marque uno o cuelgue. Para grabar otra vez, marque dos. "
        "Para oírlo, marque tres.",
    },
    "message-full": {
        "pt-BR": "Agora não podemos gravar recados. Vamos retornar a sua ligação.",
        "en": "We cannot take messages right now. We will call you back.",
        "es": "En este momento no podemos grabar mensajes. Le devolveremos la llamada.",
    },
    "message-keys": {
        "pt-BR": "Um, ouvir de novo. Dois, próximo. Três, apagar. Quatro, ligar de volta. Cinco, já retornado.",
        "en": "One, hear again. Two, next. Three, delete. Four, call back. Five, already returned.",
        "es": "Uno, oír otra vez. Dos, siguiente. Tres, borrar. Cuatro, devolver la llamada. Cinco, ya devuelto.",
    },
    "message-from-nobody": {
        "pt-BR": "Número desconhecido.",
        "en": "Unknown number.",
        "es": "Número desconocido.",
    },
    "message-gone": {
        "pt-BR": "O som deste recado não existe mais.",
        "en": "The sound of this message is gone.",
        "es": "El sonido de este mensaje ya no existe.",
    },
    "message-returned": {
        "pt-BR": "Marcado como retornado.",
        "en": "Marked as returned.",
        "es": "Marcado como devuelto.",
    },
    "message-deleted": {
        "pt-BR": "Recado apagado.",
        "en": "Message deleted.",
        "es": "Mensaje borrado.",
    },
    "message-not-yours": {
        "pt-BR": "Você não pode ouvir estes recados.",
        "en": "You may not hear these messages.",
        "es": "Usted no puede oír estos mensajes.",
    },
    "messages-end": {
        "pt-BR": "Não há mais recados.",
        "en": "No more messages.",
        "es": "No hay más mensajes.",
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
    "enter-code": {
        "pt-BR": "Digite o seu código e tecle jogo da velha.",
        "en": "Enter your code, then hash.",
        "es": "Marque su código y luego la tecla numeral.",
    },
    "not-supervisor": {
        "pt-BR": "Só supervisores podem fazer isto.",
        "en": "Only supervisors may do this.",
        "es": "Solo los supervisores pueden hacer esto.",
    },
    "agent-not-here": {
        "pt-BR": "Este atendente não está em serviço.",
        "en": "This agent is not logged in.",
        "es": "Este agente no está en servicio.",
    },
    "agent-not-talking": {
        "pt-BR": "Este atendente não está em ligação.",
        "en": "This agent is not on a call.",
        "es": "Este agente no está en una llamada.",
    },
    "agent-paused": {
        "pt-BR": "Atendente em pausa.",
        "en": "The agent is paused.",
        "es": "El agente está en pausa.",
    },
    "agent-resumed": {
        "pt-BR": "Atendente disponível.",
        "en": "The agent is available again.",
        "es": "El agente está disponible.",
    },
    "agent-logged-out": {
        "pt-BR": "Atendente fora de serviço.",
        "en": "The agent is logged out.",
        "es": "El agente salió de servicio.",
    },
    "callback-offer": {
        "pt-BR": "A espera está longa. Para receber uma ligação sem perder o seu lugar na fila, tecle um. "
        "Para esperar, continue na linha.",
        "en": "The wait is long. To be called back without losing your place, press one. To wait, stay on the line.",
        "es": "La espera es larga. Para que le llamemos sin perder su lugar, marque uno. "
        "Para esperar, permanezca en la línea.",
    },
    "callback-choose": {
        "pt-BR": "Para confirmar, tecle um. Para outro número, tecle dois. Para voltar à fila, tecle três.",
        "en": "To confirm, press one. For another number, press two. To go back to the queue, press three.",
        "es": "Para confirmar, marque uno. Para otro número, marque dos. Para volver a la cola, marque tres.",
    },
    "callback-enter": {
        "pt-BR": "Digite o número com código de área e tecle jogo da velha.",
        "en": "Enter the number with its area code, then hash.",
        "es": "Marque el número con código de área y luego la tecla numeral.",
    },
    "callback-wrong": {
        "pt-BR": "Não podemos ligar para este número.",
        "en": "We cannot call this number.",
        "es": "No podemos llamar a este número.",
    },
    "callback-noted": {
        "pt-BR": "Anotado. O seu lugar na fila está guardado; ligaremos na sua vez. Até logo.",
        "en": "Noted. Your place is kept; we will call when it is your turn. Goodbye.",
        "es": "Anotado. Su lugar está guardado; le llamaremos cuando sea su turno. Hasta luego.",
    },
    "callback-taken": {
        "pt-BR": "Já anotamos um pedido para este número e o lugar na fila está guardado. Até logo.",
        "en": "A call to this number is already noted and its place is kept. Goodbye.",
        "es": "Ya anotamos una llamada a este número y su lugar está guardado. Hasta luego.",
    },
    "callback-full": {
        "pt-BR": "Não podemos anotar mais pedidos agora. O seu lugar na fila continua guardado.",
        "en": "We cannot note any more calls back now. You keep your place in the queue.",
        "es": "No podemos anotar más llamadas ahora. Usted conserva su lugar en la cola.",
    },
    "callback-here": {
        "pt-BR": "Este é o retorno que você pediu. Um momento, por favor.",
        "en": "This is the call back you asked for. One moment, please.",
        "es": "Esta es la llamada que pidió. Un momento, por favor.",
    },
    "callback-unreached": {
        "pt-BR": "O cliente não atendeu.",
        "en": "The customer did not answer.",
        "es": "El cliente no contestó.",
    },
    "missed-paused": {
        "pt-BR": "Você não atendeu várias chamadas e está em pausa. Para voltar, disque asterisco, quatro, oito.",
        "en": "You missed several calls and are paused. To come back, dial star four eight.",
        "es": "No contestó varias llamadas y está en pausa. Para volver, marque asterisco cuatro ocho.",
    },
    "pause-too-long": {
        "pt-BR": "A sua pausa passou do tempo. Para voltar, disque asterisco, quatro, oito.",
        "en": "Your pause has taken longer than planned. To come back, dial star four eight.",
        "es": "Su pausa ha superado el tiempo previsto. Para volver, marque asterisco cuatro ocho.",
    },
    "no-wrap-up": {
        "pt-BR": "Você não está em pós-atendimento.",
        "en": "You are not in wrap-up.",
        "es": "No está en tiempo de cierre.",
    },
    "wrap-up-longer": {
        "pt-BR": "Pós-atendimento prolongado.",
        "en": "Your wrap-up is longer now.",
        "es": "Tiempo de cierre prolongado.",
    },
    "wrap-up-limit": {
        "pt-BR": "O pós-atendimento não pode durar mais. Use uma pausa.",
        "en": "Wrap-up cannot last any longer. Please use a pause.",
        "es": "El tiempo de cierre no puede durar más. Use una pausa.",
    },
    "disposition-kept": {
        "pt-BR": "Anotado.",
        "en": "Noted.",
        "es": "Anotado.",
    },
    "no-last-call": {
        "pt-BR": "Não há chamada para classificar.",
        "en": "There is no call to classify.",
        "es": "No hay ninguna llamada para clasificar.",
    },
    "not-your-button": {
        "pt-BR": "Este botão é de outro atendente.",
        "en": "This button belongs to another agent.",
        "es": "Este botón es de otro agente.",
    },
    "card-lamp-only": {
        "pt-BR": "Esta tecla só mostra a luz. Durante a conversa, tecle o código do cartão.",
        "en": "This key only shows the lamp. During the call, press the card code.",
        "es": "Esta tecla solo muestra la luz. Durante la llamada, marque el código de la tarjeta.",
    },
    "night-closed": {
        "pt-BR": "Atendimento fechado até a próxima abertura.",
        "en": "Closed until the next opening.",
        "es": "Cerrado hasta la próxima apertura.",
    },
    "night-open": {
        "pt-BR": "Atendimento aberto até o próximo fechamento.",
        "en": "Open until the next closing.",
        "es": "Abierto hasta el próximo cierre.",
    },
    "night-closed-kept": {
        "pt-BR": "Atendimento fechado até que alguém volte ao horário normal.",
        "en": "Closed until somebody goes back to the usual hours.",
        "es": "Cerrado hasta que alguien vuelva al horario normal.",
    },
    "night-open-kept": {
        "pt-BR": "Atendimento aberto até que alguém volte ao horário normal.",
        "en": "Open until somebody goes back to the usual hours.",
        "es": "Abierto hasta que alguien vuelva al horario normal.",
    },
    "night-auto": {
        "pt-BR": "De volta ao horário normal.",
        "en": "Back to the usual hours.",
        "es": "De vuelta al horario normal.",
    },
    "unknown-code": {
        "pt-BR": "Este número não existe.",
        "en": "There is no such number.",
        "es": "Este número no existe.",
    },
    "unknown-campaign": {
        "pt-BR": "Nenhuma campanha tem este código.",
        "en": "No campaign has this code.",
        "es": "Ninguna campaña tiene este código.",
    },
    "outside-not-allowed": {
        "pt-BR": "Este telefone não faz ligações externas.",
        "en": "This phone may not call outside.",
        "es": "Este teléfono no puede llamar al exterior.",
    },
    "outside-national-only": {
        "pt-BR": "Ligações internacionais não são permitidas.",
        "en": "International calls are not allowed.",
        "es": "Las llamadas internacionales no están permitidas.",
    },
    "outside-premium": {
        "pt-BR": "Ligações para este número não são permitidas.",
        "en": "Calls to this number are not allowed.",
        "es": "Las llamadas a este número no están permitidas.",
    },
    "outside-unknown": {
        "pt-BR": "Este número não está completo. Confira e disque de novo.",
        "en": "This number is not complete. Check it and dial again.",
        "es": "Este número no está completo. Verifíquelo y marque de nuevo.",
    },
    "outside-loop": {
        "pt-BR": "Esta ligação já foi encaminhada vezes demais.",
        "en": "This call was sent on too many times.",
        "es": "Esta llamada ya fue desviada demasiadas veces.",
    },
    "dnd-on": {
        "pt-BR": "Não perturbe ligado.",
        "en": "Do not disturb is on.",
        "es": "No molestar activado.",
    },
    "dnd-off": {
        "pt-BR": "Não perturbe desligado.",
        "en": "Do not disturb is off.",
        "es": "No molestar desactivado.",
    },
    "forward-off": {
        "pt-BR": "Desvio desligado.",
        "en": "Forwarding is off.",
        "es": "Desvío desactivado.",
    },
    "nothing-rings": {
        "pt-BR": "Nenhuma ligação está tocando.",
        "en": "No call is ringing.",
        "es": "No hay ninguna llamada sonando.",
    },
    "agent-away": {
        "pt-BR": "Este atendente não está em serviço.",
        "en": "This agent is not logged in.",
        "es": "Este agente no ha entrado.",
    },
    "no-line": {
        "pt-BR": "Nenhuma linha está disponível. Tente de novo em instantes.",
        "en": "No line is available. Please try again shortly.",
        "es": "Ninguna línea está disponible. Intente de nuevo en unos instantes.",
    },
    "echo": {
        "pt-BR": "Teste de eco. Fale e escute a sua voz.",
        "en": "Echo test. Speak and hear yourself.",
        "es": "Prueba de eco. Hable y escuche su voz.",
    },
    "survey-intro": {
        "pt-BR": "Antes de desligar, avalie o nosso atendimento. Leva menos de um minuto.",
        "en": "Before you go, please rate our service. It takes less than a minute.",
        "es": "Antes de colgar, califique nuestra atención. Toma menos de un minuto.",
    },
    "survey-csat": {
        "pt-BR": "De um a cinco, que nota você dá ao atendimento? Um é muito ruim, cinco é muito bom.",
        "en": "From one to five, how would you rate this call? One is very bad, five is very good.",
        "es": "Del uno al cinco, ¿cómo califica la atención? Uno es muy mala, cinco es muy buena.",
    },
    "survey-nps": {
        "pt-BR": "De zero a dez, quanto você nos recomendaria a um amigo? Para dez, tecle asterisco.",
        "en": "From zero to ten, how likely are you to recommend us to a friend? For ten, press star.",
        "es": "Del cero al diez, ¿cuánto nos recomendaría a un amigo? Para diez, marque asterisco.",
    },
    "survey-resolved": {
        "pt-BR": "O seu assunto foi resolvido? Tecle um para sim, dois para não.",
        "en": "Has your matter been resolved? Press one for yes, two for no.",
        "es": "¿Se resolvió su asunto? Marque uno para sí, dos para no.",
    },
    "survey-sentence": {
        "pt-BR": "Se quiser, deixe uma frase depois do sinal. Para terminar, desligue ou tecle jogo da velha.",
        "en": "If you like, leave us a sentence after the tone. To finish, hang up or press hash.",
        "es": "Si quiere, deje una frase después de la señal. Para terminar, cuelgue o marque numeral.",
    },
    "survey-thanks": {
        "pt-BR": "Obrigado pela sua opinião.",
        "en": "Thank you for your opinion.",
        "es": "Gracias por su opinión.",
    },
    "prompt-number": {
        "pt-BR": "Digite os quatro números da frase.",
        "en": "Enter the four digits of the sentence.",
        "es": "Marque los cuatro números de la frase.",
    },
    "prompt-now": {
        "pt-BR": "Para gravar outra, tecle dois. Para ouvir a voz da máquina de novo no lugar dela, tecle três.",
        "en": "To record another one, press two. To have the machine's voice again, press three.",
        "es": "Para grabar otra, marque dos. Para volver a la voz de la máquina, marque tres.",
    },
    "prompt-record": {
        "pt-BR": "Fale depois do sinal e tecle jogo da velha.",
        "en": "Speak after the tone, then press hash.",
        "es": "Hable después de la señal y marque la tecla numeral.",
    },
    "prompt-choose": {
        "pt-BR": "Para guardar, tecle um. Para gravar de novo, tecle dois. Para voltar à voz da máquina, tecle três.",
        "en": "To keep it, press one. To record again, press two. To have the machine's voice again, press three.",
        "es": "Para guardar, marque uno. Para grabar de nuevo, marque dos. Para volver a la voz de la máquina, "
        "marque tres.",
    },
    "prompt-kept": {
        "pt-BR": "Guardado. A partir de agora é esta que se ouve.",
        "en": "Kept. This is what callers hear from now on.",
        "es": "Guardado. Desde ahora se oye esta.",
    },
    "prompt-machine": {
        "pt-BR": "A máquina volta a falar esta frase.",
        "en": "The machine speaks this sentence again.",
        "es": "La máquina vuelve a decir esta frase.",
    },
    "record-notice": {
        "pt-BR": "Esta ligação pode ser gravada.",
        "en": "This call may be recorded.",
        "es": "Esta llamada puede ser grabada.",
    },
    "record-object": {
        "pt-BR": "Se você não concorda, tecle",
        "en": "If you do not agree, press",
        "es": "Si no está de acuerdo, marque",
    },
    "record-objected": {
        "pt-BR": "Esta ligação não será gravada.",
        "en": "This call will not be recorded.",
        "es": "Esta llamada no será grabada.",
    },
    "prompt-empty": {
        "pt-BR": "Não ouvi nada.",
        "en": "I heard nothing.",
        "es": "No oí nada.",
    },
    "prompt-failed": {
        "pt-BR": "Não foi possível guardar. Nada mudou.",
        "en": "It could not be kept. Nothing has changed.",
        "es": "No se pudo guardar. Nada ha cambiado.",
    },
}

_ASTERISK: dict[str, dict[Language, str]] = {
    "queue-youarenext": {"pt-BR": "Você é o próximo da fila.", "es": "Usted es el siguiente."},
    "queue-thereare": {"pt-BR": "Você é o número", "es": "Usted es el número"},
    "queue-callswaiting": {"pt-BR": "na fila de espera.", "es": "en la cola de espera."},
    "pbx-invalidpark": {
        "pt-BR": "Não há ligação estacionada neste lugar.",
        "es": "No hay ninguna llamada estacionada en este lugar.",
    },
    "pbx-parkingfailed": {
        "pt-BR": "Não há lugar livre para estacionar a ligação.",
        "es": "No hay lugar libre para estacionar la llamada.",
    },
    "queue-thankyou": {"pt-BR": "Por favor, aguarde.", "es": "Por favor, espere."},
}
_SPOKEN_AS_FIGURES: dict[Language, tuple[int, ...]] = {
    # What SayDigits would ask for; numbers, also app_queue's, are spoken by say.conf.
    "pt-BR": tuple(range(10)),
    "es": tuple(range(10)),
    "en": (),
}


def office_prompt(text: str, language: Language) -> str:
    """The path of a text of the office file."""
    digest = hashlib.sha256(f"{language}\n{text}".encode()).hexdigest()[:20]
    return f"office/{digest}"


def spoken(office: Office) -> tuple[Language, ...]:
    """The languages callers may hear, the office's own first."""
    return tuple(dict.fromkeys((office.language, *office.languages)))


def text_prompt(text: str, others: tuple[Saying, ...], office: Office) -> str:
    """The path of a text that may be said in several languages: then a ``*`` stands for the language's folder, always
    the last one.

    All texts together give the digest, so that changing one of them never plays half of each.
    """
    heard = [saying for saying in others if saying.language in spoken(office)]
    if not heard:
        return office_prompt(text, office.language)
    both = "\n".join([office.language, text, *(f"{saying.language}\n{saying.text}" for saying in heard)])
    return f"office/*/{hashlib.sha256(both.encode()).hexdigest()[:20]}"


def _texts(office: Office) -> Iterator[tuple[str, tuple[Saying, ...]]]:
    """What callers hear of the office file itself."""
    yield from ((number.greeting, number.greeting_in) for number in office.numbers if number.greeting)
    yield from ((menu.text, menu.text_in) for menu in office.menus)
    yield from ((reason.title, ()) for reason in office.pauses)
    yield from ((disposition_menu(queue, office.language), ()) for queue in office.queues if queue.dispositions)
    yield from ((title_of(queue), ()) for queue in office.queues if queue.whisper)
    for box in office.voicemails:
        yield from ((text, others) for text, others in greetings_of(box) if text)
    yield from (said for survey in office.surveys for part in SURVEY_PARTS if (said := survey.said(part))[0])


def greetings_of(box: Voicemail) -> tuple[tuple[str, tuple[Saying, ...]], ...]:
    """What a box says before the tone: open, closed; a text may be empty."""
    return (box.greeting, box.greeting_in), (box.closed_greeting, box.closed_greeting_in)


def needed(office: Office) -> Iterator[Prompt]:
    """Every prompt this office can play, in a stable order, none twice."""
    for language in spoken(office):
        yield from _own(language)
    made: set[str] = set()
    for text, others in _texts(office):
        path = text_prompt(text, others, office)
        if path in made:
            continue
        made.add(path)
        said: dict[Language, str] = {saying.language: saying.text for saying in others}
        for language in spoken(office) if "*" in path else (office.language,):
            # A language without a text of its own hears the office's, in the office's voice.
            voice = language if language in said else office.language
            yield Prompt(path.replace("*", FOLDER[language]), voice, said.get(language, text))


def fallbacks(office: Office) -> Iterator[tuple[str, str]]:
    """What is played where a language has no file: (path, path of the same in the office's language), no suffixes."""
    own = FOLDER[office.language]
    yield from ((name, f"{own}/{name}") for name in _SENTENCES)
    for text, others in _texts(office):
        path = text_prompt(text, others, office)
        if "*" in path:
            yield path.replace("*/", ""), path.replace("*", own)


def _own(language: Language) -> Iterator[Prompt]:
    """Our own sentences and Asterisk's words in one language."""
    for name, texts in _SENTENCES.items():
        yield Prompt(f"{FOLDER[language]}/{name}", language, texts[language])
    for piece in all_pieces(language):
        silences_s = (piece.lead_s, piece.pause_s)
        yield Prompt(f"{FOLDER[language]}/{piece.path}", language, piece.text, piece.spelt, silences_s)
    for name, words in _ASTERISK.items():
        if language in words:
            yield Prompt(f"{FOLDER[language]}/asterisk/{name}", language, words[language])
    for figure in _SPOKEN_AS_FIGURES[language]:
        yield Prompt(f"{FOLDER[language]}/asterisk/digits/{figure}", language, str(figure))
