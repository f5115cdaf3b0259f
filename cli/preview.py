"""Sample rows token by token in the terminal: learned tokens green and underlined, special ones reversed."""

from typing import Any

from rich.console import Console
from rich.text import Text

from cli.tables import printable
from core.preview import Piece, StagePreview

_LEARNED, _READ, _SPECIAL = "bold green underline", "", "reverse"


def print_preview(console: Console, preview: dict[str, Any], rows: int) -> None:
    """Up to `rows` rows of each stage."""
    legend = Text.assemble(("learned", _LEARNED), ", only read, ", ("<special token>", _SPECIAL), "; · is a space")
    console.print(legend)
    for one in preview["stages"]:
        stage = StagePreview.model_validate(one)
        console.print(f"\nStage {stage.stage}", style="bold", highlight=False, markup=False)
        for row in stage.rows[:rows]:
            about = f"{row.tokens} tokens, {row.trained_tokens} learned"
            console.print(f"\nRow {row.number}: {', '.join(row.shown_as)} ({about})", style="dim", highlight=False)
            if row.hidden_tokens:
                console.print(
                    f"[{row.hidden_tokens} tokens before these are not shown]",
                    markup=False,
                    highlight=False,
                    style="dim",
                )
            console.print(Text.assemble(*((printable(piece.visible), _style(piece)) for piece in row.pieces())))


def _style(piece: Piece) -> str:
    style = _LEARNED if piece.is_trained else _READ
    return f"{style} {_SPECIAL}".strip() if piece.is_special else style
