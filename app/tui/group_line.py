"""A group of runs on one line: what they have in common, how many they are, and how good."""

from app.tui.columns import fit, shown
from engine.store.table_views import GroupRow

_NAME_CELLS = 24


def group_line(group: GroupRow, score: str) -> str:
    """`▾ finetune   12 runs   f1_mean  mean 0.6512  best 0.7316`."""
    name = "none" if group.value is None else shown(group.value)
    count = f"{group.count:,} run{'' if group.count == 1 else 's'}"
    parts = [f"{'▾' if group.open else '▸'} {fit(name, _NAME_CELLS)} {count:>10}"]
    if group.best is not None:
        parts.append(
            f"{score.removeprefix('val/')}  mean {shown(group.mean, score)}  best {shown(group.best, score)}"
        )
    return "   ".join(parts)
