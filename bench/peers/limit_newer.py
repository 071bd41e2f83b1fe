"""The limit again, on the SQLite library that ours has: `python -m bench.peers.limit_newer FILE`.

How much of the distance to the limit is Python's own, older library, and how much is ours.
"""

import sys

# First of all: whatever imports `sqlite3` from then on gets the newer one.
from app.db.sqlite_library import leave_out_memory_statistics  # isort: split

from bench.peers.limit import Shop, create_app
from bench.peers.serving import serve

if __name__ == "__main__":
    leave_out_memory_statistics()
    serve(create_app(Shop(sys.argv[1])), joined=True, lean=True)
