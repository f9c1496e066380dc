"""Conversations with peers: the only room that talks DIMSE.

`scp` listens, `scu` calls, `archive` is a small destination of our own for demonstrations.
pynetdicom does the talking; its switches are set here and nowhere else.
"""

from pynetdicom import _config  # noqa: TID251 - the room that may

_config.LOG_REQUEST_IDENTIFIERS = False  # identifiers hold patients
_config.LOG_RESPONSE_IDENTIFIERS = False
_config.LOG_HANDLER_LEVEL = "none"
_config.STORE_SEND_CHUNKED_DATASET = True  # a file is read as it goes out, see outgoing
