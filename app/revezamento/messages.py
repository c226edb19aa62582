"""The messages and labels that people read, in Portuguese and English."""

from typing import Literal

Language = Literal["pt", "en"]

Message = Literal[
    "bad_credentials",
    "bad_request",
    "cross_site",
    "internal",
    "login_failed",
    "method_not_allowed",
    "no_such_session",
    "not_found",
    "not_logged_in",
    "overloaded",
    "too_large",
    "too_many_failures",
    "unavailable",
    "unknown_content",
]

MESSAGES: dict[Message, dict[Language, str]] = {
    "bad_credentials": {
        "pt": "Envie usuario (até 64 caracteres) e senha (até 128 caracteres), ambos como texto.",
        "en": "Send usuario (up to 64 characters) and senha (up to 128 characters), both as text.",
    },
    "bad_request": {
        "pt": "Não foi possível entender a requisição.",
        "en": "The request could not be understood.",
    },
    "cross_site": {
        "pt": "Esta requisição veio de outro site e foi recusada.",
        "en": "This request came from another site and was refused.",
    },
    "internal": {
        "pt": "Algo deu errado do nosso lado.",
        "en": "Something went wrong on our side.",
    },
    "login_failed": {
        "pt": "Usuário ou senha incorretos.",
        "en": "Wrong username or password.",
    },
    "method_not_allowed": {
        "pt": "Este endereço não aceita esse método.",
        "en": "This address does not accept that method.",
    },
    "no_such_session": {
        "pt": "Você não tem esta sessão; talvez ela já tenha terminado.",
        "en": "You have no such session; it may have ended already.",
    },
    "not_found": {
        "pt": "Não há nada neste endereço.",
        "en": "There is nothing at this address.",
    },
    "not_logged_in": {
        "pt": "Você não está conectado.",
        "en": "You are not logged in.",
    },
    "overloaded": {
        "pt": "Muitas pessoas estão entrando agora. Tente de novo em instantes.",
        "en": "Many people are logging in right now. Try again in a moment.",
    },
    "too_large": {
        "pt": "A requisição é grande demais.",
        "en": "The request is too large.",
    },
    "too_many_failures": {
        "pt": "Muitas tentativas. Espere um pouco antes de tentar de novo.",
        "en": "Too many attempts. Wait a while before trying again.",
    },
    "unavailable": {
        "pt": "Serviço temporariamente indisponível; ninguém foi desconectado. Tente de novo em instantes.",
        "en": "Service temporarily unavailable; nobody was logged out. Try again in a moment.",
    },
    "unknown_content": {
        "pt": "Envie um formulário ou JSON.",
        "en": "Send a form or JSON.",
    },
}

Label = Literal[
    "client_unknown",
    "created",
    "email",
    "end",
    "expires",
    "home",
    "last_used",
    "log_in",
    "log_out",
    "log_out_everywhere",
    "name",
    "not_shown",
    "own_sessions",
    "password",
    "profile",
    "server",
    "session",
    "this_session",
    "user",
    "visits",
]

LABELS: dict[Language, dict[Label, str]] = {
    "pt": {
        "client_unknown": "Programa desconhecido",
        "created": "Sessão criada em",
        "email": "E-mail",
        "end": "Encerrar",
        "expires": "Sessão expira em",
        "home": "Página inicial",
        "last_used": "Último uso",
        "log_in": "Entrar",
        "log_out": "Sair",
        "log_out_everywhere": "Sair de todas as sessões",
        "name": "Nome",
        "not_shown": "Sessões que não aparecem aqui",
        "own_sessions": "Suas sessões",
        "password": "Senha",
        "profile": "Perfil",
        "server": "Respondido por",
        "session": "Sessão",
        "this_session": "esta sessão",
        "user": "Usuário",
        "visits": "Visitas",
    },
    "en": {
        "client_unknown": "Unknown program",
        "created": "Session created at",
        "email": "E-mail",
        "end": "End",
        "expires": "Session expires at",
        "home": "Home page",
        "last_used": "Last used",
        "log_in": "Log in",
        "log_out": "Log out",
        "log_out_everywhere": "Log out everywhere",
        "name": "Name",
        "not_shown": "Sessions not shown here",
        "own_sessions": "Your sessions",
        "password": "Password",
        "profile": "Profile",
        "server": "Answered by",
        "session": "Session",
        "this_session": "this session",
        "user": "Username",
        "visits": "Visits",
    },
}
