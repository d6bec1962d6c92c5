"""Common names of fields that contain text."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["CONTENT", "IDENTIFIERS", "MORE_CONTENT", "MORE_TITLES", "TITLES", "plain_name", "usual"]

TITLES = ("title", "name")
"""The first of these with a text is the title; it leaves the metadata."""
MORE_TITLES = (
    "headline", "subject", "heading", "label", "caption", "displayname", "fullname", "productname", "itemname",
    "producttitle", "posttitle", "pagetitle", "titel", "bezeichnung", "betreff", "uberschrift", "titre", "nom", "sujet",
    "titulo", "nombre", "asunto", "titolo", "oggetto", "nome", "assunto", "naam", "onderwerp", "rubrik", "navn", "namn",
    "tytul", "nazwa",
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
    "beskrivelse", "innehall", "opis", "tresc",
)  # fmt: skip
"""The content where none of `CONTENT` has a text, as `CONTENT` otherwise. Short ones stay in the metadata too."""

IDENTIFIERS = frozenset((
    "id", "sku", "ean", "gtin", "isbn", "issn", "upc", "mpn", "asin", "barcode", "phone", "phonenumber",
    "telephone", "tel", "telefon", "mobile", "fax", "zip", "zipcode", "postcode", "postalcode", "plz", "iban",
    "bic", "vat", "vatid", "serial", "serialnumber",
))  # fmt: skip
"""Columns whose digits are usually not quantities: they stay texts."""


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """Normalise a field's name: no case, accents, blanks or punctuation. `Body (HTML)` is `bodyhtml`."""
    folded = unicodedata.normalize("NFKD", name.casefold())
    return re.sub(r"[\W_]+", "", "".join(letter for letter in folded if not unicodedata.combining(letter)))


def usual() -> str:
    """Return the most common names, for messages."""
    return ", ".join((*TITLES, *MORE_TITLES[:3], *CONTENT, *MORE_CONTENT[:4]))
