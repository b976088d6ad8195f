"""A form over the screen: declared fields, checked while they are typed, saved without losing what was typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.css.query import NoMatches
from textual.events import DescendantBlur, Key
from textual.message import Message
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from musktracker.errors import DataError, MuskTrackerError, UsageError
from musktracker.text import printable
from tui.threads import in_thread
from tui.widgets.entry import Entry
from tui.working import begin

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tui.app import Console

Values = Mapping[str, str]
T = TypeVar("T")
PREVIEW_SECONDS = 0.2
ROW = 2  # lines of a field with its note


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a form. With `choices` (value, label) it is picked, otherwise typed; `hint` says how."""

    name: str
    label: str
    value: str = ""
    hint: str = ""
    choices: tuple[tuple[str, str], ...] = ()


class FormScreen(ModalScreen[Any]):
    """Ask for fields. Dismissed with what `save` returned (the values, where there is no `save`), None if left.

    `check(values)` gives what is wrong by field, at once; `preview(engine, values)` says in a thread what would be
    saved, or raises what it thinks of it; `save(engine, values)` runs in a thread: what it raises is shown, and the
    form stays. An error with `problems` (by field) is shown at its fields.
    """

    app: Console
    DEFAULT_CSS = """
    FormScreen {
        align: center middle;
        background: $background 60%;
        & > #form { width: 78; max-width: 100%; height: auto; max-height: 100%; padding: 0 1;
            background: $surface; border: round $border; border-title-color: $foreground; }
        & #form-fields { height: auto; }
        & .form-row { height: 2; }
        & .form-line { height: 1; }
        & .form-label { width: 14; color: $text-muted; }
        & .form-note { height: 1; margin-left: 14; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
        & .form-note.-wrong { color: $error; }
        & Input { width: 1fr; height: 1; border: none; padding: 0 1; background: $panel; }
        & Input:focus { background: $block-cursor-blurred-background; }
        & Input:disabled, & Choice:disabled { opacity: 100%; }
        & #form-preview { height: auto; max-height: 8; color: $foreground; }
        & #form-trouble { height: auto; max-height: 4; color: $error; display: none; }
        & #form-keys { height: 1; color: $text-muted; margin-top: 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", tooltip="Leave the form; asks if something was typed", id="form.leave"),
        Binding("down", "app.focus_next", "Next field", show=False, id="form.next"),
        Binding("up", "app.focus_previous", "Field before", show=False, id="form.previous"),
    ]

    def __init__(
        self,
        title: str,
        fields: Sequence[Field],
        *,
        check: Callable[[Values], Mapping[str, str]] | None = None,
        preview: Callable[[Engine, Values], str] | None = None,
        save: Callable[[Engine, Values], Any] | None = None,
        submit: str = "save",
    ) -> None:
        super().__init__()
        self._title = title
        self._fields = tuple(fields)
        self._check = check or _nothing_wrong
        self._preview = preview
        self._save = save
        self._submit_word = submit
        self._touched: set[str] = set()
        self._wrong: dict[str, str] = {}
        self._trouble = ""  # what is wrong with no field in particular
        self._leaving = False
        self._saving = False
        self._saved: list[Any] = []  # the result, until the form is closed with it
        self._timer: Timer | None = None

    def go_on(self, further: Callable[[Engine, Any], Any]) -> None:
        """Go on with what saving gives, in the same thread: what that raises is shown, what it returns the result."""
        save = self._save
        self._save = lambda engine, values: further(engine, values if save is None else save(engine, values))

    @property
    def values(self) -> dict[str, str]:
        """What the fields hold now."""
        return {field.name: self._entry(field.name) for field in self._fields}

    @property
    def dirty(self) -> bool:
        """Whether anything differs from what the form began with."""
        return any(self._entry(field.name) != field.value for field in self._fields)

    def compose(self) -> ComposeResult:
        with Vertical(id="form"):
            with _Fields(id="form-fields", can_focus=False):
                for field in self._fields:
                    yield from _row(field)
            for name in ("preview", "trouble", "keys"):
                yield _Below(id=f"form-{name}", markup=False)

    def on_mount(self) -> None:
        self.query_one("#form").border_title = Text(printable(self._title))
        self._show_keys()
        self._show_wrong()
        self._preview_soon()

    def action_leave(self) -> None:
        """Leave; where something was typed, only when asked twice; while it is saved, not at all."""
        if self._saving or (self.dirty and not self._leaving):
            self._leaving = True
            self._show_keys()
        else:
            self.dismiss(None)

    def on_key(self, event: Key) -> None:
        """Any key but escape means to stay."""
        if self._leaving and event.key != "escape":
            self._leaving = False
            self._show_keys()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._changed((event.input.id or "").removeprefix("field-"))

    def on_choice_changed(self, event: Choice.Changed) -> None:
        """Another choice was picked."""
        self._changed((event.choice.id or "").removeprefix("field-"))

    def on_descendant_focus(self) -> None:
        """What is wrong with the field that is mended now comes first."""
        self._show_trouble()

    def on_resize(self) -> None:
        """What fitted its line may not any more."""
        self.call_after_refresh(self._show_trouble)
        self._fit_soon()

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        """A field that was left is checked, typed in or not."""
        name = (event.widget.id or "").removeprefix("field-")
        if self.dirty and name:
            self._touched.add(name)
            self._show_wrong()

    @on(Input.Submitted)
    def submit(self) -> None:
        """Save, if nothing is wrong; otherwise go to the first field that is. Enters that come at once save once."""
        if self._saving or not self.is_current:
            return
        self._touched |= {field.name for field in self._fields}
        values = self.values
        if not self._is_right(values):
            self._focus_first(self._wrong)
        elif self._save is None:
            self.dismiss(values)
        else:
            had = self.focused
            self._hold(saving=True)
            begin(self, "save", self._save_values, self._save, values, had)

    def on_choice_submitted(self) -> None:
        """Enter on a choice saves, as it does on text."""
        self.submit()

    async def _save_values(self, save: Callable[[Engine, Values], Any], values: Values, had: Widget | None) -> None:
        try:
            if self.app.engine is None:
                raise MuskTrackerError("The database is not open yet")
            self._saved = [await in_thread(save, self.app.engine, values)]
        except Exception as error:
            if self._is_whole:
                self._hold(saving=False)
                self.set_focus(had)
                self._failed(error)
        else:
            self.on_screen_resume()

    def _hold(self, *, saving: bool) -> None:
        """Take in nothing while it is saved: it would be lost."""
        self._saving, self._leaving = saving, False
        if saving:
            self.set_focus(None)
        self.query_one("#form-fields").disabled = saving
        self._show_keys()

    @property
    def _is_whole(self) -> bool:
        """Whether its widgets are there: it may have been left before it was all made, or while it saved."""
        return self.is_attached and bool(self.query("#form-keys"))

    def on_screen_resume(self) -> None:
        """Close with what was saved, also where something came over the form meanwhile."""
        if self._saved and self.is_current:
            self.dismiss(self._saved.pop())

    def _failed(self, error: Exception) -> None:
        problems: Mapping[str, str] = getattr(error, "problems", {})
        self._wrong = {name: text for name, text in problems.items() if name in self.values}
        if self._wrong:
            self._show_wrong()
            self._focus_first(self._wrong)
        else:
            self._trouble = self.app.words(error)
            self._show_trouble()

    def _changed(self, name: str) -> None:
        field = next((field for field in self._fields if field.name == name), None)
        if field is not None and self._entry(name) != field.value:
            self._touched.add(name)
        if self._leaving:  # the keys that a line takes are not heard here
            self._leaving = False
            self._show_keys()
        self._is_right(self.values)
        self._preview_soon()

    def _is_right(self, values: Values) -> bool:
        """Show what is wrong, at the fields, or below them where the check itself fails; whether nothing is."""
        trouble = ""
        try:
            self._wrong = dict(self._check(values))
        except Exception as error:
            self._wrong, trouble = {}, self.app.words(error)
        self._trouble = trouble
        self._show_wrong()
        return not (self._wrong or trouble)

    def _show_wrong(self) -> None:
        for field in self._fields:
            note = self.query_one(f"#note-{field.name}", Static)
            wrong = self._told(field.name)
            note.set_class(bool(wrong), "-wrong")
            text = printable(wrong or field.hint)
            if note.content != text:
                note.update(text, layout=False)
        self._show_trouble()

    def _told(self, name: str) -> str:
        """What is wrong with a field, once it was touched."""
        return self._wrong.get(name, "") if name in self._touched else ""

    def _preview_soon(self) -> None:
        if self._preview is None:
            return
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(PREVIEW_SECONDS, self._preview_now)

    def _preview_now(self) -> None:
        if self._preview is not None:
            begin(self, "preview", self._show_preview, exclusive=True)

    async def _show_preview(self) -> None:
        engine, preview = self.app.engine, self._preview
        if engine is None or preview is None:
            return
        try:
            text = await in_thread(preview, engine, self.values)
        except Exception as error:
            text = self.app.words(error) if self.dirty else ""  # nobody has typed anything wrong yet
        for place in self.query("#form-preview").results(Static):  # none in a form that closes
            place.update("\n".join(map(printable, text.splitlines())))
            self._show_trouble()
            self._fit_soon()

    def _show_keys(self) -> None:
        if self._saving:
            text = "too late to leave: it is being saved; ctrl+q quits" if self._leaving else "one moment…"
        elif self._leaving:
            text = "esc again discards what you typed; any other key goes on"
        else:
            pick = "   ← → choose" if any(field.choices for field in self._fields) else ""
            text = f"enter {self._submit_word}   tab next field{pick}   esc leave"
        self.query_one("#form-keys", Static).update(text)

    def _show_trouble(self) -> None:
        """Say below what is wrong with no field, or all of what is longer than the line at its field."""
        if not self._is_whole:
            return
        text, trouble = self._trouble or self._cut_off, self.query_one("#form-trouble", Static)
        if bool(text) or trouble.display:
            trouble.update(printable(text))
            trouble.display = bool(text)
            self._fit_soon()

    def _fit_soon(self) -> None:
        """Leave what is below the fields its room, once that is laid out."""
        self.call_after_refresh(self.fit)

    def fit(self) -> None:
        """Leave what is below the fields, as it is laid out, its room: the fields scroll."""
        if not self._is_whole:
            return
        form, fields = self.query_one("#form"), self.query_one("#form-fields")
        others = (child for child in form.displayed_children if child is not fields)
        below = sum(child.outer_size.height + child.styles.margin.height for child in others)
        fields.styles.max_height = max(self.size.height - form.gutter.height - below, ROW)

    @property
    def _cut_off(self) -> str:
        """What is wrong with no field here, or is told of one where it has no room and is not below anyway."""
        unseen = self._wrong.keys() - {field.name for field in self._fields}
        if unseen:
            return "\n".join(f"{name}: {self._wrong[name]}" for name in sorted(unseen))
        below = str(self.query_one("#form-preview", Static).content)
        focused = (self.focused.id or "").removeprefix("field-") if self.focused is not None else ""
        for name in sorted(self._wrong, key=lambda name: name != focused):
            text = self._told(name)
            if cell_len(text) > self.query_one(f"#note-{name}").size.width and printable(text) not in below:
                return text
        return ""

    def _focus_first(self, names: Mapping[str, str]) -> None:
        for field in self._fields:
            if field.name in names:
                self.query_one(f"#field-{field.name}").focus()
                return

    def _entry(self, name: str) -> str:
        try:
            entry = self.query_one(f"#field-{name}")
        except NoMatches:  # not composed yet
            return next(field.value for field in self._fields if field.name == name)
        return entry.value if isinstance(entry, Input | Choice) else ""


class Choice(Widget, can_focus=True):
    """Values on one line, one of them picked with the arrows or space."""

    DEFAULT_CSS = """
    Choice { width: 1fr; height: 1; padding: 0 1; background: $panel; color: $text-muted;
        &:focus { background: $block-cursor-blurred-background; }
        & > .choice--picked { color: $foreground; text-style: bold; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"choice--picked"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space", "pick(1)", "Next", show=False, tooltip="Pick the next value", id="choice.next"),
        Binding("left", "pick(-1)", "Before", show=False, tooltip="Pick the value before", id="choice.previous"),
        Binding("enter", "submit", "Save", show=False, tooltip="Save the form", id="choice.submit"),
    ]

    value: reactive[str] = reactive("", init=False)

    class Changed(Message):
        """Another value was picked."""

        def __init__(self, choice: Choice) -> None:
            super().__init__()
            self.choice = choice

    class Submitted(Message):
        """Enter was pressed."""

    def __init__(self, choices: Sequence[tuple[str, str]], value: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._choices = tuple(choices)
        self.set_reactive(Choice.value, value)

    def watch_value(self) -> None:
        """Tell the form."""
        self.post_message(self.Changed(self))

    def action_pick(self, by: int) -> None:
        """Pick a neighbour, around the ends."""
        values = [value for value, _ in self._choices]
        at = values.index(self.value) if self.value in values else -1
        self.value = values[(at + by) % len(values)]

    def action_submit(self) -> None:
        """Save the form."""
        self.post_message(self.Submitted())

    def render(self) -> Text:
        """The values; the picked one marked, also where there are no colours; alone where all have no room."""
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        picked = self.get_component_rich_style("choice--picked", partial=True)
        if sum(len(label) + 5 for _, label in self._choices) - 3 > self.size.width:
            values = [value for value, _ in self._choices]
            at = values.index(self.value) if self.value in values else 0
            text.append(f"● {printable(self._choices[at][1])}", picked)
            return text.append(f"   {at + 1} of {len(values)}: ← →")
        for value, label in self._choices:
            chosen = value == self.value
            text.append(f"{'●' if chosen else '○'} {printable(label)}", picked if chosen else "")
            text.append("   ")
        return text


class Refused(UsageError):
    """Fields that cannot be; `problems` says what is wrong, by field."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in problems.items()))
        self.problems = problems


def refused(checks: Mapping[str, Callable[[], object]]) -> dict[str, str]:
    """What is wrong, by field: the words of the checks that raise UsageError."""
    found = {}
    for name, check in checks.items():
        try:
            check()
        except UsageError as error:
            found[name] = error.message
    return found


def asked(name: str | None, ask: Callable[[], T]) -> T:
    """What the core answers before a run is started; what it refuses is wrong with the field of this name, if any."""
    try:
        return ask()
    except (UsageError, DataError) as error:
        if name is None:
            raise
        raise Refused({name: str(error)}) from error


class _Fields(VerticalScroll):
    """The rows of the fields; the one under edit stays in sight, however little room they have."""

    def on_resize(self) -> None:
        for row in self.query(".form-row:focus-within"):
            row.scroll_visible(animate=False)


class _Below(Static):
    """A text below the fields, which have less room the higher it is."""

    def on_resize(self) -> None:
        cast(FormScreen, self.screen).fit()


def _nothing_wrong(_values: Values) -> Mapping[str, str]:
    return {}


def _row(field: Field) -> ComposeResult:
    with Vertical(classes="form-row"):
        with Horizontal(classes="form-line"):
            yield Static(printable(field.label), classes="form-label", markup=False)
            if field.choices:
                yield Choice(field.choices, field.value, id=f"field-{field.name}")
            else:
                yield Entry(field.value, id=f"field-{field.name}", select_on_focus=False)
        yield Static(printable(field.hint), id=f"note-{field.name}", classes="form-note", markup=False)
