"""projects/threedgp/docs: what the code cites is there, and can be read in an editor."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = ROOT / "projects" / "threedgp"
CITATION = re.compile(r"docs/method\.md, sections? (\d+)(?: (?:and|to) (\d+))?")


def test_every_cited_section_of_the_method_is_on_its_page():
    page = (PLUGIN / "docs" / "method.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (\d+)\. ", page, re.MULTILINE)
    assert sections == [str(number) for number in range(1, 16)]
    cited = [
        (path.name, number)
        for path in PLUGIN.rglob("*.py")
        for match in CITATION.finditer(path.read_text(encoding="utf-8"))
        for number in match.groups()
        if number
    ]
    assert ("camera_generator.py", "3") in cited and ("generator.py", "7") in cited
    assert [each for each in cited if each[1] not in sections] == []


def test_no_docstring_cites_a_page_that_is_not_named():
    for path in PLUGIN.rglob("*.py"):
        assert not re.search(r"method sections? \d", path.read_text(encoding="utf-8")), path


def test_links_between_pages_lead_to_files():
    for page in [ROOT / "README.md", *(PLUGIN / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_prose_is_wrapped():
    """Tables and commands may be wider."""
    for page in (PLUGIN / "docs").glob("*.md"):
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        wide = [line for line in text.splitlines() if len(line) > 120 and not line.startswith(("|", "!["))]
        assert wide == [], page.name
