"""Municipal holidays of the 27 Brazilian capitals, by IBGE code. Pure data.

Source: the cities' own holiday laws as commonly published (federal law 9.093/1995 lets a city have up to four religious
days, Good Friday among them), compiled by hand in 2026 and deliberately short: a day stands here only when it is well
known as a *holiday* of that city, not as a “ponto facultativo” that each year's decree may change. Days that the
holidays library already gives to the state are not repeated. What is missing or has changed goes into the office file
as ``[[holiday]]``; a day that stands here wrongly is worked by ``dates`` of the hours.
"""

CORPUS_CHRISTI = "corpus-christi"
"""Stands for the Thursday 60 days after Easter."""

CAPITALS: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]] = {
    # IBGE: (state, city, ((month-day, name), …))
    "1100205": ("RO", "Porto Velho", (("05-24", "Nossa Senhora Auxiliadora"), ("10-02", "Aniversário de Porto Velho"))),
    "1200401": ("AC", "Rio Branco", (("12-28", "Aniversário de Rio Branco"),)),
    "1302603": ("AM", "Manaus", (("10-24", "Aniversário de Manaus"), ("12-08", "Nossa Senhora da Conceição"))),
    "1400100": ("RR", "Boa Vista", (("01-20", "São Sebastião"), ("07-09", "Aniversário de Boa Vista"))),
    "1501402": ("PA", "Belém", (("01-12", "Aniversário de Belém"), ("12-08", "Nossa Senhora da Conceição"))),
    "1600303": ("AP", "Macapá", (("02-04", "Aniversário de Macapá"),)),
    "1721000": ("TO", "Palmas", (("03-19", "São José"), ("05-20", "Aniversário de Palmas"))),
    "2111300": (
        "MA",
        "São Luís",
        (("06-29", "São Pedro"), ("09-08", "Aniversário de São Luís"), ("12-08", "Nossa Senhora da Conceição")),
    ),
    "2211001": ("PI", "Teresina", (("08-16", "Aniversário de Teresina"), ("12-08", "Nossa Senhora da Conceição"))),
    "2304400": ("CE", "Fortaleza", (("08-15", "Nossa Senhora da Assunção"),)),
    "2408102": ("RN", "Natal", (("01-06", "Santos Reis"), ("11-21", "Nossa Senhora da Apresentação"))),
    "2507507": (
        "PB",
        "João Pessoa",
        (("06-24", "São João"), ("08-05", "Nossa Senhora das Neves"), ("12-08", "Nossa Senhora da Conceição")),
    ),
    "2611606": (
        "PE",
        "Recife",
        (("06-24", "São João"), ("07-16", "Nossa Senhora do Carmo"), ("12-08", "Nossa Senhora da Conceição")),
    ),
    "2704302": ("AL", "Maceió", (("08-27", "Nossa Senhora dos Prazeres"),)),
    "2800308": (
        "SE",
        "Aracaju",
        (("03-17", "Aniversário de Aracaju"), ("06-24", "São João"), ("12-08", "Nossa Senhora da Conceição")),
    ),
    "2927408": ("BA", "Salvador", (("06-24", "São João"), ("12-08", "Nossa Senhora da Conceição da Praia"))),
    "3106200": (
        "MG",
        "Belo Horizonte",
        ((CORPUS_CHRISTI, "Corpus Christi"), ("08-15", "Assunção de Nossa Senhora"), ("12-08", "Imaculada Conceição")),
    ),
    "3205309": ("ES", "Vitória", (("09-08", "Nossa Senhora da Vitória"),)),
    "3304557": ("RJ", "Rio de Janeiro", (("01-20", "São Sebastião"),)),
    "3550308": ("SP", "São Paulo", (("01-25", "Aniversário de São Paulo"), (CORPUS_CHRISTI, "Corpus Christi"))),
    "4106902": ("PR", "Curitiba", ((CORPUS_CHRISTI, "Corpus Christi"), ("09-08", "Nossa Senhora da Luz"))),
    "4205407": ("SC", "Florianópolis", (("03-23", "Aniversário de Florianópolis"),)),
    "4314902": ("RS", "Porto Alegre", (("02-02", "Nossa Senhora dos Navegantes"), (CORPUS_CHRISTI, "Corpus Christi"))),
    "5002704": ("MS", "Campo Grande", (("06-13", "Santo Antônio"), ("08-26", "Aniversário de Campo Grande"))),
    "5103403": ("MT", "Cuiabá", (("04-08", "Aniversário de Cuiabá"),)),
    "5208707": ("GO", "Goiânia", (("05-24", "Nossa Senhora Auxiliadora"), ("10-24", "Aniversário de Goiânia"))),
    "5300108": ("DF", "Brasília", ()),
}
