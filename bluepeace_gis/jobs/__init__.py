"""Many runs: tasks done by threads, processes or a cluster, so that the next run always completes them.

``tasks`` says what a task is, ``running`` does a list of them, ``manifest`` keeps what became of each;
``executors`` and ``cluster`` are those who do the work, and ``attempts`` is what they do. Nothing here
knows what the functions compute.
"""

from bluepeace_gis.jobs.running import Plan, Summary, plan, run
from bluepeace_gis.jobs.tasks import Task

__all__ = ["Plan", "Summary", "Task", "plan", "run"]
