"""Questions about the standard library's documentation, and what a right answer shows.

Written by hand to see a model fitted on encyclopedia paragraphs at work on reference documentation;
nothing is fitted on them.
"""

from __future__ import annotations

QUESTIONS: tuple[tuple[str, str | None], ...] = (
    ("What does statistics.median return when the number of data points is even?", "average|interpolat|mean of"),
    ("Which function of textwrap removes common leading whitespace from every line?", "dedent"),
    ("How do I remove common leading whitespace from text?", "dedent|common leading whitespace"),
    ("What happens when shutil.rmtree has ignore_errors set?", "errors are ignored"),
    ("How do I copy a directory tree?", "copytree|copy a directory tree|directory trees"),
    ("What does json.dumps do with non-ASCII characters when ensure_ascii is false?", "non-ASCII"),
    ("How do I insert an item into a sorted list?", "insort|Insert item"),
    ("What exception is raised when statistics.mean gets empty data?", "StatisticsError"),
    ("How can I generate a URL-safe random token?", "token_urlsafe|URL-safe"),
    ("What does os.path.commonpath return?", "[Ll]ongest common|common sub-?path"),
    ("How do I compare two strings in constant time?", "compare_digest|timing"),
    ("What is the default protocol of pickle?", "default protocol"),
    ("How do I create a temporary directory that is deleted afterwards?", "TemporaryDirectory"),
    ("Which function returns the n largest elements of a dataset?", "nlargest|n largest"),
    ("What does random.sample return?", "unique|new list"),
    ("How can I measure execution time of small code snippets?", "timeit|small code"),
    ("What does contextlib.suppress do?", "suppress"),
    ("How do I parse a date in ISO format?", "fromisoformat|ISO"),
    ("What does zlib.crc32 compute?", "CRC-32|checksum"),
    ("How do I find close matches of a word?", "close matches"),
    ("What does Queue.task_done indicate?", "formerly enqueued|task is complete"),
    ("What kind of objects does collections.Counter count?", "hashable"),
    ("What does Path.resolve do with symlinks?", "symlink"),
    # About the library, but its documentation does not say.
    ("How many bytes of memory does an empty dict use?", None),
    ("What does statistics.geometric_median return?", None),
    ("How do I read a YAML file?", None),
    ("How do I train a neural network?", None),
    ("Which function of textwrap translates text into French?", None),
    ("How do I resize an image?", None),
    ("What does json.dumps do with protobuf messages?", None),
    ("How do I connect to a MySQL database?", None),
    ("Which version of Python removed the zlib module?", None),
    ("How do I send an SMS?", None),
    ("How do I parse TypeScript source code?", None),
    ("What is the maximum size of a Kafka message?", None),
    # About something else.
    ("What is the notice period for an employee on probation?", None),
    ("Who was the first president of France?", None),
    ("How long does it take to boil an egg?", None),
    ("What is the capital of Australia?", None),
    ("When was the Eiffel Tower built?", None),
    ("Which vitamins are in carrots?", None),
    ("What causes the northern lights?", None),
    ("Does the insurance cover water damage?", None),
    ("How do I reset my password in the customer portal?", None),
    ("What is our refund policy?", None),
)
"""A question, and a pattern that a right answer matches; None where the documentation holds no answer."""
