"""How many threads work on tiles, and that their number changes no result."""

import os
import threading

import pytest

from bluepeace_gis.kernels import tiles


def threads_used(**how):
    """Count the threads that each got a tile."""
    seen, lock = set(), threading.Lock()

    def look(tile):
        with lock:
            seen.add(threading.get_ident())
        threading.Event().wait(0.005)
        return tile.number

    assert tiles.each(look, tiles.Tiling(6, 6, 1), **how) == list(range(36))
    return len(seen)


@pytest.mark.parametrize("count", [1, 3])
def test_who_runs_several_pieces_of_work_at_once_sets_the_threads_of_each(count):
    with tiles.threads_at_most(count):
        assert threads_used() == count
        assert threads_used(threads=2) == 2  # said by the caller, it counts
        with tiles.threads_at_most(2):
            assert threads_used() == 2
        assert threads_used() == count


def test_the_threads_of_one_thread_are_not_those_of_another():
    found = []
    with tiles.threads_at_most(1):
        other = threading.Thread(target=lambda: found.append(threads_used(threads=None)))
        other.start()
        other.join()
    assert found == [min(os.cpu_count(), 36)]
