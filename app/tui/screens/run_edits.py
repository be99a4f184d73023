"""Name, tags, note and pin of runs, and their settings as the beginning of a new one; by key, with undo."""

from typing import TYPE_CHECKING

from app.tui.screens.ask import Ask
from app.tui.screens.run_actions import RunActions, naming
from app.tui.states import title
from engine.errors import ReeltopError
from engine.format import printable

if TYPE_CHECKING:
    from engine.store.database import Store
    from engine.store.edits import Before


class RunEdits(RunActions):
    """A screen whose current or marked runs can be named, tagged, noted and pinned."""

    def action_rename(self) -> None:
        """Ask for another name."""
        if (run := self._chosen()) is None:
            return

        def answered(name: str | None) -> None:
            if name is None or name == run.name:
                return

            def change(store: "Store") -> "tuple[Before, ...]":
                from engine.store.edits import rename_run

                return rename_run(store, run.id, name)

            self.reeltop.command(self._edit(change, f"run {title(run)} is named {printable(name)} now"))

        hint = "Its directory keeps the old one. Enter takes it, esc does not."
        self.app.push_screen(Ask(f"Name of run {title(run)}", hint, run.name, _wrong_name), answered)

    def action_tag(self) -> None:
        """Ask for tags to give and to take away."""
        if not (targets := self._aimed()):
            return
        ids = [target.id for target in targets]
        run = self.current_run()
        has = run.tags if run is not None and ids == [run.id] else ()

        def answered(text: str | None) -> None:
            if not text or not text.strip():
                return
            from app.verbs.edits import split_tags

            add, remove = split_tags(text.split())

            def change(store: "Store") -> "tuple[Before, ...]":
                from engine.store.edits import tag_runs

                return tag_runs(store, ids, add, remove)

            self.reeltop.command(
                self._edit(change, f"{naming(targets)}: tagged {printable(' '.join(text.split()))}")
            )

        shown = f"Has: {printable(' '.join(has))}. " if has else ""
        hint = f"{shown}+best gives, -old takes away; several with blanks between."
        self.app.push_screen(Ask(f"Tags of {naming(targets)}", hint, "+", _wrong_tags), answered)

    def action_note(self) -> None:
        """Ask for a note of several lines."""
        if (run := self._chosen()) is None:
            return
        from app.tui.screens.note import Note

        def answered(text: str | None) -> None:
            if text is None or text == run.notes:
                return

            def change(store: "Store") -> "tuple[Before, ...]":
                from engine.store.edits import set_notes

                return set_notes(store, [run.id], text)

            self.reeltop.command(self._edit(change, f"run {title(run)}: note kept"))

        self.app.push_screen(Note(f"Note of run {title(run)}", run.notes), answered)

    def action_pin(self) -> None:
        """Pin the runs; where the current one is pinned, unpin them."""
        if not (targets := self._aimed()):
            return
        ids = [target.id for target in targets]
        run = self.current_run()
        pinned = not (run is not None and run.pinned)

        def change(store: "Store") -> "tuple[Before, ...]":
            from engine.store.edits import pin_runs

            return pin_runs(store, ids, pinned=pinned)

        self.reeltop.command(
            self._edit(change, f"{naming(targets)}: {'pinned' if pinned else 'no longer pinned'}")
        )

    def action_clone(self) -> None:
        """The run's settings in Launch."""
        if (run := self._chosen()) is None:
            return
        self.call_next(self.reeltop.clone, run.id)


def _wrong_name(name: str) -> str | None:
    from engine.store.edits import check_name

    try:
        check_name(name)
    except ReeltopError as error:
        return str(error)
    return None


def _wrong_tags(text: str) -> str | None:
    from app.verbs.edits import split_tags
    from engine.store.edits import check_tag

    if not text.strip():
        return None
    try:
        for tag in split_tags(text.split())[0]:
            check_tag(tag)
    except ReeltopError as error:
        return str(error)
    return None
