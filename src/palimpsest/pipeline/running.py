"""Reproduces what has changed, as many stages at a time as there are workers."""

import queue
import time
from collections.abc import Collection, Mapping

from distributed import Future

from palimpsest.config.words import number_of
from palimpsest.config.yaml import InputError
from palimpsest.pipeline.agenda import Agenda, Stages, forecast
from palimpsest.pipeline.display import Display, in_words
from palimpsest.pipeline.graph import Pipeline, followers
from palimpsest.pipeline.pool import GPU, Pool
from palimpsest.pipeline.times import Times
from palimpsest.pipeline.worker import TOPIC, Outcome, reproduce

PASSES = 3  # at most; more than one only where a killed process has left a torn dvc.lock
TICK = 1.0  # s between two looks at the pool when nothing happens
PATIENCE = 3600.0  # s without a worker; jobs may wait in a queue
BETWEEN = 60.0  # s between two words about there being no worker
GOES_ON = "what was made is kept, and the same command goes on from there"


def run_all(pipeline: Pipeline, stages: Stages, due: Collection[str], times: Times, pool: Pool) -> None:
    """Reproduces what is due, and leaves dvc.lock as `dvc repro` does.

    InputError says why stages failed; those that do not depend on them are made. A killed process may leave a dvc.lock
    that lacks stages which have run, so what has changed is asked for again at the end.
    """
    pipeline.keep()
    errors: dict[str, str] = {}
    try:
        for _ in range(PASSES):
            if due and not errors:
                errors = Running(pipeline, stages, due, times, pool).run()
                due = pipeline.due(stages, again=True)
    except KeyboardInterrupt as stopped:
        stopped.add_note(f"stopped; {GOES_ON}")
        raise
    if errors:
        lost = len(followers(stages, errors.keys())) - len(errors)
        left = f"; left out, as it comes after: {number_of(lost, 'stage')}" if lost else ""
        raise InputError("\n".join(f"{name}: {error}" for name, error in errors.items()) + left)
    pipeline.tidy(stages)


class Running:
    """Hands out stages until all are done or lost."""

    def __init__(self, pipeline: Pipeline, stages: Stages, due: Collection[str], times: Times, pool: Pool):
        self.pipeline, self.stages, self.times, self.pool = pipeline, stages, times, pool
        self.expected = times.expected(stages)
        self.agenda = Agenda(stages, due, self.expected)
        self.asked: set[str] = set()  # stages of which DVC has said whether they have changed
        self.errors: dict[str, str] = {}
        self.happened: queue.Queue[Future | Mapping[str, str]] = queue.Queue()
        self.workers, self.seen = 1, time.monotonic()  # how many there are, and when there was one last
        self.told = self.seen  # when it was last said that there is none
        self.display = Display(len(due), self.left)

    def run(self) -> dict[str, str]:
        """{stage: what went wrong} of those that failed."""
        self.pool.client.subscribe_topic(TOPIC, lambda event: self.happened.put(event[1]))
        with self.display:
            while self.agenda.waiting or self.agenda.running:
                self.hand_out()
                self.listen()
        return self.errors

    def hand_out(self) -> None:
        """Gives the most urgent stages to free workers, and leaves out those that have not changed."""
        while len(new := [name for name in self.agenda.ready() if name not in self.asked]) > 1:
            self.asked.update(new)
            unchanged = set(new) - self.pipeline.changed(new)
            self.display.skip(len(unchanged))
            for name in unchanged:
                self.agenda.skip(name)
        workers = self.pool.client.scheduler_info(n_workers=-1)["workers"].values()
        self.workers = max(1, len(workers))
        if workers:
            self.seen = time.monotonic()
        gpus = sum(GPU in worker["resources"] for worker in workers)
        for name in self.agenda.ready():
            needs, running = self.stages[name].needs, [self.stages[each].needs for each in self.agenda.running]
            with_gpu = self.pool.gpus and needs.gpu
            fits = not running or sum(each.memory for each in running) + needs.memory <= self.pool.memory
            if len(running) < len(workers) and fits and not (with_gpu and sum(each.gpu for each in running) >= gpus):
                self.agenda.start(name)
                lock = self.pipeline.recorded() if self.pool.origin else ""
                resources = {GPU: 1} if with_gpu else None
                future = self.pool.client.submit(reproduce, name, lock, key=name, pure=False, resources=resources)
                future.add_done_callback(self.happened.put)

    def listen(self) -> None:
        """Waits until a stage begins, prints a line or ends; not for long."""
        try:
            event = self.happened.get(timeout=TICK)
        except queue.Empty:
            self.check()
            return
        if isinstance(event, Future):
            self.end(event)
        elif event["line"]:
            self.display.line(event["stage"], event["line"])
        else:
            self.display.start(event["stage"])

    def check(self) -> None:
        """InputError if nothing can run any more: the scheduler is gone, or there has been no worker for too long."""
        if self.pool.client.status != "running":
            raise InputError(f"the scheduler is gone; {GOES_ON}")
        without = time.monotonic() - self.seen
        if without > PATIENCE:
            raise InputError(f"there has been no worker for {in_words(PATIENCE)}; {GOES_ON}")
        self.pool.replace_lost()
        if time.monotonic() - max(self.told, self.seen) > BETWEEN:
            self.told = time.monotonic()
            self.display.print(f"no worker for {in_words(without)}; jobs may still wait in the queue")

    def end(self, future: Future) -> None:
        """Books how a stage ended."""
        name = future.key
        try:
            outcome = future.result()
            if self.pool.origin and not outcome.error and (error := self.take_over(name)):
                raise error
        except Exception as error:  # of a worker, or of DVC here
            self.check()
            outcome = Outcome(name, 0.0, ran=False, error=" ".join(f"{type(error).__name__}: {error}".split()))
        self.display.end(outcome)
        if outcome.error:
            self.errors[name] = outcome.error
            self.agenda.fail(name)
            return
        self.agenda.end(name)
        if outcome.ran:
            self.times.keep(name, outcome.seconds)

    def take_over(self, name: str) -> BaseException | None:
        """What goes wrong when a stage that a clone has reproduced is recorded here."""
        through_remote = not self.pool.origin.cache
        return self.pipeline.patiently(lambda: self.pipeline.take_over(name, through_remote))

    def left(self) -> float:
        """Forecast of the seconds to the end, as if every stage that waits had changed."""
        rest = {name: max(0.0, self.expected[name] - self.display.elapsed(name)) for name in list(self.agenda.running)}
        due = [*rest, *self.agenda.waiting]
        return forecast(self.stages, due, self.expected | rest, self.workers).seconds
