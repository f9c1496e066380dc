"""The real node with a weak heart: it dies by SIGKILL at an event of the ledger that we choose.

    python mortal.py EVENT before|after run --config FILE

`before`: inside the transaction that writes the event, before its commit. `after`: when the commit
of that transaction has returned. Everything else is the node as it is.
"""

import os
import signal
import sys

import sqlalchemy

from node.cli import main
from node.ledger import chain

event, when = sys.argv[1:3]
real_append = chain.append


def append(connection, rows, *others, **more):
    rows = list(rows)
    result = real_append(connection, rows, *others, **more)
    if any(event == str(row.event) for row in rows):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        connection.info["die"] = True
    return result


def die(connection):
    if connection.info.get("die"):
        # the event fires before the driver's commit; do that commit, then die
        connection.connection.driver_connection.commit()
        os.kill(os.getpid(), signal.SIGKILL)


chain.append = append
sqlalchemy.event.listen(sqlalchemy.Engine, "commit", die)
sys.exit(main(sys.argv[3:]))
