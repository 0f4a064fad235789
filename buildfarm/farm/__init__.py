"""The verbs: submit, tick, work_one. Nothing happens in the farm by any other way."""
