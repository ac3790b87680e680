"""Draws a running matrix: a bar with figures in a terminal, one line an epoch, or a check of a GAN, elsewhere."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn
from rich.text import Text

from magsig_tf.execution.observer import EpochSummary, Observer
from magsig_tf.report.terminal.console import bars, error_console
from magsig_tf.statistics_rule import MARK, MOVING, rule_of
from magsig_tf.workflows.step_times import duration

# what fits beside a bar in 100 columns
_IN_BAR = ("loss", "auc", "domain", "generator", "discriminator", "distance", "rate")
_OF_LOGS = {
    "loss": ("loss", "loss {:.3f}"),
    "generator_loss": ("generator", "G {:.2f}"),
    "discriminator_loss": ("discriminator", "D {:.2f}"),
    "steps_per_second": ("rate", "{:.1f} steps/s"),
    "domain_accuracy": ("domain", "domain {:.2f} (chance {chance:.2f})"),
}
"""A value of the logs to its figure, in words."""


class TrainingDisplay(Observer):
    """Shows loss, validation AUC, domain accuracy beside chance, images a second and the time left.

    Of a GAN it shows the losses of both networks, the distance of its samples and steps a second.

    Args:
        console: Standard error if not given, so that tables can be piped.
    """

    def __init__(self, console: Console | None = None):
        self.console = console = console or error_console()
        self.runs = 0
        self._count, self._total, self._chance = 0, 0, 0.0
        self._shown: dict[str, str] = {}
        bar, left = BarColumn(bar_width=18), TimeRemainingColumn(compact=True)
        columns = ("{task.description}", bar, MofNCompleteColumn(), "{task.fields[figures]}", left)
        self._progress = bars(console, *columns, disable=not console.is_terminal)

    def __enter__(self) -> TrainingDisplay:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.matrix_done()

    def matrix_done(self) -> None:
        """Take the bar away."""
        self._end()
        self._progress.stop()

    def matrix_started(self, runs: int) -> None:
        """Remember how many runs will be trained."""
        self.runs = runs

    def run_started(self, title: str, total_steps: int, chance: float) -> None:
        """Begin a bar for this run."""
        self._count += 1
        self._chance = chance
        self._begin(f"{self._count}/{self.runs}", total_steps)
        self.console.print(Text(f"[{self._count}/{self.runs}] {title}", style="bold"))

    def part_started(self, title: str, total_steps: int) -> None:
        """Begin a bar for a GAN, which counts as no run."""
        self._begin("GAN", total_steps)
        self.console.print(Text(f"GAN {title}", style="bold"))

    def step_done(self, step: int) -> None:
        """Advance the bar."""
        for task in self._progress.task_ids:
            self._progress.update(task, completed=step)

    def interval(self, step: int, logs: dict[str, float]) -> None:
        """Show the newest losses."""
        self._show(logs)

    def epoch_done(self, summary: EpochSummary) -> None:
        """Show validation, and print a line where there is no bar."""
        self._show(summary.logs)
        auc = "not defined" if summary.validation_auc is None else f"{summary.validation_auc:.3f}"
        self._shown |= {"val": f"val {summary.validation_loss:.3f}", "auc": f"AUC {auc}"}
        self._shown["rate"] = f"{summary.images_per_second:.0f} img/s"
        self._shown |= {name: f"{name} {value:.2f}" for name, value in summary.state.items()}
        self._print_line(f"epoch {summary.epoch + 1}/{summary.epochs}", summary.chosen)

    def part_checked(self, step: int, logs: dict[str, float], chosen: bool) -> None:
        """Show the distance of a GAN's samples, and print a line where there is no bar."""
        self._shown["distance"] = f"distance {logs['distance']:.4f}"
        self._print_line(f"step {step}/{self._total}", chosen)

    def run_done(self, record: dict[str, Any], folder: str) -> None:
        """Say which epoch was chosen, how long the run took and where it lies, and take the bar away."""
        chosen = record["chosen"]
        form = ".3g" if record.get("seedless") else ".2f"
        state = "".join(f", {name} {value:{form}}" for name, value in chosen["state"].items())
        oracle = " by the oracle (it uses the holdout)" if record["selection"] == "oracle" else ""
        moving = f" ({MARK})" if not record.get("seedless") and rule_of(record, {}) == MOVING else ""
        self.note(
            f"{_weights(chosen)} chosen{oracle}: validation loss {chosen['validation_loss']:.3f}{moving}"
            f"{state}. {duration(record['seconds'])}. {folder}"
        )
        self._end()

    def note(self, text: str) -> None:
        """Print a sentence; one about a run stands below its title."""
        indent, style = ("  ", "dim") if self._progress.task_ids else ("", None)
        self.console.print(f"{indent}{text}", style=style, soft_wrap=True)

    def _end(self) -> None:
        for task in self._progress.task_ids:
            self._progress.remove_task(task)

    def _begin(self, description: str, total_steps: int) -> None:
        self._shown, self._total = {}, total_steps
        self._end()
        self._progress.add_task(description, total=total_steps, figures="")

    def _show(self, logs: dict[str, float]) -> None:
        for name, (figure, words) in _OF_LOGS.items():
            if name in logs:
                self._shown[figure] = words.format(logs[name], chance=self._chance)
        self._update()

    def _print_line(self, place: str, chosen: bool) -> None:
        self._update()
        if not self.console.is_terminal:
            mark = "  chosen so far" if chosen else ""
            figures = "  ".join(self._shown.values())
            self.console.print(f"  {place}  {figures}{mark}", soft_wrap=True)

    def _update(self) -> None:
        figures = "  ".join(self._shown[name] for name in _IN_BAR if name in self._shown)
        for task in self._progress.task_ids:
            self._progress.update(task, figures=figures)


def _weights(chosen: dict[str, Any]) -> str:
    """Return which weights became the model, in words."""
    if "window" in chosen:
        return "Mean weights of steps {first_step} to {last_step}".format_map(chosen["window"])
    return f"Epoch {chosen['epoch'] + 1}" if "epoch" in chosen else "Fit"
