"""Common names of fields that contain text."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["CONTENT", "IDENTIFIERS", "MORE_CONTENT", "MORE_TITLES", "TITLES", "is_identifier", "plain_name", "usual"]

TITLES = ("title", "name")
"""The first of these with a text is the title; it leaves the metadata."""
MORE_TITLES = (
    "headline", "subject", "heading", "label", "caption", "displayname", "fullname", "productname", "itemname",
    "producttitle", "posttitle", "pagetitle", "titel", "bezeichnung", "betreff", "uberschrift", "titre", "nom", "sujet",
    "titulo", "nombre", "asunto", "titolo", "oggetto", "nome", "assunto", "naam", "onderwerp", "rubrik", "navn", "namn",
    "tytul", "nazwa", "название", "наименование", "заголовок", "тема",
)  # fmt: skip
"""The title where none of `TITLES` has a text. They stay in the metadata."""

CONTENT = ("content", "body", "description", "text")
"""Those of these with a text are the content, in this order, a line break between them; they leave the metadata."""
MORE_CONTENT = (
    "summary", "abstract", "excerpt", "message", "details", "comment", "comments", "notes", "note", "answer",
    "question", "review", "bodyhtml", "bodytext", "contenthtml", "descriptionhtml", "longdescription",
    "shortdescription", "productdescription", "postcontent", "postbody", "postexcerpt", "plaintext", "fulltext",
    "beschreibung", "inhalt", "nachricht", "zusammenfassung", "anmerkung", "texte", "contenu", "resume",
    "descripcion", "contenido", "texto", "mensaje", "resumen", "descrizione", "contenuto", "testo", "messaggio",
    "descricao", "conteudo", "mensagem", "omschrijving", "inhoud", "tekst", "bericht", "beskrivning",
    "beskrivelse", "innehall", "opis", "tresc", "описание", "содержание", "текст", "сообщение",
)  # fmt: skip
"""The content where none of `CONTENT` has a text, as `CONTENT` otherwise. Short ones stay in the metadata too."""

IDENTIFIERS = frozenset((
    "id", "sku", "ean", "gtin", "isbn", "issn", "upc", "mpn", "asin", "barcode", "phone", "phonenumber",
    "telephone", "telephonenumber", "tel", "telefon", "telefonnummer", "telefono", "telefone", "mobile", "mobil",
    "mobilephone", "mobilenumber", "mobilnummer", "mobiltelefon", "handy", "handynummer", "cell", "cellphone", "movil",
    "celular", "portable", "homephone", "workphone", "телефон", "fax", "faxnummer", "faxnumber", "zip", "zipcode",
    "postcode", "postalcode", "postleitzahl", "plz", "codepostal", "codigopostal", "iban", "bic", "vat", "vatid",
    "vatnumber", "serial", "serialnumber", "seriennummer", "articlenumber", "artikelnummer", "partnumber", "itemnumber",
    "customernumber", "kundennummer", "ordernumber", "bestellnummer", "accountnumber", "kontonummer", "trackingnumber",
))  # fmt: skip
"""Columns whose digits are usually not quantities: they stay texts."""


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """Normalise a field's name: no case, accents, blanks or punctuation. `Body (HTML)` is `bodyhtml`."""
    folded = unicodedata.normalize("NFKD", name.casefold())
    return re.sub(r"[\W_]+", "", "".join(letter for letter in folded if not unicodedata.combining(letter)))


def is_identifier(name: str) -> bool:
    """Whether a column of this name holds identifiers, also where it is numbered: `Phone 2`, `ISBN-13`."""
    return plain_name(name).rstrip("0123456789") in IDENTIFIERS


def usual() -> str:
    """Return the most common names, for messages."""
    return ", ".join((*TITLES, *MORE_TITLES[:3], *CONTENT, *MORE_CONTENT[:4]))
