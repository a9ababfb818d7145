from __future__ import annotations

import inspect
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from ragdiet.quality.language import language

# Three texts a language, each of about 20 words or more.
TEXTS = {
    "en": (
        "The notice period is four weeks to the end of a calendar month, unless your contract says something else "
        "about it.",
        "If the machine stops during the night, press the green button twice and wait until the light has gone out "
        "before you open the door.",
        "Our village has a small bakery where people meet every morning to talk about the weather and about their "
        "children.",
    ),
    "de": (
        "Die Kündigungsfrist beträgt vier Wochen zum Ende eines Kalendermonats, sofern im Vertrag nichts anderes "
        "vereinbart worden ist.",
        "Wenn die Maschine in der Nacht stehen bleibt, drücken Sie zweimal den grünen Knopf und warten, bis das Licht "
        "erloschen ist.",
        "In unserem Dorf gibt es eine kleine Bäckerei, in der sich die Leute jeden Morgen treffen und über das Wetter "
        "reden.",
    ),
    "fr": (
        "Le délai de préavis est de quatre semaines avant la fin d'un mois civil, sauf si votre contrat prévoit autre "
        "chose.",
        "Si la machine s'arrête pendant la nuit, appuyez deux fois sur le bouton vert et attendez que la lumière "
        "s'éteigne.",
        "Notre village possède une petite boulangerie où les gens se retrouvent chaque matin pour parler du temps "
        "qu'il fait.",
    ),
    "es": (
        "El plazo de preaviso es de cuatro semanas antes del final del mes, salvo que su contrato diga otra cosa al "
        "respecto.",
        "Si la máquina se detiene durante la noche, pulse dos veces el botón verde y espere a que se apague la luz.",
        "En nuestro pueblo hay una pequeña panadería donde la gente se reúne cada mañana para hablar del tiempo.",
    ),
    "it": (
        "Il periodo di preavviso è di quattro settimane prima della fine del mese, salvo diverse indicazioni nel "
        "vostro contratto.",
        "Se la macchina si ferma durante la notte, premete due volte il pulsante verde e aspettate che la luce si "
        "spenga.",
        "Nel nostro paese c'è un piccolo forno dove la gente si incontra ogni mattina per parlare del tempo.",
    ),
    "pt": (
        "O prazo de aviso prévio é de quatro semanas antes do fim do mês, a não ser que o seu contrato diga outra "
        "coisa.",
        "Se a máquina parar durante a noite, carregue duas vezes no botão verde e espere até que a luz se apague.",
        "Na nossa aldeia há uma pequena padaria onde as pessoas se encontram todas as manhãs para falar do tempo.",
    ),
    "nl": (
        "De opzegtermijn is vier weken tegen het einde van een kalendermaand, tenzij er in uw contract iets anders "
        "staat.",
        "Als de machine 's nachts stil blijft staan, druk dan twee keer op de groene knop en wacht tot het licht uit "
        "is.",
        "In ons dorp is een kleine bakkerij waar de mensen elkaar iedere ochtend ontmoeten om over het weer te praten.",
    ),
    "sv": (
        "Uppsägningstiden är fyra veckor till slutet av en kalendermånad, om inte något annat står i ditt avtal.",
        "Om maskinen stannar under natten ska du trycka två gånger på den gröna knappen och vänta tills lampan har "
        "slocknat.",
        "I vår by finns ett litet bageri där folk träffas varje morgon för att prata om vädret och om sina barn.",
    ),
    "pl": (
        "Okres wypowiedzenia wynosi cztery tygodnie przed końcem miesiąca, chyba że w umowie zapisano coś innego.",
        "Jeżeli maszyna zatrzyma się w nocy, naciśnij dwa razy zielony przycisk i poczekaj, aż zgaśnie światło.",
        "W naszej wsi jest mała piekarnia, w której ludzie spotykają się każdego ranka, żeby porozmawiać o pogodzie.",
    ),
    "cs": (
        "Výpovědní lhůta je čtyři týdny ke konci kalendářního měsíce, pokud ve vaší smlouvě není uvedeno něco jiného.",
        "Jestliže se stroj v noci zastaví, stiskněte dvakrát zelené tlačítko a počkejte, dokud světlo nezhasne.",
        "V naší vesnici je malá pekárna, kde se lidé každé ráno scházejí, aby si povídali o počasí a o dětech.",
    ),
    "ru": (
        "Срок уведомления составляет четыре недели до конца календарного месяца, если в договоре не указано иное.",
        "Если машина остановится ночью, дважды нажмите зелёную кнопку и подождите, пока не погаснет свет.",
        "В нашей деревне есть маленькая пекарня, где люди каждое утро встречаются и говорят о погоде и о детях.",
    ),
    "el": (
        "Η προθεσμία καταγγελίας είναι τέσσερις εβδομάδες πριν από το τέλος του μήνα, εκτός αν η σύμβαση ορίζει κάτι "
        "άλλο.",
        "Αν το μηχάνημα σταματήσει τη νύχτα, πατήστε δύο φορές το πράσινο κουμπί και περιμένετε να σβήσει το φως.",
        "Στο χωριό μας υπάρχει ένας μικρός φούρνος όπου οι άνθρωποι συναντιούνται κάθε πρωί και μιλούν για τον καιρό.",
    ),
    "tr": (
        "Sözleşmenizde başka bir şey yazmıyorsa, ihbar süresi takvim ayının sonundan önce dört haftadır ve yazılı "
        "verilir.",
        "Makine gece durursa yeşil düğmeye iki kez basın ve kapıyı açmadan önce ışığın sönmesini bekleyin lütfen.",
        "Köyümüzde insanların her sabah hava durumu ve çocukları hakkında konuşmak için buluştuğu küçük bir fırın var.",
    ),
    "ja": (
        "契約書に別の定めがない限り、解約の予告期間は暦月の末日までの四週間とします。書面で通知してください。",
        "夜中に機械が止まった場合は、緑色のボタンを二回押して、明かりが消えるまで待ってから扉を開けてください。",
        "私たちの村には小さなパン屋があり、人々は毎朝そこに集まって、天気や子どもたちのことを話しています。",
    ),
    "zh": (
        "除非您的合同另有规定,解约通知期为日历月月底之前的四个星期,并且必须以书面形式提出申请。",
        "如果机器在夜间停止运转,请按两次绿色按钮,等到指示灯熄灭以后再打开前门检查里面的情况。",
        "我们村里有一家小面包店,人们每天早上都在那里见面,谈论天气,也谈论他们的孩子和家里的事情。",
    ),
    "ar": (
        "مدة الإشعار أربعة أسابيع قبل نهاية الشهر، ما لم ينص عقدك على خلاف ذلك، ويجب أن يكون الإشعار مكتوبا وموقعا.",
        "إذا توقفت الآلة أثناء الليل فاضغط مرتين على الزر الأخضر وانتظر حتى ينطفئ الضوء قبل أن تفتح الباب.",
        "في قريتنا مخبز صغير يلتقي فيه الناس كل صباح ليتحدثوا عن الطقس وعن أولادهم وعن أخبار البلاد.",
    ),
}


@pytest.mark.parametrize("tag", TEXTS)
def test_the_language_of_a_sentence_or_two(tag: str) -> None:
    assert [language(text) for text in TEXTS[tag]] == [tag] * 3


def test_what_is_no_prose_has_no_language() -> None:
    assert language("") is None
    assert language("Four weeks.") is None
    assert language("12 400 3.5 17 2024-11-24 99 1000 " * 40) is None
    assert language(inspect.getsource(json.encoder)) is None
    assert language("x" * 50 + " " + "q z " * 10) is None


def test_only_tags_of_two_letters() -> None:
    cantonese = "佢哋喺度傾緊偈，我唔知佢講乜嘢，不過佢話聽日會嚟搵我哋食飯，你嚟唔嚟呀？我哋喺嗰度等緊你喇，快啲嚟啦。"
    assert language(cantonese) == "zh"


def test_a_long_text_is_judged_by_its_beginning_and_middle() -> None:
    foreword, body = TEXTS["de"][0], " ".join(TEXTS["en"])
    assert language(f"{foreword} {body * 60}") == "en"
    assert language(f"{' ' * 1_500}{body * 60}") == "en"


def test_threads_share_one_identifier() -> None:
    texts = [text for group in TEXTS.values() for text in group] * 4
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(language, texts)) == [language(text) for text in texts]
