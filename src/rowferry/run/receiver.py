"""The loop that receives: poll → add → for each closed file: 1. plan → 2. put → 3. commit.

A file's end is decided, and committed, before the file is uploaded; the position moves after it is
durable. A crash anywhere in between repeats an identical upload, and nothing else.
"""

import time
from dataclasses import dataclass

import structlog

from rowferry.config import Settings
from rowferry.errors import NoSpace, Transient
from rowferry.failpoints import failpoint
from rowferry.flow.receive.batches import Reason
from rowferry.flow.receive.consumer import ProtocolUnsupported
from rowferry.flow.receive.contract import Owned
from rowferry.flow.stage.names import file_name
from rowferry.model import Range
from rowferry.run.garbage import rare_collections
from rowferry.run.lane import Lane
from rowferry.run.patience import Lasting, Pauses, first_reach
from rowferry.run.pressure import Pressure
from rowferry.run.receiver_parts import Parts, assemble
from rowferry.run.spool import Spool
from rowferry.run.steps import Closed, Committing, Flying, Step
from rowferry.run.takeover import Arrival, FirstPutCheck, Taken
from rowferry.run.topic_watch import TopicWatch
from rowferry.run.uploads import Task, raise_failure
from rowferry.run.watchdog import Watchdog
from rowferry.stop import Stop

_DRAIN_WAIT_SECONDS = 0.02  # for an upload, between polls

log = structlog.get_logger()


@dataclass(slots=True)
class Received:
    """What a receiver has staged, and knows to be committed."""

    files: int = 0
    rows: int = 0


class Receiver:
    """One membership of the group, and the lanes of its partitions; used once."""

    def __init__(self, parts: Parts, stop: Stop, received: Received) -> None:
        self._parts, self._stop, self._received = parts, stop, received
        self._pressure = Pressure(parts.settings, parts.spool_bytes, once=parts.goal is not None)
        self._lanes: dict[Owned, Lane] = {}
        self._arriving: dict[Owned, Arrival] = {}
        self._watch = TopicWatch(parts.uploads, parts.check_topics)
        self._membership = parts.join(on_revoke=self._hand_over, on_lost=self._drop)

    def run(self) -> None:
        """Receive until a stop is asked for, or all that --once wants is staged.

        Raises MembershipOver: what was not committed is dropped, and a new Receiver goes on.
        """
        try:
            while not self._stop.requested and not self._is_complete():
                self._turn()
            self._drain()
        except NoSpace:
            self._parts.lower_spool(sum(lane.spooled_bytes for lane in self._lanes.values()))
            raise
        finally:
            self._drop([*self._lanes, *self._arriving])
            self._membership.close()

    def _turn(self) -> None:
        """One turn of the loop."""
        now = time.monotonic()
        lanes = [*self._lanes.values()]
        most, seconds = self._pressure.wait(lanes, now, busy=bool(self._arriving))
        polled = self._membership.poll(most, seconds)
        failpoint("receive.poll")
        self._take_up(polled.arrived, now)
        for fetched in polled.fetched:
            self._pressure.weigh(fetched.raw)
            if fetched.owned in self._lanes:
                self._lanes[fetched.owned].add(fetched, now)
            else:
                self._arriving[fetched.owned].fetched.append(fetched)
        self._close_due(time.monotonic())
        self._pressure.polled(sum(len(fetched.raw.values) for fetched in polled.fetched), most)
        self._move_files(wait=not self._pressure.is_behind)
        self._regulate()
        self._watch.look(now)

    def _move_files(self, *, wait: bool) -> None:
        """Everything that happens to closed files, in the only order that is safe.

        wait: for commits to end; with a backlog they may go on beside the next turn.
        """
        now = time.monotonic()
        for lane in self._lanes.values():
            if lane.committing is None and (lane.closed or lane.completion_due(now)):
                # 1. plan: commit the ends of files, before any of them is uploaded
                # 3. commit: move the position behind files that are durable
                self._commit(lane, lane.next_step())
        for lane in self._lanes.values():
            if lane.committing is not None and (wait or lane.committing.ended):
                # 2. put: upload them, in the background
                self._settle(lane)

    def _commit(self, lane: Lane, step: Step) -> None:
        """Begin to commit a step that changes anything, once adopted files leave room for it."""
        is_due = step.register != lane.register and step.register.fits
        outcome = self._membership.commit(lane.owned, step.register) if is_due else None
        lane.committing = Committing(step, outcome)

    def _settle(self, lane: Lane) -> None:
        """Wait for the lane's commit, and act on it: note what is done, upload what is decided."""
        if lane.committing is None:
            return
        lane.committing.wait()
        done, decided = lane.apply(lane.committing.step)
        lane.committing = None
        for closed in done:
            self._note_staged(lane, closed)
        if decided:
            failpoint("receive.plan")
        if done:
            failpoint("receive.done")
        for closed in decided:
            lane.flying.append(Flying(closed, self._put(lane, closed)))

    def _put(self, lane: Lane, closed: Closed) -> Task | None:
        if closed.file is None:
            return None
        boundary, topic = closed.boundary, lane.owned.topic
        covered = Range(topic, lane.owned.partition, boundary.start, boundary.end, boundary.rows)

        def before() -> None:
            self._parts.refuse_another_creation(topic)
            lane.check(boundary)

        return self._parts.uploads.put(file_name(covered), closed.file.whole, before)

    # --- Partitions come and go

    def _take_up(self, arrived: list[Owned], now: float) -> None:
        """Ask the stage about new partitions; open a lane for those whose answer is there."""
        for owned in arrived:
            answer: list[Taken] = []
            action = self._parts.taking_up(owned, answer)
            task = self._parts.uploads.ask(action, f"list {owned.where}")
            self._arriving[owned] = Arrival(task, answer)
        for owned, arrival in [*self._arriving.items()]:
            if arrival.task.ended:
                del self._arriving[owned]
                raise_failure(arrival.task)
                self._open_lane(owned, arrival, now)
            elif arrival.fetched and not arrival.paused:  # the stage is slow: hold no more
                self._membership.pause(owned)
                arrival.paused = True

    def _open_lane(self, owned: Owned, arrival: Arrival, now: float) -> None:
        taken = arrival.answer[0]
        if taken.to_commit:
            self._membership.commit(owned, taken.register).result()
        check = FirstPutCheck(self._parts.entry, owned)
        lane = Lane(owned, taken, check, self._parts.making)
        self._lanes[owned] = lane
        if arrival.paused or self._parts.entry.may_move:
            self._membership.resume(owned, taken.register.position)
        for fetched in arrival.fetched:
            lane.add(fetched, now)
        log.info(
            "partition.taken",
            topic=owned.topic.topic,
            partition=owned.partition,
            position=taken.register.position,
            planned=len(taken.register.planned),
        )

    def _hand_over(self, leaving: list[Owned]) -> None:
        """Partitions are about to be taken away: complete what lands soon, leave the rest."""
        deadline = time.monotonic() + self._parts.revoke_seconds
        for lane in [self._lanes[owned] for owned in leaving if owned in self._lanes]:
            self._settle(lane)
            for flying in lane.flying:
                if flying.task is not None:
                    flying.task.wait(deadline - time.monotonic())
            self._commit(lane, lane.next_step(decide=False))
            self._settle(lane)
        self._drop(leaving)

    def _drop(self, gone: list[Owned]) -> None:
        for owned in gone:
            lane = self._lanes.pop(owned, None)
            if lane is not None:
                lane.discard()
            arriving = self._arriving.pop(owned, None)
            if arriving is not None:
                arriving.task.cancel()

    # --- When files end

    def _close_due(self, now: float) -> None:
        for lane in self._lanes.values():
            lane.work_off(now)
            reason = lane.due(now)
            if reason is not None:
                lane.end(reason)
            for flying in lane.flying:
                if flying.task is not None and flying.task.ended:
                    raise_failure(flying.task)
        if (fullest := self._pressure.to_close([*self._lanes.values()])) is not None:
            fullest.end(Reason.SPOOL)

    def _regulate(self) -> None:
        """Pause what would outgrow its bounds, resume what has room again."""
        for lane, pause in self._pressure.wanted([*self._lanes.values()]):
            if pause and not lane.paused:
                self._membership.pause(lane.owned)
            elif lane.paused and not pause:
                self._membership.resume(lane.owned, lane.position)
            lane.paused = pause

    def _is_complete(self) -> bool:
        if any(lane.unreadable for lane in self._lanes.values()):
            return True
        return self._parts.is_complete([*self._lanes.values()], busy=bool(self._arriving))

    def _drain(self) -> None:
        """Close, plan, put and commit all that is here; polls on, for the group's sake."""
        lanes = [*self._lanes.values()]
        for lane in lanes:
            if not lane.paused:
                self._membership.pause(lane.owned)
            lane.end(Reason.DRAIN)
        while any(lane.closed or lane.flying for lane in self._lanes.values()):
            self._move_files(wait=True)
            self._close_due(time.monotonic())
            under_way = (f.task for lane in lanes for f in lane.flying if not f.landed)
            task = next(under_way, None)
            if task is not None:
                task.wait(_DRAIN_WAIT_SECONDS)
            self._membership.poll(1, 0)
        for lane in lanes:
            if lane.unreadable is not None:
                raise lane.unreadable

    def _note_staged(self, lane: Lane, closed: Closed) -> None:
        self._received.files += 1
        self._received.rows += closed.boundary.rows
        log.info(
            "batch.staged",
            topic=lane.owned.topic.topic,
            partition=lane.owned.partition,
            first=closed.boundary.start,
            end=closed.boundary.end,
            rows=closed.boundary.rows,
            bytes=closed.file.size if closed.file is not None else 0,
            reason=closed.reason.value,
            seconds=round(time.monotonic() - closed.opened_at, 3),
        )
        if closed.file is not None:
            closed.file.path.unlink(missing_ok=True)


def run_receiver(settings: Settings, stop: Stop, once: bool = False) -> Received:
    """Receive until a stop is asked for; once: until what is in the topics now is staged.

    Raises NeedsPerson errors, after what could be completed was; RetryBudgetSpent where a part was
    not reached for CONNECT_SECONDS in the beginning.
    """
    received = Received()
    watchdog = Watchdog(stop, settings.drain_seconds)
    with watchdog, rare_collections(), Spool(settings.spool_dir) as spool:
        parts = first_reach(lambda: assemble(settings, spool, once=once), settings, stop)
        if parts is None:
            return received
        try:
            _receive_with(parts, stop, received)
        finally:
            parts.close()
    return received


def _receive_with(parts: Parts, stop: Stop, received: Received) -> None:
    """Membership after membership; each starts from what is committed."""
    pauses, lasting = Pauses(), Lasting(parts.settings.connect_seconds)
    while not stop.requested:
        started = time.monotonic()
        try:
            Receiver(parts, stop, received).run()
        except ProtocolUnsupported:
            parts.take_the_classic_protocol()
        except Transient as error:
            lasting.heed(error, started, time.monotonic())
            pause = pauses.after(time.monotonic() - started)
            log.warning("membership.over", reason=str(error), pause_seconds=round(pause, 1))
            stop.wait(pause)
        else:
            return
