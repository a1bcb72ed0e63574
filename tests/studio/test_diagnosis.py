from rich.console import Console

from studio.diagnosis import print_verdict


def test_verdict_is_printed_in_words_and_brackets_are_no_markup():
    console = Console(record=True, width=200)
    findings = ("likeness falls [from 0.8]", "a long plateau")
    print_verdict(
        "learnt from another face", findings, "work/[red]/landscape.html", console=console
    )
    lines = [line.strip() for line in console.export_text().splitlines()]
    assert lines == [
        "learnt from another face", *findings, "page work/[red]/landscape.html"
    ]  # fmt: skip
