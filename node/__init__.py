"""A DICOM node that listens for series, has models read them, and reports back to the PACS.

The story of one series:

1.  A peer opens an association. `wire.scp` asks `rules.admitting` whether we know it.
2.  Each C-STORE goes to `stages.receive`, which has `dicom.header` look at it
    and `spool` keep it: written, synced, renamed. Only then is 0x0000 answered.
3.  `ledger.writing` notes the instance and touches its series. If a crash comes first,
    `stages.sweep` finds the file in the spool at the next start and notes it then.
4.  `stages.settle` asks `rules.settling` whether the series has stopped growing,
    and `rules.matching` which model wants it. A job is written down.
5.  `stages.infer` claims the job, has `dicom.volume` build the volume (or say why not),
    and hands it to the model in a process of its own (`bundles.runner`, `bundles.child`).
6.  What the model found becomes a Segmentation and a Structured Report (`dicom.seg`,
    `dicom.sr`) under UIDs that come out the same on every try (`rules.naming`).
7.  `stages.deliver` sends them to each destination until it has them or says never;
    `stages.confirm` asks for storage commitment where the destination offers it.

Bytes live in the spool, facts live in the ledger, nothing that matters lives in memory.
"""

__version__ = "0.1.0"
