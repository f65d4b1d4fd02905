"""Answers of one model: a thread in which all that is asked is one batch, however late a question comes."""

import threading
from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue

from torch import Tensor
from transformers import PreTrainedModel

from realm.oracle.batch import Batch, Reading
from realm.oracle.question import MOST_ROWS, Busy, Failed, Question, Token
from realm.oracle.sampling import Sampler

MOST_WAITING = 64


class Answering:
    """Iterating gives the tokens as they come, without a stop token. Raises Failed. Closing it frees its row."""

    def __init__(self, question: Question):
        self.question = question
        self.is_finished = False  # by a stop token; else `most` ran out, or it was closed
        self.is_closed = False
        self._tokens: SimpleQueue[list[Token] | Failed | None] = SimpleQueue()
        self._untold: list[Token] = []  # waking who waits costs the engine time
        self._sampler = Sampler(question)
        self.said: list[int] = []  # ids

    def __iter__(self) -> Iterator[Token]:
        while told := self._tokens.get():
            if isinstance(told, Failed):
                raise told
            yield from told

    def close(self) -> None:
        self.is_closed = True
        self._tokens.put(None)  # who still reads comes to an end

    # In the engine's thread

    @property
    def heard(self) -> list[int]:
        """The prompt, and the answer until now."""
        return [*self.question.prompt, *self.said]

    def take(self, logits: Tensor) -> bool:
        """Draws the next token. Returns whether another one is wanted."""
        token = self._sampler.draw(logits, self.said)
        self.is_finished = token.id in self.question.stop
        if not self.is_finished:
            self._untold.append(token)
            self.said.append(token.id)
        wants_more = not self.is_finished and not self.is_closed and len(self.said) < self.question.most
        if self._untold and (not wants_more or len(self._untold) >= self.question.at_once):
            self._tokens.put(self._untold)
            self._untold = []
        if not wants_more:
            self._tokens.put(None)
        return wants_more

    def fail(self, error: Failed) -> None:
        self._tokens.put(error)


class Engine:
    """Runs until `end`; what is being answered then, fails.

    Of the rows, those that came last wait again where the keys and values of all would be of more than `most_tokens`.
    """

    def __init__(self, model: PreTrainedModel, most_tokens: int):
        """`most_tokens`: also of one question with its whole answer."""
        self._batch = Batch(model)
        self._most_tokens = most_tokens
        self._rows: list[Answering] = []
        self._coming: tuple[Answering, Reading] | None = None  # whose prompt is being read
        self._waiting: deque[Answering] = deque()
        self._changed = threading.Condition()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="engine")
        self._thread.start()

    def ask(self, question: Question) -> Answering:
        """Raises Busy, Failed, ValueError for more tokens than there is memory for."""
        if len(question.prompt) + question.most > self._most_tokens:
            raise ValueError(f"{len(question.prompt)} and {question.most} tokens are more than {self._most_tokens}")
        answering = Answering(question)
        with self._changed:
            if self._is_ending:
                raise Failed("the model is being unloaded")
            if len(self._waiting) >= MOST_WAITING:
                raise Busy(f"{MOST_WAITING} questions wait already: ask again in a moment")
            self._waiting.append(answering)
            self._changed.notify()
        return answering

    @property
    def is_busy(self) -> bool:
        with self._changed:
            return bool(self._rows or self._coming or self._waiting)

    def end(self) -> None:
        with self._changed:
            self._is_ending = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while self._wait():
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001 - whatever torch raises, others are to be answered
                self._give_up(_broken(error))
        self._give_up(Failed("the model was unloaded"))

    def _wait(self) -> bool:
        """For something to do. Returns False when all is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_ending or self._rows or self._coming or self._waiting)
            return not self._is_ending

    def _turn(self) -> None:
        """One token in each row, then a piece of the next prompt."""
        self._make_way()
        if self._rows:
            logits = self._batch.step([row.said[-1] for row in self._rows])
            wanting = [place for place, row in enumerate(self._rows) if row.take(logits[place])]
            if len(wanting) < len(self._rows):
                self._batch.keep(wanting)
                with self._changed:
                    self._rows = [self._rows[place] for place in wanting]
        if self._coming is None:
            self._let_in()
        if self._coming:
            self._read_on(*self._coming)

    def _make_way(self) -> None:
        """Answers have grown: whoever came last waits again, with what it has said."""
        if self._coming and self._batch.tokens_with(self._coming[1].prompt) > self._most_tokens:
            self._put_back()
        while len(self._rows) > 1 and self._batch.tokens_with() > self._most_tokens:
            self._batch.keep(range(len(self._rows) - 1))
            with self._changed:
                self._waiting.appendleft(self._rows.pop())

    def _put_back(self) -> None:
        with self._changed:
            if self._coming:
                self._waiting.appendleft(self._coming[0])
            self._coming = None

    def _let_in(self) -> None:
        with self._changed:
            while self._waiting and self._waiting[0].is_closed:
                self._waiting.popleft()
            if not self._waiting or len(self._rows) == MOST_ROWS:
                return
            prompt = self._waiting[0].heard
            if not self._rows or self._batch.tokens_with(prompt) <= self._most_tokens:
                self._coming = self._waiting.popleft(), Reading(prompt)

    def _read_on(self, row: Answering, reading: Reading) -> None:
        """A piece of its prompt; after the last one it is a row."""
        try:
            logits = None if row.is_closed else self._batch.read(reading)
        except Exception as error:  # noqa: BLE001 - whatever torch raises, the others go on
            row.fail(_broken(error))
            self._coming = None
            return
        if logits is None:
            self._coming = None if row.is_closed else self._coming
            return
        is_wanting = row.take(logits)
        if not is_wanting:
            self._batch.keep(range(len(self._rows)))
        with self._changed:
            self._coming = None
            if is_wanting:
                self._rows.append(row)

    def _give_up(self, error: Failed) -> None:
        self._put_back()
        with self._changed:
            rows, self._rows = [*self._rows, *(self._waiting if self._is_ending else ())], []
            if self._is_ending:
                self._waiting.clear()
        self._batch.keep([])
        for row in rows:
            row.fail(error)


def _broken(error: Exception) -> Failed:
    return Failed(f"the model could not go on: {type(error).__name__}: {error}")
