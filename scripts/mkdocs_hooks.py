"""MkDocs hooks: copy the SQL files of the database functions into the site, so that links to them work there, too.

In the repository the links lead to the files in `app/db/functions`. Browsers show the copies because of their suffix.
"""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

FUNCTIONS = Path(__file__).parents[1] / "app" / "db" / "functions"
LINK = "../../app/db/functions/"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the SQL files to the site."""
    for path in sorted(FUNCTIONS.glob("*.sql")):
        files.append(File.generated(config, f"functions/{path.name}.txt", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links to SQL files at their copies; all pages that have such links are one folder deep."""
    return markdown.replace(LINK, "../functions/").replace(".sql)", ".sql.txt)")
