"""Facts: everything that the node knows, in SQL; one verb is one transaction and its audit event.

Theory of operation. `opening.open_ledger` gives a `Ledger`; its methods are the only way in and
out. A verb that changes anything runs in one transaction, which takes the state from `rules.states`
and appends the audit rows of what it did to a hash chain (`chain`) before it commits: either both
are there after a crash, or neither. Only one transaction writes at a time (`transactions`), so no
verb needs to think about another; readers never wait. SQLite (in the data folder, for one machine)
and PostgreSQL (for several) behave the same, and one suite of tests holds both to it.

Verbs that report what has already happened (an image is in the spool, a PACS has answered) may be
told twice, because the answer to the first telling can be lost: the second changes nothing.
"""
