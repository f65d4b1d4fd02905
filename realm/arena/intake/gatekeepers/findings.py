"""What the gatekeepers found in one drop, and what it costs: the first hundred in full, all of them counted."""

from collections import Counter

from realm.core.config import Action, Gatekeepers
from realm.core.quests import Finding

KEPT = 100
LONGEST_TEXT = 300  # characters: a finding may quote a line of many megabytes

FINDINGS = {
    "empty_file": "the drop has no bytes",
    "blank_file": "the drop has only blank lines",
    "long_line": "a line is longer than 16 MB, or has more than 100,000 objects",
    "not_utf8": "a line is not valid UTF-8",
    "byte_order_mark": "the file begins with a byte order mark",
    "not_json": "a line does not parse",
    "not_an_object": "a line is JSON, but no object",
    "json_array": "the file is one JSON array instead of lines",
    "unknown_schema": "the sidecar or the first line names a dataset spec that does not exist",
    "no_spec": "the first line has the columns of no dataset spec",
    "missing_column": "a line lacks a column of the quest's dataset spec",
    "no_messages": "a chat has no list of messages",
    "bad_message": "a message is no object",
    "unknown_role": "a message has a role other than system, user, assistant",
    "no_text": "a message, prompt, completion or text is no string",
    "nothing_to_learn": "a completion or text is empty",
    "no_assistant": "a chat has no assistant turn",
    "untrainable": "a line that the trainer could not read",
    "empty_content": "a message, prompt, completion or text is empty or blank",
    "overlong": "examples are longer than the hero's max_length",
    "example_count": "the sidecar counts other examples than there are lines",
    "unknown_key": "the sidecar has a key that nobody reads",
    "bad_sidecar": "the sidecar cannot be read",
    "late_sidecar": "the sidecar was still being written a minute after the drop was finished",
    "bad_archive": "the drop does not decompress, or to more than 20 times its size",
    "link": "the drop is a symbolic link",
    "twin": "a quest with the same bytes waits or is being trained",
    "trained_before": "a quest with the same bytes was completed",
}
ALWAYS_WARN = ("late_sidecar", "trained_before")  # neither is a fault of the drop's content


class Findings:
    """Collects what several gatekeepers (`quick@1`, ...) find in one drop."""

    def __init__(self, settings: Gatekeepers):
        self._settings = settings
        self.rejecting: list[Finding] = []  # the first KEPT
        self.counts: Counter[str] = Counter()  # rejecting findings by name
        self.verdicts: dict[str, str] = {}  # gatekeeper -> passed, warned or rejected; those that looked
        self._first_warnings: dict[str, Finding] = {}
        self._warnings: Counter[str] = Counter()

    @property
    def reject(self) -> bool:
        return bool(self.counts)

    @property
    def warnings(self) -> list[str]:
        """One sentence for each kind of finding that only warns."""
        return [
            finding.sentence + (f", and {self._warnings[name] - 1} more like it" if self._warnings[name] > 1 else "")
            for name, finding in self._first_warnings.items()
        ]

    @property
    def reason(self) -> str:
        """One sentence on why the drop is refused."""
        more = self.counts.total() - 1
        return self.rejecting[0].sentence + (f", and {more} more findings" if more else "")

    def passed(self, gatekeeper: str) -> None:
        """The gatekeeper looked; what it finds is added."""
        self.verdicts.setdefault(gatekeeper, "passed")

    def add(self, gatekeeper: str, name: str, text: str, how_to_mend: str = "", line: int | None = None) -> None:
        """Raises ValueError for a name that FINDINGS does not have."""
        if name not in FINDINGS:
            raise ValueError(f"finding {name!r} is unknown: name its meaning in FINDINGS, {__file__}")
        finding = Finding(line, name, text[:LONGEST_TEXT], how_to_mend[:LONGEST_TEXT])
        action = self._action(name)
        if action == "reject":
            self._reject(gatekeeper, finding)
        elif action == "warn":
            self._warn(gatekeeper, finding)

    def _action(self, name: str) -> Action:
        if name in ALWAYS_WARN:
            return "warn"
        settable: dict[str, Action] = {
            "empty_content": self._settings.empty_content,
            "overlong": self._settings.overlong,
            "example_count": self._settings.example_count,
            "unknown_key": self._settings.unknown_key,
        }
        return settable.get(name, "reject")

    def _reject(self, gatekeeper: str, finding: Finding) -> None:
        self.verdicts[gatekeeper] = "rejected"
        self.counts[finding.finding] += 1
        if len(self.rejecting) < KEPT:
            self.rejecting.append(finding)

    def _warn(self, gatekeeper: str, finding: Finding) -> None:
        if self.verdicts.get(gatekeeper) != "rejected":
            self.verdicts[gatekeeper] = "warned"
        self._warnings[finding.finding] += 1
        self._first_warnings.setdefault(finding.finding, finding)
