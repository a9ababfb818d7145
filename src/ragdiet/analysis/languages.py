"""What differs between languages: stop words, which accents matter, capital I, the decimal sign.

Stop lists are short and hold closed-class words alone (articles, prepositions, conjunctions, pronouns, forms of
"to be"), for English as in Lucene: BM25's idf already discounts what is common, so a list saves room and time and
hardly changes an order, while each word on it can no longer be asked for. Languages without one are served by idf.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

_STOP_WORDS = {
    "english": "a an and are as at be but by for if in into is it no not of on or such that the their then there "
    "these they this to was will with",
    "german": "am an auf aus bei das dass dem den der des die ein eine einem einen einer eines er es für hat ich "
    "ihr im in ist man mit nach nicht oder sich sie sind so über um und uns von vor war wenn wir wird zu zum zur",
    "french": "au aux avec ce ces cet cette dans de des du elle elles en est et eu il ils je la le les leur leurs "
    "lui ma mais me mes mon ne nos notre nous on ou par pas pour qu que qui sa se ses son sont sur ta te tes ton "
    "tu un une vos votre vous",
    "spanish": "al como con de del el ella ellas ellos en era es esta este ha la las le les lo los más me mi muy "
    "ni no nos o para pero por que se sin son su sus te tu un una unas uno unos y ya yo",
    "italian": "ad agli ai al alla alle allo anche che chi ci col con da dagli dai dal dall dalla dalle de degli "
    "dei del dell della delle dello di ed era gli ha ho il in io la le lei li lo loro lui ma mi ne nei nel nell "
    "nella nelle nello noi non per più se si sia sono su sui sul sull sulla sulle sullo ti tra tu un una uno vi "
    "voi",
    "portuguese": "ao aos as com da das de do dos ela elas ele eles em era essa esse esta este eu foi há isso "
    "isto já lhe mais mas me na nas no nos não nós os ou para pela pelas pelo pelos por que se sem ser seu seus "
    "sua suas são te um uma umas uns você",
    "catalan": "al als amb de del dels el els en és es està ha hi la les li me més ni no nos per però pel pels "
    "que se si són ta un una uns unes va",
    "romanian": "ai al ale am ar au ca cea cei cel ce cu de din după ea ei el este eu fi fost în îi îl la le lor "
    "lui mai ne nu pe pentru prin sa sau se și sunt un unei unui va vă",
    "dutch": "aan als bij dan dat de die dit door een en er had heb het hij hun ik in is je maar me men met mijn "
    "naar niet nog of om onder ons ook op over te tot uit van voor was wat we wij worden wordt ze zich zij zijn "
    "zo zou",
    "swedish": "att av blir de dem den denna dess det detta din du där eller en ett från för ha han har hon hos i "
    "icke inte jag kan med men mig mot ni något när och om oss på sig sin som så till under upp ut var vi vid än "
    "är",
    "danish": "af at da de dem den denne der det dette dig din du eller en er et for fra har han hun hvis i ikke "
    "jeg kan man med men mig mod ned når og om op os på sig sin skal som så til ud var ved vi vil være",
    "norwegian": "at av da de dem den denne der det dette du eller en er et for fra ha han har hun hvis i ikke "
    "jeg kan man med men meg mot ned når og om opp oss på seg sin skal som så til ut var ved vi vil være å",
    "finnish": "ei eivät en että he hän ja jo joka jos jotka kanssa kun me mikä minä mutta myös ne niin nyt oli "
    "olen ollut on ovat se sekä sen siitä sinä sitä tai te tämä tämän vaan vain",
    "russian": "без бы был была были было быть во вот все вы да для до его ее ей если есть еще же за из или им их "
    "как ко когда которые который ли мне мы на не него нее нет ни но об он она они оно от по под при со так то "
    "того той только ты уже что чтобы эта эти это этот",
    "polish": "ale ani bo by być była był było czy dla do go gdy ich im jak jako jego jej jest jeszcze już ku lub "
    "ma mi na nad nie niż od on ona oni po pod przed przez przy są się ta tak ten też to tu tylko tym we za ze że",
    "czech": "ale ani až bez by byl byla bylo být do ho je jeho její jejich jen ještě již jsem jsou jako jak kde "
    "když která které který ke mezi na nad nebo není od po pod podle pro proti před při se si tak také tento to "
    "tu už ve však za ze že",
    "turkish": "ama bir biz bu da daha de değil en gibi hem her için ile ise ki mi mu mı mü ne o ya ve veya çok şu",
    "hungarian": "az be ben csak de egy el és ez ezt ha hogy is kell ki le meg mert mi mint nem se sem vagy van volt",
    "greek": "από αυτό αυτός για δεν είναι ένα ένας και κατά με μετά μια να ο οι όμως όπως ότι που προς σε στα "
    "στη στην στις στο στον στους τα τη την της τις το τον του τους των ως",
    "indonesian": "ada adalah akan atau bagi dalam dan dari dengan di ia ini itu juga kami karena ke kita mereka "
    "oleh pada para saya sebagai serta tidak untuk yang",
}
# Accented letters that the stemmer's rules speak of: it is given these, and all others plain.
_STEMMED = {
    "catalan": "áàçéèíìïóòúùü",
    "czech": "áčďéěíňóřšťúůýž",
    "danish": "æåø",
    "dutch": "áäéèëíïóöúü",
    "esperanto": "ĉĝĥĵŝŭ",
    "estonian": "äõöüšž",
    "finnish": "äåö",
    "french": "âàçëéêèïîôûùüœæ",
    "german": "äöüß",
    "hungarian": "áéíóöőúüű",
    "irish": "áéíóú",
    "italian": "áàéèíìóòúù",
    "lithuanian": "ąčęėįšųūž",
    "norwegian": "æåøêéòóô",
    "polish": "ąćęłńóśźż",
    "portuguese": "áâãçéêíóôõúü",
    "romanian": "ăâîșțşţ",
    "serbian": "čćđšž",
    "spanish": "áéíóúüñ",
    "swedish": "äåö",
    "turkish": "çğıöşü",
    "basque": "ñ",
}
# Letters of their own, which no reader takes for the plain one; elsewhere a word is found with and without its accents.
_DISTINCT = {
    "basque": "ñ",
    "danish": "æåø",
    "esperanto": "ĉĝĥĵŝŭ",
    "estonian": "äõöüšž",
    "finnish": "äåö",
    "norwegian": "æåø",
    "spanish": "ñ",
    "swedish": "äåö",
    "turkish": "çğıöşü",
}
_DECIMAL_POINT = frozenset("arabic english hindi irish nepali persian porter sesotho tamil yiddish".split())
_PLAIN = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ё": "е"}


@dataclass(frozen=True, slots=True)
class Language:
    """The rules of one of Snowball's languages. ``stemmed`` letters keep their accents until the stem is found,
    ``distinct`` ones for good."""

    stop_words: frozenset[str]
    stemmed: frozenset[str]
    distinct: frozenset[str]
    decimal_comma: bool
    dotless_i: bool

    def lower(self, word: str) -> str:
        """In lower case; in Turkish the small letter of I is ı, and that of İ is i."""
        if self.dotless_i:
            word = word.replace("İ", "i").replace("I", "ı")
        return word.lower()


@cache
def language(name: str) -> Language:
    """The rules of a language by Snowball's name for it."""
    return Language(
        stop_words=frozenset(_STOP_WORDS.get(name, "").split()),
        stemmed=frozenset(_STEMMED.get(name, "")),
        distinct=frozenset(_DISTINCT.get(name, "")),
        decimal_comma=name not in _DECIMAL_POINT,
        dotless_i=name == "turkish",
    )


def without_accents(word: str, but: frozenset[str] = frozenset()) -> str:
    """Latin and Greek letters without their accents, but for the letters in ``but``.

    >>> without_accents("crème brûlée"), without_accents("Malmö", frozenset("ö"))
    ('creme brulee', 'Malmö')
    """
    if word.isascii():
        return word
    return "".join(letter if letter in but else _PLAIN.get(letter) or _base(letter) for letter in word)


def _base(letter: str) -> str:
    if "\u0400" <= letter < "\u1e00" or letter >= "\u2000":  # й is no и, and a Devanagari vowel is no accent
        return letter
    return "".join(part for part in unicodedata.normalize("NFKD", letter) if not "\u0300" <= part <= "\u036f")
