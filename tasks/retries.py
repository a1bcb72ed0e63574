"""When trying a task again can help: a store that is busy or away, and nothing else.

Holds no task: it is the condition that tasks share.
"""

from typing import Any

from prefect.client.schemas.objects import TaskRun
from prefect.states import State
from prefect.tasks import Task

from reage.storage import StoreUnavailableError


async def may_pass(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Says whether trying again later may help: a busy store yes, a refused key no."""
    result = await state.aresult(raise_on_failure=False)
    return isinstance(result, StoreUnavailableError)
